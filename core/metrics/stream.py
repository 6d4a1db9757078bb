"""From vectors to per-query scores, by blocks: memory stays flat whatever the gallery's size."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from core.metrics import table
from core.metrics.ranked import JUNK, Ranked, Roles, columns_of, labels_at, packed, rank
from core.neighbours import COLUMNS, cosine_matrix
from core.types import Progress, report

LEVELS = np.linspace(0.0, 1.0, 101)
DEEPEST = 100


def interpolated_precision(lists: Ranked, levels: np.ndarray = LEVELS) -> np.ndarray:
    """Precision at recall levels, (q, levels): the best precision at any rank whose recall is at
    least the level.

    NaN where R = 0, and 0 where the list ends before that recall.
    """
    most = int(max(lists.relevant.max(initial=0), lists.order.max(initial=0), 1))
    best = np.zeros((len(lists), most))
    best[lists.row, lists.order - 1] = lists.order / lists.rank
    best = np.maximum.accumulate(best[:, ::-1], axis=1)[:, ::-1]
    wanted = np.ceil(levels[None, :] * lists.relevant[:, None] - 1e-9).astype(np.int64)
    found = np.take_along_axis(best, np.clip(wanted - 1, 0, most - 1), axis=1)
    return np.where(lists.relevant[:, None] > 0, found, np.nan)


def hits_within(lists: Ranked, deepest: int = DEEPEST) -> np.ndarray:
    """Relevant items among the first 1, 2, ... ``deepest`` of each list, int64 (q, deepest)."""
    near = lists.rank <= deepest
    places = lists.row[near] * deepest + lists.rank[near] - 1
    return (
        np.bincount(places, minlength=len(lists) * deepest)
        .reshape(len(lists), deepest)
        .cumsum(axis=1)
    )


@dataclass
class Curves:
    """Means over evaluated queries of precision@K, recall@K and hit@K for K = 1..100, and of
    precision at 101 recall levels.

    With ``groups`` > 1 the same for each class of queries.
    """

    groups: int = 1
    evaluated: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, lists: Ranked, codes: np.ndarray | None = None) -> None:
        """Take in a block; ``codes`` int64 (q,): the queries' classes, below ``groups``."""
        use = lists.relevant > 0
        within = hits_within(lists)[use].astype(np.float64)
        codes = np.zeros(len(lists), np.int64) if codes is None else codes
        of = (codes[use] == np.arange(self.groups)[:, None]).astype(np.float64)
        self.evaluated = np.bincount(codes[use], minlength=self.groups) + (
            self.evaluated if len(self.evaluated) else 0
        )
        self._add("precision@K", of @ (within / np.arange(1, DEEPEST + 1)))
        self._add("recall@K", of @ (within / lists.relevant[use][:, None]))
        self._add("hit@K", of @ np.minimum(within, 1.0))
        self._add("precision_at_recall", of @ interpolated_precision(lists)[use])

    def _add(self, name: str, sums: np.ndarray) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + sums

    def means(self) -> dict[str, list[float]]:
        """Curve name -> values; empty where no query could be evaluated."""
        total = int(self.evaluated.sum())
        if total:
            return {name: (sums.sum(axis=0) / total).tolist() for name, sums in self.sums.items()}
        return {}

    def class_means(self) -> dict[str, np.ndarray]:
        """Curve name -> float64 (groups, values); NaN where none of a class could be evaluated."""
        evaluated = np.where(self.evaluated > 0, self.evaluated, np.nan)[:, None]
        return {name: sums / evaluated for name, sums in self.sums.items()}


CELLS = 4_000_000
"""Scores held at once (queries of a block x gallery): about 150 MB while they are ranked."""
MOST_TOP = 8192
SORTED_FROM = 32
"""Lists are sorted whole where so many fit at once (one look at the vectors instead of two), or
where more than ``MOST_TOP`` of their first columns are asked for."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Scores of q queries: ``scores`` name -> float64 (q,), NaN where R = 0; ``relevant`` R (q,);
    ``curves`` means, and ``class_curves`` the same for each class, (classes, values)."""

    scores: dict[str, np.ndarray]
    relevant: np.ndarray
    curves: dict[str, list[float]]
    class_curves: dict[str, np.ndarray]


