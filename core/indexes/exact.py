"""The exact answer, by one matrix product: the reference for every other index."""

import time
from pathlib import Path

import numpy as np

from core.indexes.base import Beside, indexes
from core.neighbours import nearest
from core.types import Cost, Hits, Progress


class Exact(Beside):
    """Cosine against every row, numpy only; rows are scored in blocks so that memory stays flat."""

    name = "exact"
    title = "Exact (numpy)"
    about = "Compares the query with every picture: slow for millions, never wrong."
    exact = True
    selects = True

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        self._keep(vectors, time.perf_counter())

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return nearest(queries, self.rows, range(self.size), k)

    def _save(self, folder: Path) -> None:
        self._save_vectors(folder)

    def _load(self, folder: Path) -> None:
        self._load_vectors(folder)

    def cost(self) -> Cost:
        return Cost(self._vectors.nbytes, self._vectors.nbytes, self._seconds)


indexes.add(Exact.name, Exact)
