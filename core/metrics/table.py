"""Every metric in one row: what it is called, how it is shown, and the function that computes it:
:class:`~core.metrics.ranked.Ranked` lists in, one score a query out, float64 (q,).

A query without anything relevant in the gallery (R = 0) gives NaN: it is left out of means and
counted. A cut K beyond the end of a list changes nothing but the divisor of precision@K, as in
trec_eval.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import UserError
from core.metrics.ranked import Ranked

LABEL_CELLS = 4_000_000


def hit_at(lists: Ranked, k: int) -> np.ndarray:
    """1 where any of the top ``k`` is relevant. Also called Recall@K and CMC@K."""
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
    """DCG of the top ``k`` with discount log2(rank + 1), divided by that of an ideal list."""
    gained = _sum(lists, (lists.rank <= k) / np.log2(lists.rank + 1.0))
    most = int(min(k, lists.relevant.max(initial=0)))
    ideal = np.concatenate([[1.0], np.cumsum(1.0 / np.log2(np.arange(2.0, most + 2.0)))])
    return _judged(lists, gained / ideal[np.minimum(lists.relevant, most)])


def revisited_ap(lists: Ranked) -> np.ndarray:
    """AP as area of trapezoids under precision-recall (Radenovic et al., 2018)."""
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


CUT = re.compile(r"(.+)@(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. ``cut`` ones are asked for as ``name@K`` and their function takes K."""

    name: str
    label: str
    function: Callable[..., np.ndarray]
    cut: bool = False
    about: str = ""
    needs_labels: bool = False


TABLE: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            "mAP",
            "mAP",
            average_precision,
            about=(
                "AP = (1/R) Σ P(i)·rel(i) over the whole list: the mean of the precision at each"
                " relevant hit"
            ),
        ),
        Metric(
            "mAP@K",
            "mAP@K",
            average_precision_at,
            True,
            about="AP@K = (1/R) Σ P(i)·rel(i) for i ≤ K, still divided by R as trec_eval does",
        ),
        Metric(
            "MAP@R",
            "MAP@R",
            map_at_r,
            about="AP@R = (1/R) Σ P(i)·rel(i) for i ≤ R (Musgrave et al., 2020)",
        ),
        Metric(
            "hit@K",
            "hit@K (Recall@K)",
            hit_at,
            True,
            about=(
                "hit@K = 1 if any rel(i) = 1 for i ≤ K, else 0; metric learning calls it Recall@K,"
                " re-identification CMC@K"
            ),
        ),
        Metric(
            "precision@K",
            "P@K",
            precision_at,
            True,
            about="P@K = (1/K) Σ rel(i) for i ≤ K: the share of the first K hits that is relevant",
        ),
        Metric(
            "recall@K",
            "recall@K (information retrieval)",
            recall_at,
            True,
            about=(
                "recall@K = (1/R) Σ rel(i) for i ≤ K: the share of all relevant pictures among the"
                " first K hits"
            ),
        ),
        Metric(
            "R-precision",
            "R-precision",
            r_precision,
            about="R-precision = (1/R) Σ rel(i) for i ≤ R",
        ),
        Metric(
            "MRR",
            "MRR",
            reciprocal_rank,
            about="RR = 1 / rank of the first relevant hit, 0 if there is none",
        ),
        Metric(
            "nDCG@K",
            "nDCG@K",
            ndcg_at,
            True,
            about="nDCG@K = DCG@K / ideal DCG@K, DCG@K = Σ rel(i) / log2(i + 1) for i ≤ K",
        ),
        Metric(
            "accuracy@K",
            "kNN accuracy@K",
            label_accuracy_at,
            True,
            about="1 if the most frequent label of the first K hits is the query's, else 0",
            needs_labels=True,
        ),
        Metric(
            "revisited-AP",
            "AP, trapezoid (revisited Oxford / Paris)",
            revisited_ap,
            about="area under the precision-recall curve by the trapezoidal rule",
        ),
    )
}
DEFAULT = (
    "mAP",
    "MAP@R",
    "R-precision",
    "MRR",
    "hit@1",
    "hit@5",
    "hit@10",
    "precision@1",
    "precision@5",
    "precision@10",
    "recall@10",
    "recall@100",
    "mAP@10",
    "nDCG@10",
    "accuracy@1",
    "accuracy@10",
    "revisited-AP",
)


TERMS = {
    "P(i)": ("P(i)", "precision of the first i hits"),
    "rel(i)": ("rel(i)", "1 where hit i is relevant, else 0"),
    "1/R": ("R", "relevant pictures in the gallery"),
    "ideal DCG": ("ideal DCG", "DCG of a list with every relevant picture first"),
}
"""What stands in a definition -> the term and its meaning."""


def metric(name: str) -> tuple[Metric, int | None]:
    """The row of a metric and its K: ``precision@10`` -> (precision@K, 10); ``mAP`` -> (mAP, None).

    Raises:
        UserError: no such metric, or a K that is missing, forbidden or 0.
    """
    if name in TABLE and not TABLE[name].cut:
        return TABLE[name], None
    match = CUT.fullmatch(name)
    if match and f"{match[1]}@K" in TABLE and int(match[2]) > 0:
        return TABLE[f"{match[1]}@K"], int(match[2])
    raise UserError(
        f"There is no metric {name[:60]!r}.", f"Known: {', '.join(TABLE)} (K is a number from 1)."
    )


def label(name: str) -> str:
    """What a metric is called on a page: ``P@10``, ``hit@1 (Recall@1)``."""
    row, k = metric(name)
    return row.label if k is None else row.label.replace("@K", f"@{k}")


def formula(name: str) -> str:
    """The definition of a metric with its terms, for one query: tables hold means."""
    said, used = definition(name)
    return said + (f". {'; '.join(': '.join(term) for term in used)}" if used else "")


def definition(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The same in two parts: the formula, and each of its terms with its meaning."""
    row, k = metric(name)
    said = row.about if k is None else re.sub(r"\bK\b", str(k), row.about)
    return said, [term for sign, term in TERMS.items() if sign in said]


def deepest(names: Sequence[str]) -> int:
    """How many places of each list have to keep their labels for these metrics."""
    rows = [metric(name) for name in names]
    return max((k or 0 for row, k in rows if row.needs_labels), default=0)


def scores(lists: Ranked, names: Sequence[str] = DEFAULT) -> dict[str, np.ndarray]:
    """Per-query scores of every metric, float64 (q,), NaN where R = 0."""
    rows = {name: metric(name) for name in names}
    return {
        name: row.function(lists) if k is None else row.function(lists, k)
        for name, (row, k) in rows.items()
    }
