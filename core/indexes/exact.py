"""The exact answer, by one matrix product: the reference for every other index."""

import json
import time
from pathlib import Path

import numpy as np

from core.indexes.base import Index, indexes
from core.neighbours import nearest
from core.types import Cost, Hits, Progress


class Exact(Index):
    """Cosine against every row, numpy only; rows are scored in blocks so that memory stays flat."""

    name = "exact"
    title = "Exact (numpy)"
    about = "Compares the query with every picture: slow for millions, never wrong."
    exact = True
    selects = True

    def __init__(self) -> None:
        self._vectors = np.zeros((0, 0), dtype=np.float32)
        self._seconds = 0.0

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._seconds = time.perf_counter() - started

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        return nearest(queries, self.rows, range(self.size), k)

    def rows(self, ids: np.ndarray | slice) -> np.ndarray:
        return self._vectors[ids]

    def _save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self._vectors)
        (folder / "built.json").write_text(json.dumps({"build_s": self._seconds}))

    def _load(self, folder: Path) -> None:
        self._vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
        self._seconds = json.loads((folder / "built.json").read_text())["build_s"]
        self.size, self.dim = self._vectors.shape

    def cost(self) -> Cost:
        return Cost(self._vectors.nbytes, self._vectors.nbytes, self._seconds)


indexes.add(Exact.name, Exact)
