"""The exact answer, by one matrix product: the reference for every other index."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from core.indexes.base import Index, best_first, indexes
from core.types import Cost, Hits, Progress

BLOCK_BYTES = 64 << 20


class Exact(Index):
    """Cosine against every row, numpy only; rows are scored in blocks so that memory stays flat."""

    name = "exact"
    title = "Exact (numpy)"
    about = "Compares the query with every picture: slow for millions, never wrong."
    exact = True

    def __init__(self) -> None:
        self._vectors = np.zeros((0, 0), dtype=np.float32)
        self._seconds = 0.0

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._seconds = time.perf_counter() - started

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        rows = max(BLOCK_BYTES // (4 * len(queries)), k, 1)
        best = best_first(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32), k)
        for start in range(0, self.size, rows):
            best = _merge(best, queries @ self._vectors[start : start + rows].T, start, k)
        return best

    def add(self, vectors: np.ndarray) -> None:
        self._check(vectors, self.dim)
        self._vectors = np.concatenate([self._vectors, vectors.astype(np.float32)])
        self.size = len(self._vectors)

    def save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self._vectors)

    def load(self, folder: Path) -> None:
        self._vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        self.size, self.dim = self._vectors.shape

    def cost(self) -> Cost:
        return Cost(self._vectors.nbytes, self._vectors.nbytes, self._seconds)


def _merge(best: Hits, scores: np.ndarray, start: int, k: int) -> Hits:
    """The best k of what was best and of one block of scores (q, rows)."""
    ids = np.broadcast_to(np.arange(start, start + scores.shape[1]), scores.shape)
    if scores.shape[1] > 4 * k:
        # Every score tied with the k-th stays a candidate, so that ties still fall by id.
        threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        keep = int((scores >= threshold).sum(axis=1).max())
        part = np.argpartition(-scores, min(keep, scores.shape[1] - 1) - (keep == scores.shape[1]), axis=1)[:, :keep]
        ids, scores = np.take_along_axis(ids, part, axis=1), np.take_along_axis(scores, part, axis=1)
    return best_first(np.hstack([best.ids, ids]), np.hstack([best.scores, scores]), k)


indexes.add(Exact.name, Exact)
