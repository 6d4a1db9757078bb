"""Search by walking: from some pictures near the query to their nearest pictures, and on, as long
as it gets nearer.

Greedy search with a beam on a graph of nearest neighbours (Hajebi et al., Fast approximate
nearest-neighbor search with k-nearest neighbor graph, 2011). Such a graph need not hang together,
so the walk starts at the best of some entries. Copies of one vector would be each other's
neighbours and nobody else's: the first alone is linked, and brings the others along.
"""

import math
import time
from functools import lru_cache
from pathlib import Path

import numpy as np

from core.indexes.base import Beside, Knob, Unreadable, indexes
from core.indexes.graph import copies_of, knn
from core.neighbours import rank
from core.types import Cost, Hits, Progress

FILE, COPIES = "links.npy", "copies.npy"
STEP = 4
"""So many of the beam are looked around from at a time: fewer, larger steps."""
SEEN_BYTES = 64 << 20
"""Memory of one batch of queries for which rows it has seen."""
NEAR_BYTES = 128 << 20
"""Memory of one batch for the vectors that are compared in a step."""


class KnnGraph(Beside):
    """Links of each row to its nearest rows and from those it is nearest to, int32 (n, 2 x degree),
    -1 = none: copies have none. ``_copies`` are pairs (first, copy), sorted."""

    name = "knn_graph"
    title = "Walk on a kNN graph"
    walks = True
    about = (
        "Steps from picture to nearest pictures, towards the query: each step can be looked at."
        " Building compares all pairs."
    )
    build_knobs = {
        "degree": Knob(
            16,
            (8, 16, 32),
            "nearest pictures that each links to, and as many links back at most",
            2,
            256,
        )
    }
    search_knobs = {
        "beam": Knob(
            64,
            (16, 64, 256),
            "pictures kept while walking: more find more and take longer",
            1,
            10_000,
        ),
        "entries": Knob(
            0, (32, 256, 1024), "pictures to start from, compared first; 0 = 4 sqrt(n)", 0, 65_536
        ),
    }

    def __init__(self) -> None:
        super().__init__()
        self._links, self._copies = np.zeros((0, 0), np.int32), np.zeros((0, 2), np.int64)

    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None:
        started = time.perf_counter()
        self._copies = copies_of(vectors)
        first = np.delete(np.arange(len(vectors)), self._copies[:, 1])
        copies = len(self._copies)
        told = progress and (lambda done, total: progress(done + copies, total + copies))
        ids = knn(vectors[first], int(knobs["degree"]), told).ids.astype(np.int32)
        near = np.concatenate([ids, backward(ids)], axis=1)
        self._links = np.full((len(vectors), near.shape[1]), -1, np.int32)
        self._links[first] = np.where(near >= 0, first[near], -1)
        self._keep(vectors, started)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        beam = max(int(knobs["beam"]), min(k, self.size))
        entries = int(knobs["entries"]) or 4 * math.isqrt(self.size)
        spread = self._entries(max(entries, 1))
        near = 4 * self.dim * STEP * self._links.shape[1]
        many = max(1, min(SEEN_BYTES // max(self.size, 1), NEAR_BYTES // near))
        found = np.concatenate(
            [
                self._walk(queries[start : start + many], beam, spread)
                for start in range(0, len(queries), many)
            ]
        )
        found = self._with_copies(found) if len(self._copies) else found
        return rank(queries, self.rows, found, k)

    def _entries(self, count: int) -> np.ndarray:
        """Rows to start from, int64: some that have links."""
        order = _shuffled(self.size)
        if len(self._copies):
            return order[~np.isin(order, self._copies[:, 1])][:count]
        return order[:count]

    def _with_copies(self, found: np.ndarray) -> np.ndarray:
        """Rows (q, beam) and after them the copies of each, -1 = none, at the end."""
        lists = []
        for rows in found:
            rows = rows[rows >= 0]
            begin, end = (
                np.searchsorted(self._copies[:, 0], rows, side) for side in ("left", "right")
            )
            lists.append(
                np.concatenate(
                    [
                        rows,
                        *(self._copies[a:b, 1] for a, b in zip(begin, end, strict=True) if b > a),
                    ]
                )
            )
        wide = max(map(len, lists))
        return np.stack([np.pad(rows, (0, wide - len(rows)), constant_values=-1) for rows in lists])

    def _walk(self, queries: np.ndarray, beam: int, entries: np.ndarray) -> np.ndarray:
        """Each query's beam when no look around improves it: int64 (q, beam), -1 = none."""
        count, lines = len(queries), np.arange(len(queries))[:, None]
        seen = np.zeros((count, self.size + 1), bool)  # the last column is for "no row"
        seen[:, self.size] = True
        ids, scores, done = _best(
            np.broadcast_to(entries, (count, len(entries))),
            queries @ self._vectors[entries].T,
            np.zeros((count, len(entries)), bool),
            beam,
        )
        seen[:, entries] = True
        while (open_ := ~done & np.isfinite(scores)).any():
            around = _first(open_, STEP)
            use = around >= 0
            done[lines.repeat(around.shape[1], axis=1)[use], around[use]] = True
            fresh = np.where(use[:, :, None], self._links[ids[lines, around]], -1).reshape(
                count, -1
            )
            fresh = np.where(seen[lines, fresh], -1, fresh)
            fresh.sort(axis=1)
            fresh[:, 1:][fresh[:, 1:] == fresh[:, :-1]] = -1
            seen[lines, fresh] = True
            near = np.einsum("qd,qcd->qc", queries, self._vectors[fresh])
            near[fresh < 0] = -np.inf
            joined = (
                np.append(ids, fresh, axis=1),
                np.append(scores, near, axis=1),
                np.append(done, fresh < 0, axis=1),
            )
            ids, scores, done = _best(*joined, beam)
        return np.where(np.isfinite(scores), ids, -1)

    def _save(self, folder: Path) -> None:
        np.save(folder / FILE, self._links)
        np.save(folder / COPIES, self._copies)
        self._save_vectors(folder)

    def _load(self, folder: Path) -> None:
        self._load_vectors(folder)
        self._links = np.load(folder / FILE, mmap_mode="r")
        self._copies = np.load(folder / COPIES, mmap_mode="r")
        inside = (
            self._links.ndim == 2
            and len(self._links) == self.size
            and self._links.dtype == np.int32
        )
        inside &= (
            self._copies.ndim == 2 and self._copies.shape[1] == 2 and self._copies.dtype == np.int64
        )
        if not inside:
            raise Unreadable(folder)

    def cost(self) -> Cost:
        """In memory the vectors count too: a walk jumps about among them."""
        held = self._links.nbytes + self._copies.nbytes + self._vectors.nbytes
        return Cost(held, held, self._seconds)


def backward(ids: np.ndarray) -> np.ndarray:
    """For neighbour ids (n, degree) as many rows that have each, nearest ranks first; or -1."""
    count, degree = ids.shape
    rank_of = np.tile(np.arange(degree, dtype=np.int32), count)
    start, end = np.repeat(np.arange(count, dtype=np.int32), degree), ids.reshape(-1)
    real = end >= 0
    start, end, rank_of = start[real], end[real], rank_of[real]
    order = np.lexsort((start, rank_of, end))
    start, end = start[order], end[order]
    place = np.arange(len(end)) - np.searchsorted(end, np.arange(count))[end]
    out = np.full((count, degree), -1, np.int32)
    kept = place < degree
    out[end[kept], place[kept]] = start[kept]
    return out


@lru_cache(maxsize=4)
def _shuffled(count: int) -> np.ndarray:
    """All rows in an order that favours none: more entries are the same ones and others."""
    return np.random.default_rng(1).permutation(count)


def _first(open_: np.ndarray, count: int) -> np.ndarray:
    """Columns of the first ``count`` True of each row (q, count); -1 where there are fewer."""
    order = np.argsort(~open_, axis=1, kind="stable")[:, :count]
    return np.where(np.take_along_axis(open_, order, axis=1), order, -1)


def _best(
    ids: np.ndarray, scores: np.ndarray, done: np.ndarray, beam: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ``beam`` columns with the best scores of each row, best first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :beam]
    taken = [np.take_along_axis(values, order, axis=1) for values in (ids, scores, done)]
    return taken[0], taken[1], taken[2]


indexes.add(KnnGraph.name, KnnGraph)
