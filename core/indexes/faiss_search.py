"""How faiss is asked: many queries at a time, or one in so few steps that a search of 0.05 ms hardly feels them.

What one query asks for is looked at once, for its ``k`` and knobs, and leaves a function that answers query after query. It
calls the library without its wrapper, whose checks are made here, keeps the arrays that it needs, and sorts an answer only
where exact scores say so, which they seldom do. Each call of numpy takes several times as long behind a search, which
leaves nothing in the processor's cache, as alone: so they are few. ``tools/bench/index_door.py`` measures it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf, isfinite
from operator import gt

import numpy as np

from core.faiss_door import faiss
from core.indexes.base import Index
from core.indexes.faiss_calls import best, nearest, read_rows, refining, usable
from core.indexes.ranking import join, rank, slack
from core.types import Hits

Ask = Callable[[np.ndarray], Hits | None]
"""One query (1, dim) -> its hits; None where it holds NaN or infinity, or numbers near the largest, or where float32 can't say
which are the best."""
MOST_NUMBERS = 1 << 16
"""Larger answers take so long that their steps are not felt."""


MORE = 4
"""So many rows more than hits are fetched: seldom can float32 not tell the last hit from the last of them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What faiss is asked for some hits: ``fetched`` rows with these ``params``.

    Where that is more than hits, they are the best of more, and ``again`` finds rows (q, m) that hold them for sure, for
    queries with which float32 can't tell the last hit from the last row.
    """

    fetched: int
    params: object
    again: Callable[[np.ndarray], np.ndarray]


def of_codes(index: object, vectors: np.ndarray, k: int, rerank: int, params: object) -> Wish:
    """What an ``index`` of codes is asked: the ``k`` best by ``vectors`` of ``rerank`` candidates for each."""
    wanted = min(k * rerank, index.ntotal)
    fetched = min(k + MORE, wanted)

    def again(queries: np.ndarray) -> np.ndarray:
        return nearest(queries, vectors, index.search(queries, wanted, params=params)[1], k)

    return Wish(fetched, refining(fetched, wanted, params), again)


class FaissSearch(Index):
    """An index that ``_asked``, one of faiss's, answers: one query the quick way, to the same hits."""

    _asked: object = None
    walks: bool = False
    """Whether it walks a graph, which need not lead to every row."""

    @abstractmethod
    def _wish(self, k: int, mask: np.ndarray | None = None, **knobs: float) -> Wish:
        """What is asked for ``k`` hits, of rows that ``mask`` allows."""

    def search(self, queries: np.ndarray, k: int, *, allowed: np.ndarray | None = None, **knobs: float) -> Hits:
        if allowed is None and self._gone is None:
            try:
                prepared = self._prepared(k, **knobs)
            except TypeError:  # a knob that is a list, say, can't be remembered; it is refused below
                prepared = None
            if prepared is not None:
                wish, ask = prepared
                if queries.shape == self._one:
                    hits = ask(queries)
                else:
                    hits = self._found(queries, k, wish) if usable(queries, self.dim) else None
                if hits is not None:
                    return self._completed(queries, k, hits) if self.walks else hits
        return super().search(queries, k, allowed=allowed, **knobs)

    def rows(self, ids: np.ndarray) -> np.ndarray:
        return read_rows(self._asked, ids)

    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        hits = self._found(queries, k, self._wish(k, **knobs))
        return self._completed(queries, k, hits) if self.walks else hits

    def _found(self, queries: np.ndarray, k: int, wish: Wish) -> Hits:
        rough, found = best(self._asked, queries, wish.fetched, wish.params)
        hits = rank(queries, self.rows, found, k)
        if wish.fetched > k and (close := rough[:, -1] >= rough[:, k - 1] - slack(self.dim)).any():
            doubtful = np.flatnonzero(close & (found[:, -1] >= 0))
            few = queries[doubtful]
            hits = join(hits, doubtful, rank(few, self.rows, wish.again(few), k)) if len(few) else hits
        return hits

    @cached_property
    def _one(self) -> tuple[int, int]:
        """The shape of one query."""
        return 1, self.dim

    @cached_property
    def _prepared(self) -> Callable[..., tuple[Wish, Ask] | None]:
        """The quick way for many queries and for one, remembered; None where there is none."""

        @lru_cache(maxsize=64, typed=True)
        def prepared(k: int, **knobs: float) -> tuple[Wish, Ask] | None:
            settled = self.settle(self.search_knobs, knobs)
            if not 1 <= k <= self.size or k * self.dim > MOST_NUMBERS:
                return None
            wish = self._wish(k, **settled)
            return wish, one_query(self._asked, k, wish, self.rows)

        return prepared

    def build(self, *given: object, **knobs: object) -> None:
        with self._anew():
            super().build(*given, **knobs)

    def add(self, vectors: np.ndarray) -> None:
        with self._anew():
            super().add(vectors)

    def load(self, *given: object) -> None:
        with self._anew():
            super().load(*given)

    @contextmanager
    def _anew(self) -> Iterator[None]:
        """What is remembered holds for the index as it was, also where the change fails."""
        try:
            yield
        finally:
            for name in ("_one", "_prepared"):
                self.__dict__.pop(name, None)


def one_query(index: object, k: int, wish: Wish, rows_of: Callable[[np.ndarray], np.ndarray]) -> Ask:
    """A function for the ``k`` hits of an index of faiss that brings vectors along."""
    search, norm, dim, spare = index.search_and_reconstruct_c, faiss().fvec_norm_L2sqr, index.d, []
    fetched, params, unsure, beyond = wish.fetched, wish.params, slack(index.d), wish.fetched > k

    def ask(asked: np.ndarray) -> Hits | None:
        try:
            mine = spare.pop()
        except IndexError:
            mine = _made(fetched, k, dim)
        found, found_at, rough, rough_at, query, query_at, rows_at, block, wide, wide_query, wide_rows = mine
        query[...] = asked
        if not isfinite(norm(query_at, dim)):
            return None
        search(1, query_at, fetched, rough_at, found_at, rows_at, params)  # no hit (-1): a row of NaN
        if beyond:
            kth, after = rough.tolist()
            if not after < kth - unsure:
                return None
        wide[...] = block
        scores = np.vecdot(wide_query, wide_rows).astype(np.float32)
        listed = scores.tolist()[0]
        if all(map(gt, listed, listed[1:])) and listed[-1] > -inf:
            hits = Hits.unchecked(found.copy(), scores)
        else:  # they tie or stand otherwise, or one is missing
            hits = rank(query, rows_of, found, k)
        spare.append(mine)
        return hits

    return ask


def _made(fetched: int, k: int, dim: int) -> tuple:
    """Arrays that no other session uses now, since an index is shared, with their places in memory.

    Hits (1, k) and the place of all ``fetched``; the scores of the last hit and of the one behind it, and the place of all; the
    query (1, dim) and its place; the place of the rows; query and hits' rows as one block, the same in float64, also apart.
    """
    own, found, rough = faiss().swig_ptr, np.empty((1, fetched), np.int64), np.empty(fetched, np.float32)
    block, wide = np.empty((fetched + 1, dim), np.float32), np.empty((k + 1, dim))
    query, rows = block[:1], block[1:]
    asked = found[:, :k], own(found), rough[k - 1 : k + 1], own(rough), query, own(query), own(rows)
    return *asked, block[: k + 1], wide, wide[0], wide[None, 1:]
