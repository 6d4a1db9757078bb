"""Standings of a board: means, intervals, shared ranks, queries that separate encoders."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core import store
from core.errors import UserError
from core.metrics import statistics, table
from core.services import saved_reports
from core.services.evaluation.cells import Cell
from core.services.evaluation.reports import Report
from core.services.evaluation.seen import NONE


@dataclass(frozen=True, slots=True)
class Standing:
    """An encoder's mean with 95 % interval, class mean, shared rank, adjusted p to the best."""

    encoder: str
    index: str
    mean: float
    low: float
    high: float
    class_mean: float
    rank: int
    p_to_best: float


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Standings, best mean first. ``smallest``: the difference of the two best that so many queries
    could show (80 % power, corrected for all pairs), inf where there is one encoder. ``adjusted``
    p-values in the order of the standings.
    """

    metric: str
    queries: int
    unjudged: int
    clusters: int
    standings: tuple[Standing, ...]
    adjusted: np.ndarray
    smallest: float


def boards(report: Report) -> list[tuple[str, str]]:
    """(dataset, protocol) pairs of a report, in its order."""
    return list(dict.fromkeys((cell.dataset, cell.protocol) for cell in report.cells))


def cells_of(report: Report, dataset: str, protocol: str) -> list[Cell]:
    """Cells of one board. Raises UserError where there are none."""
    found = [cell for cell in report.cells if (cell.dataset, cell.protocol) == (dataset, protocol)]
    if not found:
        known = ", ".join(f"{d} / {p}" for d, p in boards(report))
        raise UserError(
            f"The report {report.name!r} has nothing on {dataset} / {protocol}.",
            f"It has: {known}.",
        )
    return found


def aligned(
    cells: Sequence[Cell], metric: str, group: str | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores (q, e) of the queries that every cell evaluated (of one class where asked), with ids,
    groups and clusters (q,).

    Raises:
        UserError: the metric's per-query scores are not in the report.
    """
    for cell in cells:
        if metric not in cell.scores:
            kept = ", ".join(name for name in cell.scores)
            raise UserError(
                f"The report keeps no per-query scores of {metric}.", f"It keeps: {kept}."
            )
    first, columns = cells[0], []
    keep = first.evaluated if group is None else first.evaluated & (first.groups == group)
    ids = first.queries[keep]
    for cell in cells[1:]:
        if not np.array_equal(cell.queries, first.queries):
            ids = ids[np.isin(ids, cell.queries[cell.evaluated])]
    for cell in cells:
        order = np.argsort(cell.queries)
        columns.append(cell.scores[metric][order[np.searchsorted(cell.queries, ids, sorter=order)]])
    where = np.argsort(first.queries)[np.searchsorted(np.sort(first.queries), ids)]
    scores = np.stack(columns, axis=1) if columns else np.zeros((0, 0))
    return scores, ids, first.groups[where], first.clusters[where]


def leaderboard(
    report: Report, dataset: str, protocol: str, metric: str = "mAP", group: str | None = None
) -> Leaderboard:
    """Standings under one metric, over all queries or those of one class.

    Raises:
        UserError: no such board, metric or class; or no query can be evaluated (and why).
    """
    cells = cells_of(report, dataset, protocol)
    scores, ids, groups, clusters = aligned(cells, metric, group)
    unjudged = int((~cells[0].evaluated).sum())
    if not len(ids):
        raise nothing_to_evaluate(cells[0], group)
    low, high = statistics.interval(scores, clusters)
    adjusted = statistics.holm(statistics.paired_p_values(scores, clusters))
    means = scores.mean(axis=0)
    ranks, order = statistics.shared_ranks(means, adjusted), np.argsort(-means, kind="stable")
    class_means = by_class(scores, groups)[1].mean(axis=0)
    standings = tuple(
        Standing(
            cells[e].encoder,
            cells[e].index,
            float(means[e]),
            max(0.0, float(low[e])),
            min(1.0, float(high[e])),
            float(class_means[e]),
            int(ranks[e]),
            float(adjusted[e, order[0]]),
        )
        for e in order
    )
    smallest = _smallest(scores, order, clusters)
    return Leaderboard(
        metric,
        len(ids),
        unjudged,
        len(np.unique(clusters)),
        standings,
        adjusted[np.ix_(order, order)],
        smallest,
    )


