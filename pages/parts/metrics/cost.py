"""What quality costs: a search's time by stage, the vectors' size, and what was spent once."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import plotly.graph_objects as go
import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.latency import BUSY
from core.services.evaluation.leaderboard import Standing
from pages.parts import cached_metrics, palette
from pages.parts.choosing import segments
from pages.parts.metrics import choice, evaluation, labels
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import name_of, short, spent
from pages.parts.words import count, heading, note, quiet, size, table

DOING = {
    "decode": "decoding the file",
    "preprocess": "preparing the picture",
    "encode": "encoding",
    "search": "searching",
}
STAGES = {"decode": "#8A8A86", "preprocess": "#E69F00", "encode": "#0072B2", "search": "#009E73"}


def show(shown: Choice, cells: list[Cell]) -> None:
    timed = [cell for cell in cells if cell.milliseconds()]
    if not timed:
        note("No times were measured for this report.", "Evaluate again: times are measured then.")
        evaluation.offer(shown, cells)
        return
    board = cached_metrics.standings(shown.key, shown.metric, shown.group)
    busy = max((cell.latency.get("busy") or 0.0 for cell in timed), default=0.0)
    if busy > BUSY:
        note(
            "The machine was busy while these times were taken.",
            f"Up to {busy:.0f} processes per core ran at once: compare them with care.",
        )
    _against(shown.metric, timed, {(s.encoder, s.index): s for s in board.standings})
    heading("Latency by stage")
    _stages(timed)
    heading("Vector size and build cost")
    _once(timed)
    runs = count(timed[0].latency["total"]["single"]["runs"], "search", "searches")
    quiet(
        f"Measured after warm-up on {timed[0].card['hardware']}: {runs} of one picture each, and"
        " batches of 32."
    )


def _stages(cells: list[Cell]) -> None:
    tone = palette.ink()
    chart = palette.figure(90 + 30 * len(cells), barmode="stack", showlegend=True)
    ordered = sorted(cells, key=lambda cell: -cell.milliseconds())
    names = [name_of(cell.encoder, cell.index) for cell in ordered]
    for stage, colour in STAGES.items():
        values = [cell.latency.get(stage, {}).get("single", {}) for cell in ordered]
        chart.add_bar(
            y=names,
            x=[v.get("p50", 0) for v in values],
            name=stage,
            orientation="h",
            marker={"color": colour, "line": {"color": tone["paper"], "width": 1}},
            customdata=[[v.get("p95", 0), v.get("p99", 0), v.get("runs", 0)] for v in values],
            hovertemplate=(
                f"%{{y}}, {stage}<br>"
                "p50 %{x:.2f} ms, p95 %{customdata[0]:.2f}, p99 %{customdata[1]:.2f}<br>"
                "%{customdata[2]} runs<extra></extra>"
            ),
        )
    chart.update_layout(
        legend={"y": 1.02, "yanchor": "bottom", "traceorder": "normal"}, margin={"t": 30}
    )
    chart.update_xaxes(title={"text": "milliseconds per picture (p50)"})
    palette.draw(chart, "metrics_stages", "Milliseconds of each stage for each encoder")
    slow = ordered[0]
    stage = max(STAGES, key=lambda name: slow.latency.get(name, {}).get("single", {}).get("p50", 0))
    quiet(f"{names[0]} takes longest; most of its time goes into {DOING[stage]}.")
    with st.expander("p50, p95 and p99 of every stage"):
        table(
            [
                _row(cell, stage, mode, times)
                for cell in ordered[::-1]
                for stage in STAGES
                for mode in ("single", "batch")
                if (times := cell.latency.get(stage, {}).get(mode))
            ]
        )


def _row(cell: Cell, stage: str, mode: str, times: dict) -> dict[str, str]:
    return {
        "Encoder": name_of(cell.encoder, cell.index),
        "Stage": stage,
        "Pictures": "one" if mode == "single" else str(times.get("size", "")),
        **{f"{p} ms": f"{times[p]:.2f}" for p in ("p50", "p95", "p99")},
        "Runs": str(times["runs"]),
    }


def _once(cells: list[Cell]) -> None:
    rows = []
    for cell in sorted(cells, key=lambda cell: cell.card["dimensions"]):
        once = cell.latency.get("build", {})
        each, index_s = _building(cell), once.get("index_s")
        rows.append(
            {
                "Encoder": name_of(cell.encoder, cell.index),
                "Dimensions": f"{cell.card['dimensions']:,}",
                "Bytes per vector": size(4 * cell.card["dimensions"]),
                "Encoding": "not measured" if each is None else f"{each:.1f} ms per picture",
                "Building the index": spent(index_s),
                "Index on disk": size(once["index_bytes"]) if "index_bytes" in once else "",
            }
        )
    with st.container(key="metrics_once"):
        table(rows)
    quiet("Encoders that were built together share one pass over the pictures, and its time.")


HEIGHT = 470
TICKS = [base * 10.0**power for power in range(-2, 6) for base in (1, 2, 5)]


@dataclass(frozen=True, slots=True)
class Cost:
    """``value(cell)`` is what an encoder costs, None where nobody knows; ``late`` the end of its
    whisker; ``less`` its praise."""

    axis: str
    value: Callable[[Cell], float | None]
    late: Callable[[Cell], float | None]
    words: Callable[[float, float], str]
    less: str


def _building(cell: Cell) -> float | None:
    """Milliseconds a picture; None where the vectors came with the code."""
    once = cell.latency.get("build", {})
    if once.get("encode_s") and once.get("pictures"):
        return 1000 * once["encode_s"] / once["pictures"]
    return None


def _late(cell: Cell) -> float | None:
    return cell.milliseconds("p95")


def _bytes(cell: Cell) -> float:
    return 4.0 * cell.card["dimensions"]


COSTS = {
    "Time of a search": Cost("milliseconds for one search, p50 (whisker: p95)", Cell.milliseconds,
                             _late, lambda x, late: f"p50 {x:.1f} ms, p95 {late:.1f} ms", "faster"),
    "Vector size": Cost("bytes of one vector", _bytes, _bytes, lambda x, _: size(x), "smaller"),
    "Build time": Cost("milliseconds per picture to encode the gallery", _building, _building,
                       lambda x, _: f"{x:.1f} ms per picture", "quicker to build"),
}  # fmt: skip


def _against(metric: str, cells: list[Cell], means: dict[tuple[str, str], Standing]) -> None:
    """The chart against the cost that the reader chooses, and what it says."""
    heading("Quality against cost")
    name = segments("Against", choice.AGAINST, list(COSTS), label_visibility="collapsed")
    cost = COSTS[name]
    known = [cell for cell in cells if cost.value(cell)]
    if not known:
        note(
            "This was not measured.",
            "Every encoder's vectors already existed, so no build was timed.",
        )
        return
    best = _scatter(metric, known, means, cost)
    names = [name_of(known[at].encoder, known[at].index) for at in best]
    verb = "is" if len(best) == 1 else "are"
    left = sorted({palette.title(cell.encoder) for cell in cells if not cost.value(cell)})
    missing = f" Not measured: {', '.join(left)}." if left else ""
    quiet(
        f"{', '.join(names)} {verb} on the Pareto front (dotted): no other encoder is both"
        f" {cost.less} and better. Up and left is better.{missing}"
    )


def front(points: list[tuple[float, float]]) -> list[int]:
    """Which (cost, worth) points no other beats on both, by rising cost."""
    best, kept = float("-inf"), []
    for at in sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1])):
        if points[at][1] > best:
            best = points[at][1]
            kept.append(at)
    return kept


def _scatter(
    metric: str, cells: list[Cell], means: dict[tuple[str, str], Standing], cost: Cost
) -> list[int]:
    """Draw it; gives the places of the front."""
    chart = palette.figure(HEIGHT, hovermode="closest")
    points = [(cost.value(cell), means[cell.encoder, cell.index].mean) for cell in cells]
    late = [cost.late(cell) or x for cell, (x, _) in zip(cells, points, strict=True)]
    best = front(points)
    chart.add_scatter(
        x=[points[i][0] for i in best],
        y=[points[i][1] for i in best],
        mode="lines",
        meta="guide",
        line={"color": palette.ink()["muted"], "width": 1, "dash": "dot", "shape": "hv"},
        hoverinfo="skip",
    )
    low, high = min(x for x, _ in points) / 1.8, max(late) * 1.5
    top = max(s.high for s in means.values()) * 1.1 or 1.0
    names, wide = [name_of(cell.encoder, cell.index) for cell in cells], math.log(high / low)
    shares = [
        (math.log(x / low) / wide, y / top, math.log(end / low) / wide)
        for (x, y), end in zip(points, late, strict=True)
    ]
    own = [means[cell.encoder, cell.index] for cell in cells]
    where = labels.places(shares, names, [(one.low / top, one.high / top) for one in own])
    for cell, (x, y), end, name, place in zip(cells, points, late, names, where, strict=True):
        s = means[cell.encoder, cell.index]
        _name(chart, x, y, name, place)
        chart.add_scatter(
            x=[x],
            y=[y],
            name=name,
            error_x=_whisker(0, end - x),
            error_y=_whisker(y - s.low, s.high - y) | {"width": 3},
            hovertemplate=f"{name}<br>{y:.3f}<br>{cost.words(x, end)}<extra></extra>",
            **_dot(cell.encoder),
        )
    chart.update_xaxes(
        type="log",
        title={"text": cost.axis},
        minor={"showgrid": False},
        tickvals=TICKS,
        range=[math.log10(low), math.log10(high)],
    )
    chart.update_yaxes(title={"text": short(metric)}, range=[0, top])
    said = f"Quality against {cost.axis}; a dotted line joins encoders that none beats on both"
    with st.container(key="metrics_pareto_wide"):
        palette.draw(chart, f"metrics_pareto_{cost.less}", said)
    return best


def _name(chart: go.Figure, x: float, y: float, name: str, place: labels.Place) -> None:
    """A name at its place, with a thin line to its point where that is not beside it."""
    tone = palette.ink()
    chart.add_annotation(
        x=math.log10(x),
        y=y,
        text=escape(name),
        ax=place.right,
        ay=-place.up,
        xanchor=place.anchor,
        yanchor="middle",
        showarrow=True,
        arrowhead=0,
        arrowwidth=0.8,
        arrowcolor=tone["muted"] if place.joined else "rgba(0,0,0,0)",
        standoff=6,
        font={"color": tone["ink"], "size": 12},
    )


def _dot(encoder: str) -> dict:
    """The look of an encoder's dot."""
    return {
        "mode": "markers",
        "marker": {
            "color": palette.colour(encoder),
            "symbol": palette.symbol(encoder),
            "size": 11,
            "line": {"color": palette.ink()["ink"], "width": 1},
        },
    }


def _whisker(below: float, above: float) -> dict:
    """An error bar; its end has no cap where it is as long as nothing."""
    return {
        "array": [above],
        "arrayminus": [below],
        "thickness": 1,
        "width": 3 if above > 0 else 0,
        "color": palette.ink()["muted"],
    }