def blocks(
    vectors: np.ndarray, roles: Roles, top: int = 0, progress: Progress | None = None
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery, exactly, a block of queries at a time in the order of
    ``roles.queries``. Of a gallery of which few lists fit at once ranks are counted
    (:func:`counted`): the same lists, in as little memory however large it is."""
    step = max(1, CELLS // max(1, len(roles.gallery)))
    if step < SORTED_FROM and top <= MOST_TOP:
        yield from counted(vectors, roles, step, top, progress)
        return
    labels = roles.relevant[roles.gallery]
    asking = vectors if roles.asking is None else roles.asking
    for start in range(0, len(roles.queries), step):
        report(progress, start, len(roles.queries))
        rows = roles.queries[start : start + step]
        junk = roles.junk(rows)
        right = roles.right(rows) & ~junk
        scores = cosine_matrix(asking[rows], vectors, roles.gallery)
        yield rank(scores, right, junk, top=top, labels=labels, own=roles.relevant[rows])
    report(progress, len(roles.queries), len(roles.queries))


def listed(hits: np.ndarray, rows: np.ndarray, roles: Roles, top: int = 0) -> Ranked:
    """Ranked lists of an index's answers.

    Args:
        hits: int64 (q, k), positions in ``roles.gallery``, best first, -1 where fewer were found.
        rows: int64 (q,), the queries' rows.
    """
    junk = roles.junk(rows)
    everything = roles.right(rows) & ~junk
    at = np.maximum(hits, 0)
    out = np.take_along_axis(junk, at, axis=1) | (hits < 0)
    right = np.take_along_axis(everything, at, axis=1) & ~out
    places = np.broadcast_to(-np.arange(hits.shape[1], dtype=np.float32), hits.shape)
    labels = roles.relevant[roles.gallery][at]
    found = everything.sum(axis=1)
    return rank(places, right, out, found=found, top=top, labels=labels, own=roles.relevant[rows])


def evaluate(
    lists: Iterator[Ranked], names: Sequence[str] = table.DEFAULT, codes: np.ndarray | None = None
) -> Evaluated:
    """Every metric for every query, and the curves, of blocks of ranked lists.

    Args:
        codes: int64, the class of each query in the order of the lists, from 0; without, all are of
            one class.
    """
    curves = Curves(1 if codes is None or not len(codes) else int(codes.max()) + 1)
    parts = []
    relevant = []
    seen = 0
    for block in lists:
        curves.add(block, None if codes is None else codes[seen : seen + len(block)])
        seen += len(block)
        parts.append(table.scores(block, names))
        relevant.append(block.relevant)
    scores = {
        name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0)
        for name in names
    }
    return Evaluated(
        scores,
        np.concatenate(relevant) if relevant else np.zeros(0, np.int64),
        curves.means(),
        curves.class_means(),
    )


QUERIES = 512
RELEVANT = 2_000_000
"""Relevant items of a block of queries; one query alone may have more."""


def counted(
    vectors: np.ndarray, roles: Roles, step: int, top: int, progress: Progress | None = None
) -> Iterator[Ranked]:
    """Ranked lists over the whole gallery, ``step`` queries at a time in the order of
    ``roles.queries``, the ``top`` first columns of each among them, without holding any whole: the
    rank of a relevant item is one more than the number of items that stand before it.

    The gallery is read twice for each block of queries, in pieces: first for the scores of the
    relevant items, then to count, by the same numbers and the same rule for equal scores that
    :mod:`core.metrics.ranked` sorts by. Memory: ``QUERIES`` x ``COLUMNS`` scores, a piece of
    vectors in float64, and at most ``RELEVANT`` relevant items, about 120 MB beside 0.07 MB for
    each dimension, whatever the gallery holds.
    """
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
        """Keep each query's relevant items, uint64, best first. Pieces without any are not read."""
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
