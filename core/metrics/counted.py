"""Exact ranks by counting, for galleries of which no ranked list is held: the rank of a relevant
item is one more than the number of items that stand before it.

The gallery is read twice for each block of queries, in pieces: first for the scores of the relevant
items, then to count, by the same numbers and the same rule for equal scores that
:mod:`core.metrics.ranked` sorts by. Memory: ``QUERIES`` x ``COLUMNS`` scores, a piece of vectors in
float64, and at most ``RELEVANT`` relevant items, about 120 MB beside 0.07 MB for each dimension,
whatever the gallery holds.
"""

from collections.abc import Callable, Iterator

import numpy as np

from core.metrics.ranked import JUNK, Ranked, Roles, columns_of, labels_at, packed
from core.neighbours import COLUMNS, cosine_matrix
from core.types import Progress, report

QUERIES = 512
RELEVANT = 2_000_000
"""Relevant items of a block of queries; one query alone may have more."""


def blocks(
    vectors: np.ndarray, roles: Roles, step: int, top: int, progress: Progress | None = None
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery, ``step`` queries at a time in the order of
    ``roles.queries``, the ``top`` first columns of each among them."""
    total = len(roles.queries)
    for start, stop in _stretches(roles, step):
        counting = _Counting(vectors, roles, roles.queries[start:stop], top)

        def seen(share: float, start: int = start, stop: int = stop) -> None:
            report(progress, start + int(share * (stop - start)), total)

        counting.look(seen)
        counting.count(seen)
        yield from _split(counting.lists(), step)
    report(progress, total, total)


def _stretches(roles: Roles, step: int) -> Iterator[tuple[int, int]]:
    """Where blocks of queries begin and end: whole steps, as many as memory takes."""
    codes, sizes = np.unique(roles.relevant[roles.gallery], return_counts=True)
    at = np.minimum(np.searchsorted(codes, roles.relevant[roles.queries]), len(codes) - 1)
    most = np.where(codes[at] == roles.relevant[roles.queries], sizes[at], 0)
    start, held = 0, 0
    for place in range(0, len(roles.queries), step):
        more = int(most[place : place + step].sum())
        if place > start and (place + step - start > QUERIES or held + more > RELEVANT):
            yield start, place
            start, held = place, 0
        held += more
    if start < len(roles.queries):
        yield start, len(roles.queries)


class _Counting:
    """Two looks of ``rows`` (q,) at the gallery."""

    def __init__(self, vectors: np.ndarray, roles: Roles, rows: np.ndarray, top: int) -> None:
        self._vectors, self._roles, self._rows = vectors, roles, rows
        self._asking = np.asarray((vectors if roles.asking is None else roles.asking)[rows])
        self._top = np.full((len(rows), min(top, len(roles.gallery))), JUNK, np.uint64)
        self._length = np.full(len(rows), len(roles.gallery))
        self._keys: list[np.ndarray] = []
        self._before: list[np.ndarray] = []

    def look(self, seen: Callable[[float], None]) -> None:
        """Keep the relevant items of each query, uint64, best first. Pieces that hold none are not
        read."""
        found: list[list[np.ndarray]] = [[] for _ in self._rows]
        for part, junk, right in self._pieces(seen, 0.0):
            self._length -= junk.sum(axis=1)
            asked = np.flatnonzero(right.any(axis=1))
            if len(asked):
                keys = self._packed(part, junk, right)
                for row in asked:
                    found[row].append(keys[row, right[row]])
        none = np.zeros(0, np.uint64)
        self._keys = [np.sort(np.concatenate([none, *parts])) for parts in found]
        self._before = [np.zeros(len(keys), np.int64) for keys in self._keys]

    def count(self, seen: Callable[[float], None]) -> None:
        """Add up what stands before each of them, and keep the first of all."""
        width = self._top.shape[1]
        for piece in self._pieces(seen, 0.5):
            keys = self._packed(*piece)
            keys.sort(axis=1)
            for own, wanted, before in zip(keys, self._keys, self._before, strict=True):
                if len(wanted):
                    before += np.searchsorted(own, wanted)
            if width:
                first = np.concatenate([self._top, keys[:, :width]], axis=1)
                first.sort(axis=1)
                self._top = first[:, :width]

    def _pieces(
        self, seen: Callable[[float], None], done: float
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Pieces of the gallery, with what is junk and what is right there, bool (q, columns).
        ``done`` is the share of the work that lies before this look."""
        count = len(self._roles.gallery)
        for start in range(0, count, COLUMNS):
            seen(done + start / count / 2)
            part = slice(start, start + COLUMNS)
            junk = self._roles.junk(self._rows, part)
            yield part, junk, self._roles.right(self._rows, part) & ~junk

    def _packed(self, part: slice, junk: np.ndarray, right: np.ndarray) -> np.ndarray:
        scores = cosine_matrix(self._asking, self._vectors, self._roles.gallery[part])
        return packed(scores, right, junk, part.start)

    def lists(self) -> Ranked:
        """The lists of all queries of the block."""
        sizes = np.array([len(keys) for keys in self._keys])
        columns, none = columns_of(self._top), np.zeros(0, np.int64)
        labels = self._roles.relevant[self._roles.gallery]
        return Ranked(
            np.repeat(np.arange(len(sizes)), sizes),
            np.concatenate([none, *self._before]) + 1,
            np.concatenate([none, *(np.arange(1, size + 1) for size in sizes)]),
            sizes,
            self._length,
            columns,
            labels_at(labels, columns),
            self._roles.relevant[self._rows],
        )


def _split(lists: Ranked, step: int) -> Iterator[Ranked]:
    """The same lists, ``step`` at a time."""
    for start in range(0, len(lists), step):
        part = slice(start, start + step)
        own = slice(*np.searchsorted(lists.row, (start, start + step)))
        yield Ranked(
            lists.row[own] - start,
            lists.rank[own],
            lists.order[own],
            lists.relevant[part],
            lists.length[part],
            lists.top[part],
            None if lists.labels is None else lists.labels[part],
            None if lists.own is None else lists.own[part],
        )
