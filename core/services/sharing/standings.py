"""A leaderboard as one file: means, intervals, ranks, quality against time, protocols."""

import html
from collections.abc import Sequence

from core.errors import UserError
from core.metrics import table
from core.services import marks
from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import (
    Leaderboard,
    Standing,
    boards,
    cells_of,
    leaderboard,
    metrics_of,
    seen_in_words,
)
from core.services.evaluation.reports import Report
from core.services.library.library import encoder_title
from core.services.sharing import drawn as charts
from core.services.sharing import paper

WIDE, HIGH, BAR = 900, 340, 180
"""Pixels of the chart and of an interval in a row."""


def leaderboard_page(
    report: Report, metric: str = "mAP", board: tuple[str, str] | None = None
) -> str:
    """One HTML document: every board of a report, or the one (data set, protocol) that is named.

    Raises:
        UserError: no such board, or a metric whose scores the report does not keep.
    """
    wanted = boards(report) if board is None else [board]
    if not wanted:
        raise UserError(f"The report {report.name!r} is empty.", fix="Evaluate first.")
    sections = [board_body(report, one, metric) for one in wanted]
    title = "Leaderboard" if report.name == "leaderboard" else f"Leaderboard {report.name}"
    return paper.page(title, sections, _lead(metric))


def board_body(report: Report, board: tuple[str, str], metric: str) -> str:
    """One board (data set, protocol) as a section. Raises UserError as :func:`leaderboard_page`."""
    dataset, protocol = board
    found = leaderboard(report, dataset, protocol, metric)
    cells = cells_of(report, dataset, protocol)
    title = f"{cells[0].card.get('dataset', dataset)}: {protocol}"
    body = _table(report, found, cells) + _chart(found, cells) + _card(cells)
    return paper.section(title, body, _reading(found))


def _lead(metric: str) -> str:
    return (
        f"Sorted by {table.label(metric)}; intervals hold the mean with 95 % confidence. Encoders"
        " that share a rank can't be told apart by these queries."
    )


def _reading(found: Leaderboard) -> str:
    first = [one for one in found.standings if one.rank == 1]
    names = " and ".join(encoder_title(one.encoder) for one in first[:3])
    if len(first) > 3:
        names += f" and {len(first) - 3} more"
    queries = f"{found.queries:,} queries"
    if len(first) == len(found.standings) > 1:
        return f"No encoder is better than another beyond chance ({queries})."
    return f"Best: {names}, {found.standings[0].mean:.3f} ({queries})."


def _name(encoder: str, index: str, beside: Sequence[str]) -> str:
    drawn = paper.mark(marks.mark(encoder, beside))
    more = "" if index == "exact" else f" ({html.escape(index)})"
    title = html.escape(encoder_title(encoder))
    return f"<!--{title}-->{drawn}{title}{more}"


def _table(report: Report, found: Leaderboard, cells: Sequence[Cell]) -> str:
    others = [name for name in metrics_of(report) if name != found.metric][:5]
    means = {(cell.encoder, cell.index): cell.means() for cell in cells}
    beside = [cell.encoder for cell in cells]
    p50 = {(cell.encoder, cell.index): cell.milliseconds() for cell in cells}
    rows = [
        [
            _name(one.encoder, one.index, beside),
            str(one.rank),
            f"{one.mean:.3f}",
            _interval(one),
            f"{one.class_mean:.3f}",
            *(_figure(means[one.encoder, one.index].get(name)) for name in others),
            _figure(p50[one.encoder, one.index], 1),
        ]
        for one in found.standings
    ]
    head = ["Encoder", "Rank", table.label(found.metric), "95 % interval", "Mean over classes"]
    return paper.table([*head, *(table.label(name) for name in others), "Query, ms"], rows)


