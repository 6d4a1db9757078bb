"""Cosine, exact nearest neighbours, and leaving a query's own copies out: the one place for each of
them.

A fast search scores in float32, and its last digits depend on the library, the block and the number
of queries. So scores are made in float64 and rounded to float32 once: equal vectors get equal
scores wherever they lie. One rule orders them: larger scores first, equal scores by id.
"""

from collections.abc import Callable

import numpy as np

from core.types import Hits, Progress, report

Rows = Callable[[np.ndarray | slice], np.ndarray]
"""Row numbers, or a slice of them -> float32 (n, dim), as ``vectors.__getitem__``."""
COLUMNS = 8192
"""Columns of a score matrix that are computed at a time."""
PAIR_BYTES = 16 << 20
"""Memory in float64 for the pairs of :func:`cosines` that are computed at a time."""
QUERIES = 1024
"""Queries that :func:`nearest` compares with all rows at a time."""
FIRST_ROWS = 4096
"""Rows of the first block of :func:`nearest`: its hits bound what can matter in others."""
BLOCK_BYTES = 16 << 20
"""Memory for the scores of a block, and for its rows where they have to be copied."""
ONE_THREAD = 2 << 20
"""So many values are multiplied in less time than a second thread takes to start."""


def slack(dim: int) -> float:
    """How far two float32 scores may be off: twice the bound dim * 2^-24 of one."""
    return dim * 2.0**-23


