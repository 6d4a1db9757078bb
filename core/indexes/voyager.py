"""Voyager (Spotify, 2023), the successor of Annoy: the graph of Malkov and Yashunin (2018)."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from core.device import threads
from core.indexes.base import Beside, Knob, Unreadable, blocks, indexes
from core.neighbours import rank
from core.types import Cost, Hits, Progress

BLOCK = 1024
FILE = "index.voy"


class Voyager(Beside):
    """Euclidean distance on unit vectors, which has the order of the cosine."""

    name = "voyager"
    title = "Voyager (graph)"
    about = (
        "Walks a graph of neighbours as HNSW does: the maintained successor of Annoy. Reads its"
        " whole file into memory."
    )
    package = "voyager"
    walks = True
    mapped = False
    build_knobs = {
        "M": Knob(16, (8, 16, 32), "links of each picture", 2, 512),
        "ef_construction": Knob(
            200, (50, 200, 400), "candidates looked at for each link", 1, 10_000
        ),
    }
    search_knobs = {
        "query_ef": Knob(64, (16, 64, 256), "candidates kept while walking", 1, 100_000)
    }

    def __init__(self) -> None:
        super().__init__()
        self._graph: Any = None
        self._bytes = 0

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        import voyager

        started = time.perf_counter()
        graph = voyager.Index(
            voyager.Space.Euclidean,
            vectors.shape[1],
            M=knobs["M"],
            ef_construction=knobs["ef_construction"],
            random_seed=1,
            max_elements=len(vectors),
        )
        for part in blocks(len(vectors), BLOCK, progress):
            _insert(graph, vectors[part], part.start)
        self._graph, self._bytes = graph, len(graph.as_bytes())
        self._keep(vectors, started)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        wanted = min(k, self.size)
        found = np.full((len(queries), wanted), -1, np.int64)
        for row, query in enumerate(np.array(queries)):  # a copy: see _insert
            ids = self._reached(query, wanted, int(knobs["query_ef"]))
            found[row, : len(ids)] = ids
        return rank(queries, self.rows, found, k)

    def _reached(self, query: np.ndarray, wanted: int, effort: int) -> np.ndarray:
        """Rows near the query; fewer than wanted where the graph reaches no more."""
        import voyager

        while True:
            try:
                ids, _ = self._graph.query(
                    query, wanted, num_threads=1, query_ef=max(effort, wanted)
                )
                return ids.astype(np.int64)
            except voyager.RecallError:
                wanted //= 2
                if not wanted:
                    return np.zeros(0, np.int64)

    def _save(self, folder: Path) -> None:
        (folder / FILE).write_bytes(self._graph.as_bytes())
        self._save_vectors(folder)

    def _load(self, folder: Path) -> None:
        import voyager

        self._load_vectors(folder)
        self._bytes = (folder / FILE).stat().st_size
        try:
            self._graph = voyager.Index.load(str(folder / FILE))
        except Exception as error:
            # the library says RuntimeError, ValueError or MemoryError, by the kind of damage
            raise Unreadable(folder) from error
        if len(self._graph) != self.size or self._graph.num_dimensions != self.dim:
            raise Unreadable(folder)

    def cost(self) -> Cost:
        return Cost(self._bytes, self._bytes + self._vectors.nbytes, self._seconds)


def _insert(graph: Any, vectors: np.ndarray, first: int) -> None:
    # a copy: the library takes no array that is read only, as mapped ones are
    vectors = np.array(vectors, dtype=np.float32)
    graph.add_items(vectors, np.arange(first, first + len(vectors)), num_threads=threads())


indexes.add(Voyager.name, Voyager)
