"""Retrieval metrics of one block of queries, vectorised: a ranked relevance matrix in, one score a query out.

``rel`` is boolean (q, n): whether the item at each rank is relevant, after the query itself and junk were removed and
the rest sorted by (score, id). ``found`` is int (q,): R, the number of relevant items in the gallery. Queries with
R = 0 give NaN: they are left out of means and counted.
"""

from __future__ import annotations

import numpy as np


def rank(scores: np.ndarray, relevant: np.ndarray, junk: np.ndarray) -> np.ndarray:
    """Relevance in rank order, junk moved out of the list.

    Args:
        scores: float (q, n), larger is more similar.
        relevant: bool (q, n). junk: bool (q, n), neither right nor wrong.

    Returns:
        bool (q, n): the list of each query, best first, ties by column; the places freed by junk are False at the end.
    """
    order = np.argsort(np.where(junk, np.inf, -scores), axis=1, kind="stable")
    return np.take_along_axis(relevant & ~junk, order, axis=1)


def hit_at(rel: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """1 where any of the top ``k`` is relevant (metric learning's Recall@K, CMC@K)."""
    return _judged(rel[:, :k].any(axis=1), found)


def precision_at(rel: np.ndarray, found: np.ndarray, k: int) -> np.ndarray:
    """Relevant items in the top ``k``, divided by ``k``."""
    return _judged(rel[:, :k].sum(axis=1) / k, found)


def average_precision(rel: np.ndarray, found: np.ndarray) -> np.ndarray:
    """AP over the whole list: 1/R * sum of P(i) rel_i (trec_eval ``map``)."""
    hits = np.cumsum(rel, axis=1)
    precision = hits / np.arange(1, rel.shape[1] + 1)
    return _judged((precision * rel).sum(axis=1) / np.maximum(found, 1), found)


def _judged(values: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.where(found > 0, values.astype(np.float64), np.nan)