def method(board: Leaderboard) -> dict[str, str]:
    """How intervals and ranks were made, in words, for the protocol card."""
    count = len(board.standings)
    if board.clusters < board.queries:
        groups = f"{board.clusters:,} objects"
    else:
        groups = f"{board.queries:,} queries"
    made = {
        "intervals": (
            f"{statistics.LEVEL:.0%} BCa bootstrap, {statistics.RESAMPLES:,} resamples of {groups}"
        )
    }
    if count > 1:
        few = board.clusters <= statistics.EXACT_UP_TO
        signs = f"all 2^{board.clusters}" if few else f"{statistics.FLIPS:,}"
        made["ranks"] = (
            f"paired permutation test, {signs} sign patterns, Holm over all"
            f" {count * (count - 1) // 2} pairs, shared where p is {1 - statistics.LEVEL:.2f} or"
            " more"
        )
    return made


def pairs_of(board: Leaderboard) -> list[dict]:
    """Every pair, the better first: (encoder, index) each, difference of means, adjusted p."""
    rows = board.standings
    return [
        {
            "one": [rows[a].encoder, rows[a].index],
            "other": [rows[b].encoder, rows[b].index],
            "difference": rows[a].mean - rows[b].mean,
            "p": float(board.adjusted[a, b]),
        }
        for a in range(len(rows))
        for b in range(a + 1, len(rows))
    ]


def means_of(
    report: Report, dataset: str, protocol: str, metric: str, group: str | None = None
) -> dict[tuple[str, str], float]:
    """(encoder, index) -> mean over the queries that every encoder evaluated, as in
    :func:`leaderboard`.

    Raises:
        UserError: no such board or metric, or no query can be evaluated.
    """
    cells = cells_of(report, dataset, protocol)
    scores, ids, _, _ = aligned(cells, metric, group)
    if not len(ids):
        raise nothing_to_evaluate(cells[0], group)
    return {
        (cell.encoder, cell.index): float(mean)
        for cell, mean in zip(cells, scores.mean(axis=0), strict=True)
    }


def _smallest(scores: np.ndarray, order: np.ndarray, clusters: np.ndarray) -> float:
    if len(order) < 2:
        return float("inf")
    pairs = len(order) * (len(order) - 1) / 2
    alpha = (1 - statistics.LEVEL) / pairs
    return statistics.smallest_difference(scores[:, order[0]], scores[:, order[1]], clusters, alpha)


def by_class(scores: np.ndarray, groups: np.ndarray) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Class names, mean scores (classes, e), and queries of each class."""
    names, which = np.unique(groups, return_inverse=True)
    sizes = np.bincount(which)
    means = np.stack([np.bincount(which, column) / sizes for column in scores.T], axis=1)
    return names.tolist(), means, sizes


def seen_in_words(cells: Iterable[Cell]) -> dict[str, list[str]]:
    """What encoders have seen of the pictures, in words -> the encoders of which that is true;
    without those that saw none.

    Empty for reports of before it was noted.
    """
    found: dict[str, list[str]] = {}
    for cell in cells:
        if cell.card.get("seen", NONE) != NONE and cell.encoder not in found.setdefault(
            cell.card["seen in words"], []
        ):
            found[cell.card["seen in words"]].append(cell.encoder)
    return found


def classes_of(report: Report, dataset: str, protocol: str, metric: str) -> list[dict]:
    """Each class of a board's queries: ``class``, ``queries`` and ``means``, one (encoder, index,
    mean) for each cell.

    Raises:
        UserError: no such board or metric.
    """
    cells = cells_of(report, dataset, protocol)
    scores, ids, groups, _ = aligned(cells, metric)
    if not len(ids):
        return []
    names = [{"encoder": cell.encoder, "index": cell.index} for cell in cells]
    return [
        {
            "class": group,
            "queries": int(size),
            "means": [who | {"mean": float(m)} for who, m in zip(names, row, strict=True)],
        }
        for group, row, size in zip(*by_class(scores, groups), strict=True)
    ]


def nothing_to_evaluate(cell: Cell, group: str | None = None) -> UserError:
    """Why there is no number, and what to do."""
    if group is not None and not (cell.groups == group).any():
        return UserError(f"No query is of the class {group[:60]!r}.", fix="Choose another class.")
    if not len(cell.queries):
        given = f"No picture of {cell.dataset} is a query under the protocol {cell.protocol!r}."
        return UserError(given, fix="Choose another protocol.")
    return UserError(
        f"None of the {len(cell.queries):,} queries of {cell.dataset} has anything relevant in the"
        f" gallery ({cell.card.get('relevant', cell.protocol)}).",
        fix=(
            "Put pictures of one class into one folder, or add a label column: without labels,"
            " right and wrong are unknown."
        ),
    )


@dataclass(frozen=True, slots=True)
class Separation:
    """Two encoders, query by query: ids by falling difference of ``one`` minus ``other``, and win /
    tie / loss counts.

    ``best`` and ``least`` are places in ``ids``: the largest differences for and against ``one``,
    one of each object.
    """

    one: str
    other: str
    metric: str
    ids: tuple[str, ...]
    differences: np.ndarray
    scores: np.ndarray
    best: tuple[int, ...]
    least: tuple[int, ...]
    wins: int
    ties: int
    losses: int
    p: float


def separate(
    report: Report,
    dataset: str,
    protocol: str,
    one: str,
    other: str,
    metric: str = "mAP",
    group: str | None = None,
) -> Separation:
    """Which queries (of one class where asked) one encoder answers better than another (``p``:
    paired permutation test, not corrected).

    Raises:
        UserError: an encoder that this board does not hold, or no query that both evaluated.
    """
    cells = [_cell_of(cells_of(report, dataset, protocol), name) for name in (one, other)]
    scores, ids, _, clusters = aligned(cells, metric, group)
    if not len(ids):
        raise nothing_to_evaluate(cells[0], group)
    difference = scores[:, 0] - scores[:, 1]
    order = np.lexsort((ids, -difference))
    p = float(statistics.paired_p_values(scores, clusters)[0, 1])
    won, lost = int((difference > 0).sum()), int((difference < 0).sum())
    groups, sorted_by = clusters[order], difference[order]
    best = [int(at) for at in one_of_each(np.arange(len(ids)), groups) if sorted_by[at] > 0]
    least = [int(at) for at in one_of_each(np.arange(len(ids))[::-1], groups) if sorted_by[at] < 0]
    return Separation(
        one,
        other,
        metric,
        tuple(ids[order].tolist()),
        sorted_by,
        scores[order],
        tuple(best),
        tuple(least),
        won,
        len(ids) - won - lost,
        lost,
        p,
    )


def worst(
    report: Report,
    dataset: str,
    protocol: str,
    encoder: str,
    metric: str = "mAP",
    count: int = 12,
    group: str | None = None,
) -> list[tuple[str, float]]:
    """(query id, score) of an encoder's worst answers, one of each object; ties by id."""
    cell = _cell_of(cells_of(report, dataset, protocol), encoder)
    scores, ids, _, clusters = aligned([cell], metric, group)
    order = np.lexsort((ids, scores[:, 0]))
    return [(str(ids[at]), float(scores[at, 0])) for at in one_of_each(order, clusters)[:count]]


