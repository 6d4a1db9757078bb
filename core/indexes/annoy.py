"""Annoy (Bernhardsson, 2013): a forest of trees, each halving the vectors again and again."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.device import threads
from core.disk import os_error
from core.indexes.base import Beside, Knob, Unreadable, blocks, indexes
from core.neighbours import rank
from core.types import Cost, Hits, Progress

BLOCK = 1024
FILE = "index.ann"


class Annoy(Beside):
    """Angular distance on unit vectors, which has the order of the cosine.

    The library writes no file of a size that it tells beforehand, so the forest is written once at
    the end of a build:
    into a file without a name, from which it is mapped then.
    """

    name = "annoy"
    title = "Annoy (trees)"
    about = (
        "Trees of random halvings. No longer maintained since 2023; its makers recommend Voyager,"
        " which is here too."
    )
    package = "annoy"
    build_knobs = {
        "trees": Knob(
            50, (10, 50, 200), "trees in the forest: more find more and take more room", 1, 2000
        )
    }
    search_knobs = {
        "search_k": Knob(
            0,
            (100, 1000, 10_000),
            "vectors looked at in all trees together; 0 = trees x hits",
            0,
            10_000_000,
        )
    }

    def __init__(self) -> None:
        super().__init__()
        self._forest: Any = None
        self._bytes = 0

    @property
    def install(self) -> str:
        return (
            "It comes as source alone: pip install annoy works where a C++ compiler (g++) is."
            " Voyager needs none."
        )

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        from annoy import AnnoyIndex

        started = time.perf_counter()
        forest = AnnoyIndex(vectors.shape[1], "angular")
        forest.set_seed(1)
        for part in blocks(len(vectors), BLOCK, progress):
            for row in range(part.start, part.stop):
                forest.add_item(row, vectors[row])
        forest.build(int(knobs["trees"]), n_jobs=threads())
        # saved and mapped; the file lives on without its name
        with tempfile.TemporaryDirectory() as folder:
            _write(forest, Path(folder) / FILE)
            self._bytes = (Path(folder) / FILE).stat().st_size
        self._forest = forest
        self._keep(vectors, started)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        wanted, looked_at = min(k, self.size), int(knobs["search_k"]) or -1
        found = np.full((len(queries), wanted), -1, np.int64)
        for row, query in enumerate(queries):
            ids = self._forest.get_nns_by_vector(query, wanted, looked_at)
            found[row, : len(ids)] = ids
        return rank(queries, self.rows, found, k)

    def _save(self, folder: Path) -> None:
        _write(self._forest, folder / FILE)
        self._save_vectors(folder)

    def _load(self, folder: Path) -> None:
        from annoy import AnnoyIndex

        self._load_vectors(folder)
        self._bytes = (folder / FILE).stat().st_size
        self._forest = AnnoyIndex(self.dim, "angular")
        try:
            self._forest.load(str(folder / FILE))
            broken = self._forest.get_n_items() != self.size
        except OSError as error:
            raise Unreadable(folder) from error
        if broken:
            raise Unreadable(folder)

    def cost(self) -> Cost:
        return Cost(self._bytes, self._bytes + self._vectors.nbytes, self._seconds)


def _write(forest: Any, path: Path) -> None:
    """Raises OSError with the number that the library leaves out, on a full or forbidden disk."""
    try:
        forest.save(str(path))
    except OSError as error:
        raise os_error(error, path) from error


indexes.add(Annoy.name, Annoy)
