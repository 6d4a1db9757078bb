"""Retrieval metrics: :class:`~core.metrics.ranked.Ranked` lists in, one score a query out, float64
(q,).

A query without anything relevant in the gallery (R = 0) gives NaN: it is left out of means and
counted. A cut K beyond the end of a list changes nothing but the divisor of precision@K, as in
trec_eval.
"""

import numpy as np

from core.metrics.ranked import Ranked

LABEL_CELLS = 4_000_000


def hit_at(lists: Ranked, k: int) -> np.ndarray:
    """1 where any of the top ``k`` is relevant. Metric learning calls it Recall@K, person search
    CMC@K."""
    return _judged(lists, np.minimum(_count(lists, lists.rank <= k), 1.0))


def precision_at(lists: Ranked, k: int) -> np.ndarray:
    """Relevant items in the top ``k``, divided by ``k``."""
    return _judged(lists, _count(lists, lists.rank <= k) / k)


def recall_at(lists: Ranked, k: int) -> np.ndarray:
    """Relevant items in the top ``k``, divided by R: information retrieval's recall."""
    return _judged(lists, _count(lists, lists.rank <= k) / _some(lists))


def r_precision(lists: Ranked) -> np.ndarray:
    """Precision at rank R."""
    return _judged(lists, _count(lists, lists.rank <= lists.relevant[lists.row]) / _some(lists))


def average_precision(lists: Ranked) -> np.ndarray:
    """AP over the whole list: 1/R * sum of P(i) rel_i (trec_eval ``map``)."""
    return _judged(lists, _sum(lists, lists.order / lists.rank) / _some(lists))


def average_precision_at(lists: Ranked, k: int) -> np.ndarray:
    """AP cut at ``k`` and still divided by R (trec_eval ``map_cut``)."""
    return _judged(lists, _sum(lists, lists.order / lists.rank * (lists.rank <= k)) / _some(lists))


def map_at_r(lists: Ranked) -> np.ndarray:
    """AP cut at R: 1/R * sum over i <= R of P(i) rel_i (Musgrave et al., 2020)."""
    within = lists.rank <= lists.relevant[lists.row]
    return _judged(lists, _sum(lists, lists.order / lists.rank * within) / _some(lists))


def reciprocal_rank(lists: Ranked) -> np.ndarray:
    """1 / rank of the first relevant item; 0 where the list holds none."""
    return _judged(lists, _sum(lists, (lists.order == 1) / lists.rank))


def ndcg_at(lists: Ranked, k: int) -> np.ndarray:
    """DCG of the top ``k`` with discount log2(rank + 1), divided by that of min(K, R) relevant
    items in front."""
    gained = _sum(lists, (lists.rank <= k) / np.log2(lists.rank + 1.0))
    most = int(min(k, lists.relevant.max(initial=0)))
    ideal = np.concatenate([[1.0], np.cumsum(1.0 / np.log2(np.arange(2.0, most + 2.0)))])
    return _judged(lists, gained / ideal[np.minimum(lists.relevant, most)])


def revisited_ap(lists: Ranked) -> np.ndarray:
    """AP as the area of trapezoids under the precision-recall curve (revisited Oxford and Paris;
    Radenovic et al., 2018)."""
    before = np.where(lists.rank == 1, 1.0, (lists.order - 1) / np.maximum(lists.rank - 1, 1))
    return _judged(lists, _sum(lists, (before + lists.order / lists.rank) / 2.0) / _some(lists))


def label_accuracy_at(lists: Ranked, k: int) -> np.ndarray:
    """1 where the most frequent label of the top ``k`` is the query's own (kNN accuracy).

    Labels that are equally frequent: the one whose first item stands higher wins. Needs ``labels``
    of at least
    min(K, n) places.
    """
    if lists.labels is None or lists.own is None:
        raise ValueError("retrieval accuracy needs the labels of the lists")
    right = np.zeros(len(lists))
    step = max(1, LABEL_CELLS // max(1, min(k, lists.labels.shape[1]) ** 2))
    for start in range(0, len(lists), step):
        part = slice(start, start + step)
        labels, there = lists.labels[part, :k], lists.top[part, :k] >= 0
        votes = ((labels[:, :, None] == labels[:, None, :]) & there[:, None, :]).sum(axis=2) * there
        winner = (
            np.take_along_axis(labels, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
            if labels.shape[1]
            else -1
        )
        right[part] = (winner == lists.own[part]) & there.any(axis=1)
    return _judged(lists, right)


def index_recall(scores: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Overlap of an index's answer with the exact top K, (q,): items at least as similar as the
    exact K-th count as hits.

    Args:
        scores: (q, K), scores of what the index found, -inf where it found fewer.
        exact: (q, K), scores of the exact answer, best first, -inf where the gallery has fewer than
            K.
    """
    wanted = np.isfinite(exact).sum(axis=1)
    last = np.take_along_axis(exact, np.maximum(wanted - 1, 0)[:, None], axis=1)
    good = (np.isfinite(scores) & (scores >= last)).sum(axis=1)
    return np.where(wanted > 0, np.minimum(good, wanted) / np.maximum(wanted, 1), np.nan)


def _sum(lists: Ranked, values: np.ndarray) -> np.ndarray:
    return np.bincount(lists.row, weights=values, minlength=len(lists))


def _count(lists: Ranked, which: np.ndarray) -> np.ndarray:
    return np.bincount(lists.row[which], minlength=len(lists)).astype(np.float64)


def _some(lists: Ranked) -> np.ndarray:
    return np.maximum(lists.relevant, 1)


def _judged(lists: Ranked, values: np.ndarray) -> np.ndarray:
    return np.where(lists.relevant > 0, values, np.nan)
