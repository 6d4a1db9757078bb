"""One score and one order for every index: exact cosine, largest first, ties by id.

A fast search scores in float32, and its last digits depend on the library, the block and the number of queries. So the
last word is spoken here: candidates are scored again in float64 and rounded once, which gives equal vectors equal
scores wherever they lie.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from core.types import Hits

BLOCK_BYTES = 32 << 20
CACHED_BYTES = 1 << 20
"""Candidates are compared in blocks that stay in the processor's cache, and behind a search in memory that is at hand."""
LAST = np.iinfo(np.int64).max
SCANNED = 256
"""So many queries are compared with every row at a time."""


def slack(dim: int) -> float:
    """How far two float32 scores of unit vectors may stand wrong: twice the bound dim * 2^-24 of one inner product."""
    return dim * 2.0**-23


def cosines(
    queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], which: np.ndarray, ids: np.ndarray
) -> np.ndarray:
    """Scores float32 (c) of the pairs (query ``which[i]``, row ``ids[i]``); ``rows_of(ids)`` gives float32 rows."""
    scores = np.empty(len(ids), np.float32)
    step = max(1, BLOCK_BYTES // (16 * queries.shape[1]))
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        scores[part] = _dots(queries[which[part]], rows_of(ids[part]))
    return scores


def _dots(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Inner products along the last axis, one row at a time: what lies around a row leaves its score alone."""
    return np.vecdot(queries.astype(np.float64), rows.astype(np.float64)).astype(np.float32)


def _all_cosines(queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], ids: np.ndarray) -> np.ndarray:
    """Scores float32 (q, m) of each query with each of its rows ``ids`` (q, m)."""
    (count, wide), dim = ids.shape, queries.shape[1]
    together, step = (size // (8 * max(1, wide * dim)) for size in (BLOCK_BYTES, CACHED_BYTES))
    if step < 1:
        return cosines(queries, rows_of, np.repeat(np.arange(count), wide), ids.reshape(-1)).reshape(count, wide)
    scores, asked, block = np.empty((count, wide)), queries.astype(np.float64)[:, None], np.empty((min(step, count), wide, dim))
    for first in range(0, count, together):
        rows = rows_of(ids[first : first + together].reshape(-1)).reshape(-1, wide, dim)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            place, wider = slice(first + start, first + start + len(part)), block[: len(part)]
            wider[...] = part
            np.vecdot(asked[place], wider, out=scores[place])
    return scores.astype(np.float32)


def top(count: int, k: int, which: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> Hits:
    """The best ``k`` of the candidates of each of ``count`` queries, sorted by (score, id); id -1 where fewer exist."""
    order = np.lexsort((ids, -scores, which))
    which, ids, scores = which[order], ids[order], scores[order]
    place = np.arange(len(which)) - np.searchsorted(which, np.arange(count))[which]
    kept = place < k
    out_ids, out_scores = np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32)
    out_ids[which[kept], place[kept]], out_scores[which[kept], place[kept]] = ids[kept], scores[kept]
    return Hits(out_ids, out_scores)


def rank(queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], found: np.ndarray, k: int) -> Hits:
    """Candidates (q, m) of a fast search, -1 at the end where it found fewer -> Hits (q, k)."""
    if len(found) == 1:
        return _rank_one(queries, rows_of, found[0], k)
    missing = (found[:, -1] < 0).any()
    scores = _all_cosines(queries, rows_of, np.maximum(found, 0) if missing else found)
    if missing:
        scores[found < 0] = -np.inf
    ids, sorted_ = found, scores[:, :-1] > scores[:, 1:]
    if not sorted_.all():
        unsorted = np.flatnonzero(~sorted_.all(axis=1))
        few, their = found[unsorted], scores[unsorted]
        order, ids = np.lexsort((np.where(few < 0, LAST, few), -their)), found.copy()
        ids[unsorted], scores[unsorted] = np.take_along_axis(few, order, axis=1), np.take_along_axis(their, order, axis=1)
    return _filled(np.ascontiguousarray(ids[:, :k]), np.ascontiguousarray(scores[:, :k]), k)


def _rank_one(query: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], ids: np.ndarray, k: int) -> Hits:
    """The same for one query (1, dim) with few steps: a search of a large index may take no longer than ten of them."""
    if ids[-1] < 0:
        ids = ids[ids >= 0]
    few = 16 * len(ids) * query.shape[1] <= BLOCK_BYTES
    scores = _dots(query, rows_of(ids)) if few else cosines(query, rows_of, np.zeros(len(ids), np.intp), ids)
    order = np.lexsort((ids, -scores))[:k]
    return _filled(ids[order][None], scores[order][None], k)


def _filled(ids: np.ndarray, scores: np.ndarray, k: int) -> Hits:
    """Hits of ``k`` columns, of what has just been sorted."""
    if (short := k - ids.shape[1]) > 0:
        none = nothing(len(ids), short)
        ids, scores = np.append(ids, none.ids, axis=1), np.append(scores, none.scores, axis=1)
    return Hits.unchecked(ids, scores)


def with_cosines(queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], hits: Hits) -> Hits:
    """The same rows ordered and scored by cosine, for hits whose scores are something else."""
    return rank(queries, rows_of, hits.ids, hits.ids.shape[1])


def nothing(count: int, k: int) -> Hits:
    """No hit for any of ``count`` queries."""
    return Hits(np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32))


def join(hits: Hits, which: np.ndarray, better: Hits) -> Hits:
    """``hits`` with the rows of the queries ``which`` replaced by those of ``better``."""
    ids, scores = hits.ids.copy(), hits.scores.copy()
    ids[which], scores[which] = better.ids, better.scores
    return Hits(ids, scores)


def scan(queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], ids: np.ndarray, k: int) -> Hits:
    """The best ``k`` of the rows ``ids`` (c), all of them compared, for each of queries (q, dim)."""
    parts = [_scan(queries[start : start + SCANNED], rows_of, ids, k) for start in range(0, len(queries), SCANNED)]
    return Hits(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))


def _scan(queries: np.ndarray, rows_of: Callable[[np.ndarray], np.ndarray], ids: np.ndarray, k: int) -> Hits:
    best, step = nothing(len(queries), k), max(1, BLOCK_BYTES // (8 * max(queries.shape[1], len(queries))))
    for start in range(0, len(ids), step):
        part = ids[start : start + step]
        rough = queries @ rows_of(part).T
        floor = best.scores[:, -1] - slack(queries.shape[1])
        if len(part) > k:
            floor = np.maximum(floor, np.partition(rough, -k, axis=1)[:, -k] - slack(queries.shape[1]))
        which, column = np.nonzero(rough >= floor[:, None])
        was, place = np.nonzero(best.ids >= 0)
        fresh = cosines(queries, rows_of, which, part[column])
        best = top(len(queries), k, np.append(was, which), np.append(best.ids[was, place], part[column]),
                   np.append(best.scores[was, place], fresh))  # fmt: skip
    return best
