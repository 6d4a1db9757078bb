"""Diffusion over a graph of the whole gallery, see :mod:`core.diffusion`."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from core.diffusion import normalised, spread
from core.indexes.base import Beside, Knob, Unreadable, indexes
from core.indexes.graph import knn
from core.neighbours import best, nearest
from core.types import Cost, Hits, Progress

PARTS = ("weights", "columns", "starts")
"""The matrix S by rows: its values, their columns, and where each row starts."""
QUERIES = 64


class Diffusion(Beside):
    """Scores are no cosines: above 0 how much of the query's weight arrived at a row, by which the
    reached rows are ranked.

    The others follow, by cosine, with their cosine less 1 as score.
    """

    name = "diffusion"
    title = "Diffusion on a kNN graph"
    about = (
        "Lets the query's weight spread over the graph: finds chains of similar pictures. Its"
        " scores are no cosines."
    )
    score = "diffusion"
    build_knobs = {
        "degree": Knob(
            50,
            (20, 50, 100),
            "nearest pictures that each may be linked with, where both have each other",
            2,
            500,
            more=0,
        ),
        "gamma": Knob(
            3,
            (1, 3, 5),
            "power of the cosine that a link weighs: higher trusts near ones more",
            1,
            20,
            more=0,
        ),
    }
    search_knobs = {
        "alpha": Knob(
            0.99,
            (0.5, 0.9, 0.99),
            "share that goes on at each step: 0 stays at the query's neighbours",
            0,
            0.999,
            more=0,
        ),
        "start": Knob(
            10, (5, 10, 50), "neighbours of the query that the weight starts from", 1, 1000, more=0
        ),
        "truncate": Knob(
            1000,
            (200, 1000, 5000),
            "rows nearest to the query that it spreads over",
            10,
            100_000,
            more=0,
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self._graph: Any = None
        self._gamma = 1.0

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._graph = normalised(knn(vectors, int(knobs["degree"]), progress), knobs["gamma"])
        self._gamma = knobs["gamma"]
        self._keep(vectors, started)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        kept = min(self.size, max(int(knobs["truncate"]), k))
        parts = [
            self._some(queries[start : start + QUERIES], kept, knobs)
            for start in range(0, len(queries), QUERIES)
        ]
        ids, scores = (np.concatenate(values) for values in zip(*parts, strict=True))
        which = np.repeat(np.arange(len(queries)), kept)
        return best(len(queries), k, which, ids.reshape(-1), scores.reshape(-1))

    def _some(self, queries: np.ndarray, kept: int, knobs: dict) -> tuple[np.ndarray, np.ndarray]:
        """Each query's ``kept`` nearest rows int64 (q, kept), best first, and scores float32."""
        found = nearest(queries, self.rows, range(self.size), kept)
        return found.ids, np.stack(
            [self._spread(*pair, knobs) for pair in zip(found.ids, found.scores, strict=True)]
        )

    def _spread(self, rows: np.ndarray, cosine: np.ndarray, knobs: dict) -> np.ndarray:
        """Scores float32 (c) of rows sorted by their cosine with the query."""
        inside = self._graph[rows][:, rows]
        return spread(inside, cosine, int(knobs["start"]), self._gamma, knobs["alpha"])

    def _save(self, folder: Path) -> None:
        for name, values in zip(
            PARTS, (self._graph.data, self._graph.indices, self._graph.indptr), strict=True
        ):
            np.save(folder / f"{name}.npy", values)
        self._save_vectors(folder, gamma=self._gamma)

    def _load(self, folder: Path) -> None:
        from scipy.sparse import csr_matrix

        self._gamma = self._load_vectors(folder)["gamma"]
        parts = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in PARTS]
        try:
            self._graph = csr_matrix(tuple(parts), shape=(self.size, self.size))
            self._graph.check_format(full_check=True)
        except ValueError as error:
            raise Unreadable(folder) from error

    def cost(self) -> Cost:
        """In memory the vectors count too: every one is compared with the query first."""
        held = (
            self._graph.data.nbytes
            + self._graph.indices.nbytes
            + self._graph.indptr.nbytes
            + self._vectors.nbytes
        )
        return Cost(held, held, self._seconds)


indexes.add(Diffusion.name, Diffusion)