def dots(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Inner products float64 along the last axis, each row without influence of others."""
    return np.vecdot(one.astype(np.float64), other.astype(np.float64))


def cosines(queries: np.ndarray, rows_of: Rows, which: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Scores float32 (c) of the pairs (query ``which[i]``, row ``ids[i]``) of unit vectors."""
    scores, step = np.empty(len(ids), np.float32), max(1, PAIR_BYTES // (8 * queries.shape[1]))
    for start in range(0, len(ids), step):
        part = slice(start, start + step)
        scores[part] = dots(
            queries[0] if len(queries) == 1 else queries[which[part]], rows_of(ids[part])
        )
    return scores


def cosine_matrix(
    queries: np.ndarray, vectors: np.ndarray, rows: np.ndarray | None = None
) -> np.ndarray:
    """Scores float32 (q, n) of unit ``queries`` (q, dim) with ``rows`` (n); None = with all."""
    count = len(vectors if rows is None else rows)
    scores, left = np.empty((len(queries), count), np.float32), np.asarray(queries, np.float64)
    for start in range(0, count, COLUMNS):
        part = slice(start, start + COLUMNS)
        scores[:, part] = (
            left @ np.asarray(vectors[part if rows is None else rows[part]], np.float64).T
        )
    return scores


def best(count: int, k: int, which: np.ndarray, ids: np.ndarray, scores: np.ndarray) -> Hits:
    """The best ``k`` of the candidates of each of ``count`` queries, sorted by (score, id); id -1
    where fewer exist.

    Args:
        which, ids, scores: one entry for each candidate: its query 0..count-1, its row, its score.
    """
    hits = nothing(count, k)
    # the same in fewer steps: a search of a large index may take no longer than a few of them
    if count == 1:
        order = np.lexsort((ids, -scores))[:k]
        hits.ids[0, : len(order)], hits.scores[0, : len(order)] = ids[order], scores[order]
        return hits
    order = np.lexsort((ids, -scores, which))
    which, ids, scores = which[order], ids[order], scores[order]
    place = np.arange(len(which)) - np.searchsorted(which, np.arange(count))[which]
    kept = place < k
    hits.ids[which[kept], place[kept]], hits.scores[which[kept], place[kept]] = (
        ids[kept],
        scores[kept],
    )
    return hits


def rank(queries: np.ndarray, rows_of: Rows, found: np.ndarray, k: int) -> Hits:
    """The best ``k`` of the candidates ``found`` int64 (q, m), -1 = none, by their cosines."""
    which, column = np.nonzero(found >= 0)
    ids = found[which, column]
    return best(len(queries), k, which, ids, cosines(queries, rows_of, which, ids))


def nearest(
    queries: np.ndarray,
    rows_of: Rows,
    rows: np.ndarray | range,
    k: int,
    progress: Progress | None = None,
) -> Hits:
    """The exact ``k`` nearest of each of float32 ``queries`` (q, dim) among ``rows``; memory stays
    flat.

    Args:
        rows: a range, whose blocks are read as slices, or int64 (c) row numbers.
        progress: counts queries.
    """
    hits = nothing(len(queries), k)
    for start in range(0, len(queries), QUERIES):
        report(progress, start, len(queries))
        part = slice(start, start + QUERIES)
        found = _nearest(queries[part], rows_of, rows, k)
        hits.ids[part], hits.scores[part] = found.ids, found.scores
    report(progress, len(queries), len(queries))
    return hits


def _nearest(queries: np.ndarray, rows_of: Rows, rows: np.ndarray | range, k: int) -> Hits:
    """Every row is scored in float32; what may be among the best ``k`` again exactly."""
    count, dim = queries.shape
    step = BLOCK_BYTES // (4 * (count if isinstance(rows, range) else max(count, dim)))
    stops = [*range(max(FIRST_ROWS, 2 * k), len(rows), max(step, FIRST_ROWS)), len(rows)]
    hits = nothing(count, k)
    for start, stop in zip([0, *stops], stops, strict=False):
        block = rows[start:stop]
        there = rows_of(slice(block.start, block.stop) if isinstance(block, range) else block)
        which, column = np.nonzero(
            _may_be_best(_products(queries, there), k, hits.scores[:, -1], slack(dim))
        )
        fresh = cosines(queries, there.__getitem__, which, column)
        ids = column + block.start if isinstance(block, range) else block[column]
        was, place = np.nonzero(hits.ids >= 0)
        hits = best(
            count,
            k,
            np.append(was, which),
            np.append(hits.ids[was, place], ids),
            np.append(hits.scores[was, place], fresh),
        )
    return hits


def _may_be_best(scores: np.ndarray, k: int, kth: np.ndarray, unsure: float) -> np.ndarray:
    """bool (q, n): which float32 scores may be among the best ``k``, where ``kth`` (q) is the k-th
    score so far."""
    passed = scores >= (kth - unsure)[:, None]
    if scores.shape[1] > k and np.count_nonzero(passed) > 2 * k * len(scores):
        here = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k]
        passed = scores >= (np.maximum(kth, here) - unsure)[:, None]
    return passed


def _products(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Inner products float32 (q, n). A small one is computed by this thread alone: behind an
    encoder, whose threads hold the cores for milliseconds yet, the threads of a matrix product
    would wait for them."""
    if len(queries) == 1 and rows.size <= ONE_THREAD:
        return np.vecdot(rows, queries[0])[None]
    return queries @ rows.T


def without_own(hits: Hits, own: np.ndarray, k: int) -> Hits:
    """Each query's first ``k`` hits but its ``own`` row (q); -1 = it has none."""
    order, missing = _others(hits.ids, own, k)
    kept = nothing(len(order), k)
    width = order.shape[1]
    kept.ids[:, :width] = np.where(missing, -1, np.take_along_axis(hits.ids, order, axis=1))
    kept.scores[:, :width] = np.where(
        missing, -np.inf, np.take_along_axis(hits.scores, order, axis=1)
    )
    return kept


def rows_without_own(ids: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """:func:`without_own` for lists int64 (q, m) without scores, in their order: int64 (q, k), -1
    where there are fewer."""
    order, missing = _others(ids, own, k)
    kept = np.full((len(ids), k), -1, np.int64)
    kept[:, : order.shape[1]] = np.where(missing, -1, np.take_along_axis(ids, order, axis=1))
    return kept


def _others(ids: np.ndarray, own: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns (q, at most k) with the others in front in order, and whether they are none."""
    out = (ids == own[:, None]) | (ids < 0)
    order = np.argsort(out, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(out, order, axis=1)


def nothing(count: int, k: int) -> Hits:
    """No hit for any of ``count`` queries."""
    return Hits(np.full((count, k), -1, np.int64), np.full((count, k), -np.inf, np.float32))


def join(hits: Hits, which: np.ndarray, better: Hits) -> Hits:
    """``hits`` with the rows of the queries ``which`` replaced by those of ``better``."""
    ids, scores = hits.ids.copy(), hits.scores.copy()
    ids[which], scores[which] = better.ids, better.scores
    return Hits(ids, scores)
