"""The exact answer, by one matrix product: the reference for every other index."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from core.indexes.base import Index, indexes
from core.indexes.ranking import cosines, slack, top
from core.types import Cost, Hits, Progress

FIRST = 4096
QUERIES = 1024
BLOCK_BYTES = 16 << 20
ALONE = 2 << 20
"""So many numbers are multiplied in less time than a second thread takes to come."""


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
        parts = [self._some(queries[start : start + QUERIES], k) for start in range(0, len(queries), QUERIES)]
        return Hits(np.concatenate([p.ids for p in parts]), np.concatenate([p.scores for p in parts]))

    def _some(self, queries: np.ndarray, k: int) -> Hits:
        best = Hits(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32))
        floor = np.full(len(queries), -np.inf, np.float32)
        rows = max(BLOCK_BYTES // (4 * len(queries)), FIRST)
        stops = [*range(max(FIRST, 2 * k), self.size, rows), self.size]
        for start, stop in zip([0, *stops], stops, strict=False):
            best = self._merge(best, queries, k, start, _products(queries, self._vectors[start:stop]), floor)
            floor = best.scores[:, -1] - slack(self.dim)
        return best

    def _merge(self, best: Hits, queries: np.ndarray, k: int, start: int, scores: np.ndarray, floor: np.ndarray) -> Hits:
        """The best of what was best and of one block (q, rows) whose float32 score reaches ``floor``."""
        passed = scores >= floor[:, None]
        if scores.shape[1] > k and np.count_nonzero(passed) > 2 * k * len(queries):
            kth = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]
            passed = scores >= np.maximum(floor, kth - slack(self.dim))[:, None]
        which, ids = np.nonzero(passed)
        ids = ids + start
        was, column = np.nonzero(best.ids >= 0)
        fresh = cosines(queries, self._vectors.__getitem__, which, ids)
        return top(len(queries), k, np.append(was, which), np.append(best.ids[was, column], ids),
                   np.append(best.scores[was, column], fresh))  # fmt: skip

    def rows(self, ids: np.ndarray) -> np.ndarray:
        return self._vectors[ids]

    def _add(self, vectors: np.ndarray) -> None:
        self._vectors = np.concatenate([self._vectors, vectors])

    def _save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self._vectors)
        (folder / "built.json").write_text(json.dumps({"build_s": self._seconds}))

    def _load(self, folder: Path) -> None:
        self._vectors = np.asarray(np.load(folder / "vectors.npy", mmap_mode="r"))
        self._seconds = json.loads((folder / "built.json").read_text())["build_s"]
        self.size, self.dim = self._vectors.shape

    def cost(self) -> Cost:
        return Cost(self._vectors.nbytes, self._vectors.nbytes, self._seconds)


def _products(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Inner products float32 (q, rows). A small one is made by this thread alone: behind an encoder, whose threads hold the
    cores for milliseconds yet, the team of a matrix product would wait for them."""
    if len(queries) == 1 and rows.size <= ALONE:
        return np.vecdot(rows, queries[0])[None]
    return queries @ rows.T


indexes.add(Exact.name, Exact)
