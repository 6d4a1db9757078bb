"""One query at a time through faiss, in so few steps that a search of 0.05 ms hardly feels them.

What a search asks for is looked at once, for its ``k`` and knobs, and leaves a function that answers query after query. It
calls the library without its wrapper, whose checks are made here, keeps the arrays that it needs, and sorts an answer only
where exact scores say so, which they seldom do. Each call of numpy takes several times as long behind a search, which
leaves nothing in the processor's cache, as alone: so they are few. ``tools/bench/index_door.py`` measures it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property, lru_cache
from math import inf, isfinite
from operator import gt

import numpy as np

from core.faiss_door import faiss, team
from core.indexes.base import Index
from core.indexes.ranking import rank, slack
from core.types import Hits

Ask = Callable[[np.ndarray], Hits | None]
"""One query (1, dim) -> its hits; None where it holds NaN or infinity, or numbers near the largest."""
MOST_NUMBERS, MOST_CANDIDATES = 1 << 16, 1 << 12
"""Larger answers take so long that their steps are not felt."""


class OneQuery(Index):
    """An index of faiss that prepares itself for one query at a time; the answers are those of :class:`Index`."""

    @abstractmethod
    def _prepare(self, k: int, **knobs: float) -> Ask | None:
        """A function for ``k`` hits, of rows that the index has, with these knobs; None where there is no quicker way."""

    def search(self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None, **knobs: float) -> Hits:
        if allowed is None and self._gone is None and queries.shape == (1, self.dim):
            try:
                ask = self._prepared(k, **knobs)
            except TypeError:  # a knob that is a list, say, can't be remembered; it is refused below
                ask = None
            hits = None if ask is None else ask(queries)
            if hits is not None:
                return hits
        return super().search(queries, k, allowed=allowed, **knobs)

    @cached_property
    def _prepared(self) -> Callable[..., Ask | None]:
        """:meth:`_prepare`, remembered."""

        @lru_cache(maxsize=64, typed=True)
        def prepared(k: int, **knobs: float) -> Ask | None:
            settled = self.settle(self.search_knobs, knobs)
            small = 1 <= k <= self.size and k * self.dim <= MOST_NUMBERS
            return self._prepare(k, **settled) if small else None

        return prepared

    def build(self, *given: object, **knobs: object) -> None:
        super().build(*given, **knobs)
        self._prepared.cache_clear()

    def add(self, vectors: np.ndarray) -> None:
        super().add(vectors)
        self._prepared.cache_clear()

    def load(self, *given: object) -> None:
        super().load(*given)
        self._prepared.cache_clear()


def whole(index: object, k: int, params: object, rows_of: Callable[[np.ndarray], np.ndarray]) -> Ask:
    """A function for the ``k`` hits of an index that brings its own vectors along."""
    search, norm, dim, spare = index.search_and_reconstruct_c, faiss().fvec_norm_L2sqr, index.d, []

    def ask(asked: np.ndarray) -> Hits | None:
        found, found_at, _, rough_at, query, query_at, _, rows_at, *wide = mine = _taken(spare, k, k, dim)
        query[...] = asked
        if not isfinite(norm(query_at, dim)):
            return None
        search(1, query_at, k, rough_at, found_at, rows_at, params)  # no hit (-1): a row of NaN
        hits = _in_order(found.copy(), *wide)
        hits = rank(query, rows_of, found, k) if hits is None else hits
        spare.append(mine)
        return hits

    return ask


def by_codes(index: object, k: int, wanted: int, params: object, vectors: np.ndarray) -> Ask | None:
    """One for the best ``k`` of the ``wanted`` candidates of an index of codes, by the ``vectors`` (n, dim) beside it."""
    search, norm, dim, spare = index.search_c, faiss().fvec_norm_L2sqr, vectors.shape[1], []
    compare, vectors_at, unsure = faiss().fvec_inner_products_by_idx, faiss().swig_ptr(vectors), slack(dim)
    use, every = faiss().omp_set_num_threads, team()

    def ask(asked: np.ndarray) -> Hits | None:
        found, found_at, rough, rough_at, query, query_at, rows, _, *wide = mine = _taken(spare, wanted, k, dim)
        query[...] = asked
        if not isfinite(norm(query_at, dim)):
            return None
        use(1)  # to wake a second thread takes longer than these steps
        search(1, query_at, wanted, rough_at, found_at, params)
        compare(rough_at, query_at, vectors_at, found_at, dim, 1, wanted)  # no candidate (-1): -inf
        use(every)
        order, hits = rough.argsort()[:, ::-1], None
        kth, after = rough.take(order[:, k - 1 : k + 1]).tolist()[0]
        if after < kth - unsure:
            ids = found.take(order[:, :k])
            vectors.take(ids, axis=0, out=rows, mode="clip")  # the only mode that writes there without a copy
            hits = _in_order(ids, *wide)
        hits = rank(query, vectors.__getitem__, found, k) if hits is None else hits
        spare.append(mine)
        return hits

    return ask if wanted <= MOST_CANDIDATES else None


def _taken(spare: list[tuple], wanted: int, k: int, dim: int) -> tuple:
    """Arrays that no other session uses now, since an index is shared, with their places in memory."""
    try:
        return spare.pop()
    except IndexError:
        return _made(wanted, k, dim)


def _made(wanted: int, k: int, dim: int) -> tuple:
    """Candidates (1, wanted), their scores and what comes after the last, the query (1, dim) and the hits' vectors
    (1, k, dim), each followed by its place; then query and vectors as one block, and the same in float64, also apart."""
    own, found, rough = faiss().swig_ptr, np.empty((1, wanted), np.int64), np.full((1, wanted + 1), -inf, np.float32)
    block, wide = np.empty((k + 1, dim), np.float32), np.empty((k + 1, dim))
    query, rows = block[:1], block[None, 1:]
    places = found, own(found), rough, own(rough), query, own(query), rows, own(rows)
    return *places, block, wide, wide[0], wide[None, 1:]


def _in_order(ids: np.ndarray, block: np.ndarray, wide: np.ndarray, query: np.ndarray, rows: np.ndarray) -> Hits | None:
    """The hits ``ids`` (1, k) with exact scores; None where those tie or stand otherwise, or one is missing: then
    :func:`rank` sorts them."""
    wide[...] = block
    scores = np.vecdot(query, rows).astype(np.float32)
    listed = scores.tolist()[0]
    return Hits.unchecked(ids, scores) if all(map(gt, listed, [*listed[1:], -inf])) else None
