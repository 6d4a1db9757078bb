"""What a second look at hits is worth: each re-ranker beside the same search without, each fusion
beside its best member, query by query."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core import fusion, store
from core.errors import UserError
from core.metrics import statistics
from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import aligned, boards, by_class, cells_of
from core.services.evaluation.reports import Report
from core.services.search.looking import title_of
from core.services.specs import index_and_reranker, members_of

WORST = 3
"""Classes that are named where the second look hurts."""
MIN_DROP = 0.005
"""A class that loses less is not named."""


@dataclass(frozen=True, slots=True)
class Gain:
    """``mean`` with the second look, ``before`` without; ``gain`` is their difference with its
    paired 95 % interval; ``hurt`` are the classes that lose most, as (class, difference, queries);
    ``helped`` and ``harmed`` count queries."""

    dataset: str
    protocol: str
    encoder: str
    index: str
    way: str
    title: str
    against: str
    queries: int
    before: float
    mean: float
    gain: float
    low: float
    high: float
    helped: int
    harmed: int
    hurt: tuple[tuple[str, float, int], ...]

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``no difference`` where the interval holds zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference"


def gains(report: Report, metric: str = "mAP") -> list[Gain]:
    """Every re-ranked and every fused cell of a report, in its order; empty where it has none.

    Raises:
        UserError: the metric's per-query scores are not in the report.
    """
    found = []
    for dataset, protocol in boards(report):
        cells = cells_of(report, dataset, protocol)
        known = {(cell.encoder, cell.index): cell for cell in cells}
        for cell in cells:
            before = _before(cell, known, metric)
            if before is not None and (made := _gain(before, cell, metric)) is not None:
                found.append(made)
    return found


def _before(cell: Cell, known: dict[tuple[str, str], Cell], metric: str) -> Cell | None:
    """What a cell is set beside; None where it is no second look, or that is not in the report."""
    index, reranker = index_and_reranker(cell.index)
    if reranker:
        return known.get((cell.encoder, index))
    there = [
        known[one, cell.index] for one in members_of(cell.encoder) if (one, cell.index) in known
    ]
    return max(there, key=lambda one: one.means()[metric] or 0.0, default=None)


def _gain(before: Cell, after: Cell, metric: str) -> Gain | None:
    scores, ids, groups, clusters = aligned([before, after], metric)
    if not len(ids):
        return None
    difference = scores[:, 1] - scores[:, 0]
    low, high = statistics.interval(difference, clusters)
    index, reranker = index_and_reranker(after.index)
    return Gain(
        dataset=after.dataset,
        protocol=after.protocol,
        encoder=after.encoder,
        index=index,
        way=reranker or after.encoder.partition("(")[0],
        title=title_of(reranker) if reranker else _fusion_title(after.encoder),
        against="" if reranker else before.encoder,
        queries=len(ids),
        before=float(scores[:, 0].mean()),
        mean=float(scores[:, 1].mean()),
        gain=float(difference.mean()),
        low=float(low[0]),
        high=float(high[0]),
        helped=int((difference > 0).sum()),
        harmed=int((difference < 0).sum()),
        hurt=_hurt(difference, groups),
    )


def _fusion_title(name: str) -> str:
    way, _, _ = name.partition("(")
    method, learned = way.removesuffix("-learned"), way.endswith("-learned")
    return fusion.METHODS[method][0] + (", learned weights" if learned else "")


def _hurt(difference: np.ndarray, groups: np.ndarray) -> tuple[tuple[str, float, int], ...]:
    names, means, sizes = by_class(difference[:, None], groups)
    order = np.argsort(means[:, 0], kind="stable")[:WORST]
    return tuple(
        (names[at], float(means[at, 0]), int(sizes[at])) for at in order if means[at, 0] < -MIN_DROP
    )


def gain_rows(found: Sequence[Gain]) -> list[dict]:
    """As plain rows for JSON."""
    return [
        {
            **asdict(one),
            "against": one.against or None,
            "low": one.low if np.isfinite(one.low) else None,
            "high": one.high if np.isfinite(one.high) else None,
            "verdict": one.verdict,
            "hurt": [{"class": c, "difference": d, "queries": n} for c, d, n in one.hurt],
        }
        for one in found
    ]


FILE = Path("reports") / "reranking.json"
"""Rows of :func:`gain_rows` with their metric, measured on sets that need not be here."""


def measured() -> list[dict]:
    """What came with the code: rows of :func:`gain_rows`, each with its ``metric`` and ``title``.
    Empty where the file is not there, or not whole."""
    try:
        return json.loads((store.shipped() / FILE).read_text())["rows"]
    except (OSError, ValueError, KeyError):
        return []


def gains_or_none(report: Report, metric: str) -> list[Gain]:
    """:func:`gains`; empty where the report keeps no such scores."""
    try:
        return gains(report, metric)
    except UserError:
        return []
