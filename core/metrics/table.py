"""Every metric in one row: what it is called, how it is shown, and the function that computes
it."""

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
        Metric(
            "mAP",
            "mAP",
            "mean of AP over queries, 0 to 1",
            "higher",
            retrieval.average_precision,
            about=(
                "AP = (1/R) Σ P(i)·rel(i) over the whole list: the mean of the precision at each"
                " relevant hit"
            ),
        ),
        Metric(
            "mAP@K",
            "mAP@K",
            "mean of AP cut at K, 0 to 1",
            "higher",
            retrieval.average_precision_at,
            True,
            about="AP@K = (1/R) Σ P(i)·rel(i) for i ≤ K, still divided by R as trec_eval does",
        ),
        Metric(
            "MAP@R",
            "MAP@R",
            "mean of AP cut at R, 0 to 1",
            "higher",
            retrieval.map_at_r,
            about="AP@R = (1/R) Σ P(i)·rel(i) for i ≤ R (Musgrave et al., 2020)",
        ),
        Metric(
            "hit@K",
            "hit@K (Recall@K)",
            "share of queries, 0 to 1",
            "higher",
            retrieval.hit_at,
            True,
            about=(
                "hit@K = 1 if any rel(i) = 1 for i ≤ K, else 0; metric learning calls it Recall@K,"
                " re-identification CMC@K"
            ),
        ),
        Metric(
            "precision@K",
            "P@K",
            "share of the top K, 0 to 1",
            "higher",
            retrieval.precision_at,
            True,
            about="P@K = (1/K) Σ rel(i) for i ≤ K: the share of the first K hits that is relevant",
        ),
        Metric(
            "recall@K",
            "recall@K (information retrieval)",
            "share of the relevant items, 0 to 1",
            "higher",
            retrieval.recall_at,
            True,
            about=(
                "recall@K = (1/R) Σ rel(i) for i ≤ K: the share of all relevant pictures among the"
                " first K hits"
            ),
        ),
        Metric(
            "R-precision",
            "R-precision",
            "share of the top R, 0 to 1",
            "higher",
            retrieval.r_precision,
            about="R-precision = (1/R) Σ rel(i) for i ≤ R",
        ),
        Metric(
            "MRR",
            "MRR",
            "mean of 1 / rank of the first hit, 0 to 1",
            "higher",
            retrieval.reciprocal_rank,
            about="RR = 1 / rank of the first relevant hit, 0 if there is none",
        ),
        Metric(
            "nDCG@K",
            "nDCG@K",
            "share of the ideal gain, 0 to 1",
            "higher",
            retrieval.ndcg_at,
            True,
            about="nDCG@K = DCG@K / ideal DCG@K, DCG@K = Σ rel(i) / log2(i + 1) for i ≤ K",
        ),
        Metric(
            "accuracy@K",
            "kNN accuracy@K",
            "share of queries, 0 to 1",
            "higher",
            retrieval.label_accuracy_at,
            True,
            about="1 if the most frequent label of the first K hits is the query's, else 0",
            needs_labels=True,
        ),
        Metric(
            "revisited-AP",
            "AP, trapezoid (revisited Oxford / Paris)",
            "area under precision-recall, 0 to 1",
            "higher",
            retrieval.revisited_ap,
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
    """The definition of a metric with the terms that it uses, for one query: a table's figure is
    the mean over queries."""
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
