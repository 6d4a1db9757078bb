"""One ranked list under every published definition, with its formula and its worked steps.

The same list can be worth 0.10 or 1.00 under the name "mAP@10": who publishes a number has to say
which definition it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import log2


@dataclass(frozen=True, slots=True)
class List:
    """``hits``: ranks (from 1) of relevant items; ``relevant``: R; ``length``: items ranked."""

    hits: tuple[int, ...]
    relevant: int
    length: int

    def within(self, k: int) -> tuple[int, ...]:
        return tuple(rank for rank in self.hits if rank <= k)


@dataclass(frozen=True, slots=True)
class Definition:
    """A published way to score a list. ``who`` uses it; ``work(list, k)`` gives value and steps."""

    name: str
    formula: str
    who: str
    work: Callable[[List, int], tuple[float, str]]


def _sum_words(hits: Sequence[int], most: int = 6) -> str:
    terms = [f"{place}/{rank}" for place, rank in enumerate(hits, start=1)]
    shown = terms if len(terms) <= most else [*terms[: most - 1], "...", terms[-1]]
    return " + ".join(shown) or "0"


def _divided(hits: Sequence[int], by: int) -> tuple[float, str]:
    total = float(sum(Fraction(place, rank) for place, rank in enumerate(hits, start=1)))
    return (total / by if by else 0.0), f"({_sum_words(hits)}) / {by} = {total:.4f} / {by}"


def _trapezoid(given: List, k: int) -> tuple[float, str]:
    total, terms = Fraction(0), []
    for place, rank in enumerate(given.hits, start=1):
        before = Fraction(1) if rank == 1 else Fraction(place - 1, rank - 1)
        total += (before + Fraction(place, rank)) / 2
        terms.append(
            f"({place - 1}/{rank - 1} + {place}/{rank}) / 2" if rank > 1 else "(1 + 1/1) / 2"
        )
    shown = terms if len(terms) <= 3 else [*terms[:2], "...", terms[-1]]
    return float(total / given.relevant), f"({' + '.join(shown) or '0'}) / {given.relevant}"


def _precision(given: List, k: int) -> tuple[float, str]:
    return len(given.within(k)) / k, f"{len(given.within(k))} / {k}"


def _precision_min(given: List, k: int) -> tuple[float, str]:
    most = min(k, given.relevant)
    return len(given.within(k)) / most, f"{len(given.within(k))} / min({k}, {given.relevant})"


def _recall(given: List, k: int) -> tuple[float, str]:
    return len(given.within(k)) / given.relevant, f"{len(given.within(k))} / {given.relevant}"


def _hit(given: List, k: int) -> tuple[float, str]:
    first = given.hits[0] if given.hits else None
    said = f"the first hit is at rank {first}" if first else "no hit"
    return (
        float(bool(given.within(k))),
        f"{said}; {'within' if given.within(k) else 'not within'} {k}",
    )


def _reciprocal(given: List, k: int) -> tuple[float, str]:
    return (1 / given.hits[0], f"1 / {given.hits[0]}") if given.hits else (0.0, "no hit")


def _ndcg(given: List, k: int, most: int | None = None) -> tuple[float, str]:
    gain = sum(1 / log2(rank + 1) for rank in given.within(k))
    ideal = sum(
        1 / log2(rank + 1)
        for rank in range(1, (min(k, given.relevant) if most is None else most) + 1)
    )
    terms = [f"1/log2({rank + 1})" for rank in given.within(k)]
    shown = terms if len(terms) <= 4 else [*terms[:3], "...", terms[-1]]
    return (
        gain / ideal if ideal else 0.0
    ), f"({' + '.join(shown) or '0'}) / {ideal:.4f} = {gain:.4f} / {ideal:.4f}"


DEFINITIONS = (
    Definition(
        "AP",
        "(1/R) Σ P(i)·rel(i) over the whole list",
        "trec_eval map, scikit-learn average_precision_score",
        lambda given, k: _divided(given.hits, given.relevant),
    ),
    Definition(
        "AP@K, divided by R",
        "(1/R) Σ P(i)·rel(i) for i ≤ K",
        "trec_eval map_cut, ranx map@k",
        lambda given, k: _divided(given.within(k), given.relevant),
    ),
    Definition(
        "AP@K, divided by min(K, R)",
        "(1/min(K, R)) Σ P(i)·rel(i) for i ≤ K",
        "Kaggle's MAP@K, torchmetrics top_k",
        lambda given, k: _divided(given.within(k), min(k, given.relevant)),
    ),
    Definition(
        "AP@K, divided by hits found",
        "(1/hits) Σ P(i)·rel(i) for i ≤ K",
        "Open Metric Learning map@k, Towhee",
        lambda given, k: _divided(given.within(k), len(given.within(k))),
    ),
    Definition(
        "MAP@R",
        "(1/R) Σ P(i)·rel(i) for i ≤ R",
        "pytorch-metric-learning (Musgrave et al., 2020)",
        lambda given, k: _divided(given.within(given.relevant), given.relevant),
    ),
    Definition(
        "AP, trapezoid",
        "area of trapezoids under precision-recall",
        "revisited Oxford / Paris, GPR1200",
        _trapezoid,
    ),
    Definition(
        "Precision@K", "hits in the top K / K", "trec_eval P_K, ranx precision@k", _precision
    ),
    Definition(
        "Precision@K, divided by min(K, R)",
        "hits in the top K / min(K, R)",
        "some retrieval toolkits",
        _precision_min,
    ),
    Definition(
        "Recall@K (retrieval)",
        "hits in the top K / R",
        "trec_eval recall_K, ranx recall@k",
        _recall,
    ),
    Definition(
        "Recall@K (metric learning), CMC@K",
        "1 if any of the top K is relevant",
        "metric learning papers, ranx hit_rate@k",
        _hit,
    ),
    Definition(
        "R-precision",
        "hits in the top R / R",
        "trec_eval Rprec, pytorch-metric-learning r_precision",
        lambda given, k: _recall(given, given.relevant),
    ),
    Definition(
        "Reciprocal rank",
        "1 / rank of the first hit",
        "trec_eval recip_rank, ranx mrr",
        _reciprocal,
    ),
    Definition(
        "nDCG@K",
        "DCG@K / DCG of min(K, R) hits in front",
        "trec_eval ndcg_cut, scikit-learn ndcg_score",
        _ndcg,
    ),
    Definition(
        "nDCG@K, ideal of what was found",
        "DCG@K / DCG of the same hits in front",
        "toolkits that never see R",
        lambda given, k: _ndcg(given, k, len(given.within(k))),
    ),
)


def audit(given: List, k: int = 10) -> list[tuple[Definition, float, str]]:
    """Every definition with its value and its steps; a list without anything relevant has none."""
    if given.relevant:
        return [(definition, *definition.work(given, k)) for definition in DEFINITIONS]
    return []