def one_of_each(order: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """``order`` with only the first of each cluster left."""
    _, first = np.unique(clusters[order], return_index=True)
    return order[np.sort(first)]


def _cell_of(cells: Sequence[Cell], encoder: str) -> Cell:
    for cell in cells:
        if cell.encoder == encoder:
            return cell
    raise UserError(
        f"This board has no {encoder[:60]!r}.",
        f"It has: {', '.join(dict.fromkeys(c.encoder for c in cells))}.",
    )


def metrics_of(report: Report) -> list[str]:
    """Metrics whose per-query scores every cell of the report keeps, in the order of the table."""
    kept = set.intersection(*(set(cell.scores) for cell in report.cells)) if report.cells else set()
    return [name for name in table.DEFAULT if name in kept]


KIND, VERSION = "boards", 1


def standings(
    report: Report,
    folder: Path,
    dataset: str,
    protocol: str,
    metric: str = "mAP",
    group: str | None = None,
) -> Leaderboard:
    """:func:`core.services.evaluation.leaderboard.leaderboard` of a report that lies in ``folder``,
    from the disk where it was worked out before.

    Raises:
        UserError: as there.
    """
    made: list[Leaderboard] = []

    def write(place: Path) -> dict:
        made.append(leaderboard(report, dataset, protocol, metric, group))
        noted = asdict(made[0]) | {"adjusted": made[0].adjusted.tolist()}
        (place / "board.json").write_text(json.dumps(noted))
        return {"dataset_name": dataset}

    causes = {
        "scores": store.digest(folder / "scores.npz"),
        "rows": store.digest(folder / "report.json"),
        "board": [dataset, protocol, metric, group],
        "method": [statistics.LEVEL, statistics.RESAMPLES, statistics.FLIPS, VERSION],
    }
    kept = store.kept(KIND, causes, write, _read, durable=False)
    return made[0] if made else kept


def prepare(report: str, metric: str = "mAP") -> None:
    """Work out the first board of a report before anybody asks for it, if there is one."""
    try:
        folder = saved_reports.find(report)
        read = Report.load(folder)
        standings(read, folder, read.cells[0].dataset, read.cells[0].protocol, metric)
    except UserError:
        return


def _read(place: Path) -> Leaderboard:
    noted = json.loads((place / "board.json").read_text())
    rows = tuple(Standing(**row) for row in noted.pop("standings"))
    return Leaderboard(**{**noted, "standings": rows, "adjusted": np.array(noted["adjusted"])})
