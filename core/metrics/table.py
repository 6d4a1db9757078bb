"""Every metric in one row: what it is called, how it is shown, and the function that computes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import UserError
from core.metrics import retrieval
from core.metrics.ranked import Ranked

CUT = re.compile(r"(.+)@(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. ``cut`` ones are asked for as ``name@K`` and their function takes K."""

    name: str
    label: str
    unit: str
    better: str
    function: Callable[..., np.ndarray]
    cut: bool = False
    about: str = ""
    needs_labels: bool = False


TABLE: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("mAP", "mAP", "mean of AP over queries, 0 to 1", "higher", retrieval.average_precision,
               about="1/R * sum over the whole list of P(i) rel_i"),
        Metric("mAP@K", "mAP@K", "mean of AP cut at K, 0 to 1", "higher", retrieval.average_precision_at, True,
               about="1/R * sum over i <= K of P(i) rel_i; still divided by R, as trec_eval does"),
        Metric("MAP@R", "MAP@R", "mean of AP cut at R, 0 to 1", "higher", retrieval.map_at_r,
               about="1/R * sum over i <= R of P(i) rel_i"),
        Metric("hit@K", "Hit@K (metric learning: Recall@K, CMC@K)", "share of queries, 0 to 1", "higher", retrieval.hit_at, True,
               about="1 if any of the top K is relevant"),
        Metric("precision@K", "Precision@K", "share of the top K, 0 to 1", "higher", retrieval.precision_at, True,
               about="hits in the top K / K"),
        Metric("recall@K", "Recall@K (information retrieval)", "share of the relevant items, 0 to 1", "higher",
               retrieval.recall_at, True, about="hits in the top K / R"),
        Metric("R-precision", "R-precision", "share of the top R, 0 to 1", "higher", retrieval.r_precision,
               about="hits in the top R / R"),
        Metric("MRR", "MRR", "mean of 1 / rank of the first hit, 0 to 1", "higher", retrieval.reciprocal_rank,
               about="1 / rank of the first relevant item, 0 if none"),
        Metric("nDCG@K", "nDCG@K", "share of the ideal gain, 0 to 1", "higher", retrieval.ndcg_at, True,
               about="sum over i <= K of rel_i / log2(i + 1), divided by the same sum for min(K, R) items in front"),
        Metric("accuracy@K", "Retrieval accuracy@K (kNN)", "share of queries, 0 to 1", "higher", retrieval.label_accuracy_at,
               True, about="1 if the most frequent label of the top K is the query's", needs_labels=True),
        Metric("revisited-AP", "AP, trapezoid (revisited Oxford / Paris)", "area under precision-recall, 0 to 1", "higher",
               retrieval.revisited_ap, about="trapezoids under the precision-recall curve"),
    )
}  # fmt: skip
DEFAULT = (
    "mAP", "MAP@R", "R-precision", "MRR", "hit@1", "hit@5", "hit@10", "precision@1", "precision@5", "precision@10",
    "recall@10", "recall@100", "mAP@10", "nDCG@10", "accuracy@1", "accuracy@10", "revisited-AP",
)  # fmt: skip


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
    raise UserError(f"There is no metric {name[:60]!r}.", f"Known: {', '.join(TABLE)} (K is a number from 1).")


def label(name: str) -> str:
    """What a metric is called on a page: ``Precision@10``."""
    row, k = metric(name)
    return row.label if k is None else row.label.replace("@K", f"@{k}")


def deepest(names: Sequence[str]) -> int:
    """How many places of each list have to keep their labels for these metrics."""
    rows = [metric(name) for name in names]
    return max((k or 0 for row, k in rows if row.needs_labels), default=0)


def scores(lists: Ranked, names: Sequence[str] = DEFAULT) -> dict[str, np.ndarray]:
    """Per-query scores of every metric, float64 (q,), NaN where R = 0."""
    rows = {name: metric(name) for name in names}
    return {name: row.function(lists) if k is None else row.function(lists, k) for name, (row, k) in rows.items()}