def _figure(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _interval(one: Standing) -> str:
    left, right, middle = (BAR * value for value in (one.low, one.high, one.mean))
    return (
        f"<!--{one.low}-->{one.low:.3f} – {one.high:.3f} "
        f'<svg width="{BAR}" height="12" aria-hidden="true"><path class="axis" d="M0 6H{BAR}"/>'
        f'<path d="M{left:.1f} 6H{right:.1f}" stroke="currentColor" stroke-width="3"/>'
        f'<circle class="own" cx="{middle:.1f}" cy="6" r="4"/></svg>'
    )


def _chart(found: Leaderboard, cells: Sequence[Cell]) -> str:
    """Quality against a query's logarithmic time; empty where fewer than two were timed."""
    from math import log10

    spent = {(cell.encoder, cell.index): cell.milliseconds() for cell in cells}
    points = [
        (one, ms) for one in found.standings if (ms := spent[one.encoder, one.index]) is not None
    ]
    if len(points) < 2:
        return ""
    low, high = (log10(edge(ms for _, ms in points)) for edge in (min, max))
    low, high = low - 0.15, high + 0.35
    top = max(one.high for one, _ in points) * 1.05 or 1.0
    beside = [cell.encoder for cell in cells]

    def place(one: Standing, ms: float) -> tuple[float, float]:
        x = 50 + (WIDE - 60) * (log10(ms) - low) / (high - low)
        return x, HIGH - 36 - (HIGH - 50) * one.mean / top

    drawn = [f'<path class="axis" fill="none" d="M50 8V{HIGH - 36}H{WIDE - 8}"/>']
    for tick in [t for n in range(-2, 6) for t in (10**n,) if low <= n <= high]:
        x = 50 + (WIDE - 60) * (log10(tick) - low) / (high - low)
        side = "end" if x > WIDE - 24 else "middle"
        drawn.append(f'<text x="{x:.0f}" y="{HIGH - 18}" text-anchor="{side}">{tick:g} ms</text>')
    for share in (0, 0.5, 1):
        y = HIGH - 36 - (HIGH - 50) * share
        drawn.append(f'<text x="44" y="{y + 4:.0f}" text-anchor="end">{share * top:.2f}</text>')
    at = [(*place(one, ms), encoder_title(one.encoder)) for one, ms in points]
    names = charts.beside(at, (54, 4, WIDE - 4, HIGH - 40))
    for (one, ms), (x, y, title), name in zip(points, at, names, strict=True):
        mark = marks.mark(one.encoder, beside)
        if abs(name.y - y) > charts.LEVEL:  # which mark the name belongs to
            drawn.append(f'<path class="axis" d="M{x:.1f} {y:.1f}L{name.x:.1f} {name.y:.1f}"/>')
        drawn.append(
            f'<g transform="translate({x - 6:.1f} {y - 6:.1f})"><path d="{mark["path"]}"'
            f' fill="{mark["colour"]}"/><title>{html.escape(title)}:'
            f" {one.mean:.3f}, {ms:.1f} ms</title></g>"
            f'<text x="{name.x:.1f}" y="{name.y + 4:.1f}" text-anchor="'
            f'{"end" if name.before else "start"}">{html.escape(title)}</text>'
        )
    alt = f"{table.label(found.metric)} against the time of a query"
    return (
        f'<figure style="margin:14px 0 0;overflow-x:auto"><svg role="img" aria-label="{alt}"'
        f' width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}">{"".join(drawn)}</svg>'
        f"<figcaption><p>{alt}, median of all stages.</p></figcaption></figure>"
    )


def _card(cells: Sequence[Cell]) -> str:
    skipped = {"encoder", "encoder causes", "dimensions", "seen", "seen in words", "index"}
    pairs = [
        (k, _said(v)) for k, v in cells[0].card.items() if k not in skipped and v not in ("", None)
    ]
    seen = [
        (", ".join(map(encoder_title, names)), words)
        for words, names in seen_in_words(cells).items()
    ]
    return f"<details><summary>Protocol</summary>{paper.facts([*pairs, *seen])}</details>"


def _said(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)
