"""The exact answer from half as many bytes, read from the disk block by block.

A first look compares the query with every vector in half precision. How far a vector lies from its
float16 form is measured when the index is built (``off``); by the Cauchy-Schwarz inequality no
score is wrong by more. So it is known which rows may be among the best, and only these are read in
full precision from the file beside it. Hits, scores and the order of equal ones are those of
``exact``, bit for bit, while memory holds one block of codes for each thread, however large the
gallery is: the rest is the operating system's file cache, which it gives up when it needs the room.
"""

import mmap
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from core.device import team
from core.faiss_loader import faiss
from core.indexes.base import Beside, Unreadable, blocks, indexes
from core.neighbours import best, cosines, nothing, slack
from core.types import Cost, Hits, Progress

CODES = "half.npy"
BLOCK_BYTES = 4 << 20
"""Of codes that are compared at a time: they stay in a core's cache between copy and comparison."""
MORE = 6
"""So many rows more than hits are taken of a block at first."""
TOGETHER = 1 << 20
"""So many rows are taken at a time where more can't be told apart than were taken at first."""
SPREAD = 16 << 20
"""From so many values on a single query is worth a thread for each core."""


class Half(Beside):
    """Cosine against every row: float16 first, float32 for what may be among the best."""

    name = "half"
    title = "Exact from disk (float16)"
    about = (
        "Looks through float16 vectors on the disk, block by block, and compares what may be among"
        " the best exactly: never wrong, and for galleries larger than memory."
    )
    exact = True
    selects = True
    build_ns = 2.0

    def __init__(self) -> None:
        super().__init__()
        self._codes: Any = None
        self._map: mmap.mmap | None = None
        self._full: mmap.mmap | None = None
        self._off = 0.0

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._codes, self._map, self._full, self._off = None, None, None, 0.0
        for part in blocks(len(vectors), _rows(vectors.shape[1]), progress):
            there = np.asarray(vectors[part], np.float32)
            apart = there.astype(np.float64) - there.astype(np.float16)
            self._off = max(self._off, float(np.linalg.norm(apart, axis=1).max()))
        self._keep(vectors, started)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        if self._codes is None:  # built a moment ago, and not read from a file
            self._codes = self._vectors.astype(np.float16)
        unsure = self._off * max(1.0, float(np.linalg.norm(queries, axis=1).max()))
        look = partial(self._nearest, queries, k, unsure + slack(self.dim))
        threads = team() if len(queries) == 1 and self.size * self.dim >= SPREAD else 1
        stops = [self.size * number // threads for number in range(threads + 1)]
        ranges = [range(*pair) for pair in pairwise(stops)]
        try:
            return look(ranges[0]) if threads == 1 else self._by_all(look, ranges, k)
        finally:
            # rows here and there: each brings its neighbours into memory
            if self._full is not None:
                _let_go(self._full, 0, len(self._full))

    @staticmethod
    def _by_all(look: Callable[[range], Hits], ranges: Sequence[range], k: int) -> Hits:
        """One query, by a thread for each range."""
        threads = len(ranges)
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(look, ranges))
        ids, scores = (
            np.concatenate([getattr(one, n)[0] for one in found]) for n in ("ids", "scores")
        )
        there = ids >= 0
        return best(1, k, np.zeros(int(there.sum()), np.int64), ids[there], scores[there])

    def _nearest(self, queries: np.ndarray, k: int, unsure: float, rows: range) -> Hits:
        """The exact ``k`` nearest among ``rows``; a first score may be wrong by ``unsure``."""
        quantiser = faiss().ScalarQuantizer.QT_fp16
        scan = faiss().IndexScalarQuantizer(self.dim, quantiser, faiss().METRIC_INNER_PRODUCT)
        hits, step = nothing(len(queries), k), _rows(self.dim)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            scan.reset()
            scan.add_sa_codes(self._codes[start:stop].view(np.uint8))
            self._release(start, stop)
            which, place = _may_be_best(scan, queries, k, hits.scores[:, -1], unsure)
            if not len(which):
                continue
            was, column = np.nonzero(hits.ids >= 0)
            ids = place + start
            fresh = cosines(queries, self.rows, which, ids)
            hits = best(
                len(queries),
                k,
                np.append(was, which),
                np.append(hits.ids[was, column], ids),
                np.append(hits.scores[was, column], fresh),
            )
        return hits

    def _release(self, start: int, stop: int) -> None:
        """Let a block that was copied out of the file go from this process's memory, so that it
        does not grow to the size of the file."""
        if self._map is None:
            return
        page, row = mmap.PAGESIZE, 2 * self.dim
        begins = len(self._map) - self.size * row
        _let_go(self._map, *((begins + at * row) // page * page for at in (start, stop)))

    def _save(self, folder: Path) -> None:
        with open(folder / CODES, "wb") as file:
            shape = {"descr": "<f2", "fortran_order": False, "shape": self._vectors.shape}
            np.lib.format.write_array_header_1_0(file, shape)
            for part in blocks(self.size, _rows(self.dim), None):
                file.write(self._vectors[part].astype("<f2").tobytes())
        self._save_vectors(folder, off=self._off)

    def _load(self, folder: Path) -> None:
        built = self._load_vectors(folder)
        mapped: Any = np.load(folder / CODES, mmap_mode="r")
        if mapped.shape != self._vectors.shape or mapped.dtype != np.float16:
            raise Unreadable(folder)
        self._codes, self._map, self._off = np.asarray(mapped), mapped._mmap, float(built["off"])
        self._full = _map_of(self._vectors)

    def cost(self) -> Cost:
        codes = self._vectors.nbytes // 2
        return Cost(min(codes, team() * BLOCK_BYTES), codes + self._vectors.nbytes, self._seconds)


def _map_of(values: Any) -> mmap.mmap | None:
    """The map that an array is a view of."""
    while values is not None and not isinstance(values, mmap.mmap):
        values = getattr(values, "base", None)
    return values


def _let_go(mapped: mmap.mmap, first: int, last: int) -> None:
    """Take pages of a file out of this process's memory; they stay in the system's cache."""
    if hasattr(mmap, "MADV_DONTNEED") and last > first:
        mapped.madvise(mmap.MADV_DONTNEED, first, last - first)


def _rows(dim: int) -> int:
    """Rows of a block."""
    return max(1, BLOCK_BYTES // (2 * dim))


def _may_be_best(
    scan: Any, queries: np.ndarray, k: int, kth: np.ndarray, unsure: float
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and rows of a block, int64 each, that may be among the best ``k``, where ``kth`` (q)
    is the k-th exact score so far."""
    count = min(k + MORE, scan.ntotal)
    scores, found = scan.search(queries, count)
    known = scores[:, k - 1] - unsure if count >= k else np.full(len(queries), -np.inf)
    floor = (np.maximum(kth, known) - unsure).astype(np.float32)
    which, column = np.nonzero(scores >= floor[:, None])
    ids = found[which, column]
    short = np.flatnonzero(scores[:, -1] >= floor) if count < scan.ntotal else np.zeros(0, np.int64)
    if not len(short):
        return which, ids.astype(np.int64)
    kept = ~np.isin(which, short)
    parts = [(which[kept], ids[kept])]
    while len(short):  # more rows that can't be told apart than were taken
        count, left = min(8 * count, scan.ntotal), []
        for part in np.split(short, range(step := max(1, TOGETHER // count), len(short), step)):
            scores, found = scan.search(queries[part], count)
            near = scores >= floor[part][:, None]
            done = ~near[:, -1] | (count == scan.ntotal)
            asked, column = np.nonzero(near & done[:, None])
            parts.append((part[asked], found[asked, column]))
            left.append(part[~done])
        short = np.concatenate(left)
    which, ids = (np.concatenate(side) for side in zip(*parts, strict=True))
    return which, ids.astype(np.int64)


indexes.add(Half.name, Half)
