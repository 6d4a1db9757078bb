"""Recall against time as a chart: a line for each way to build an index, a dot for each setting."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

import math
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape
from itertools import groupby

import plotly.graph_objects as go
import streamlit as st

from core.services.index_lab.curves import Point
from pages.parts import palette, press
from pages.parts.lab import state
from pages.parts.words import size

TICKS = [base * 10.0**power for power in range(-5, 5) for base in (1, 2, 5)]


def milliseconds(point: Point, time: str, batch: bool) -> float:
    """The time of a point: ``p50`` or ``p95``, of one query at a time or of a query in a batch."""
    return getattr(point, f"batch_{time}" if batch else time)


def settings(point: Point) -> str:
    """``efSearch=64``: what was set beside the defaults; the defaults where nothing was."""
    return point.text.partition(":")[2].replace(",", ", ") or "default"


def lines(points: Sequence[Point]) -> Iterator[tuple[str, int, list[Point]]]:
    """``(index, number, points)``: a line for each index, build and knob, others at default."""

    def build(point: Point) -> tuple:
        return point.index, *sorted(point.build.items())

    for (index, *_), group in groupby(sorted(points, key=build), key=build):
        own, drawn = list(group), set()
        for number, along in enumerate(_along(index, own)):
            drawn |= {point.text for point in along}
            yield index, number, along
        for point in own:
            if point.text not in drawn:
                yield index, 0, [point]


def _along(index: str, points: Sequence[Point]) -> list[list[Point]]:
    """The points along each search knob, by rising recall: 0, which leaves a value to the index,
    has its place among the others. A knob with one value alone is no line."""
    usual = {name: row["default"] for name, row in state.knob_rows(index).items()}
    found = []
    for knob in points[0].search:
        others = [name for name in points[0].search if name != knob]
        along = [
            point
            for point in points
            if all(point.search[name] == usual.get(name) for name in others)
        ]
        if len(along) > 1:
            found.append(
                sorted(along, key=lambda point: (point.recall, point.search[knob] or float("inf")))
            )
    return found


def draw(
    points: Sequence[Point], time: str, batch: bool, wanted: float, best: Point | None
) -> Point | None:
    """The chart; returns the point that was clicked."""
    chart, drawn = palette.figure(400), list(lines(points))
    _target(chart, wanted)
    _lines(chart, drawn, time, batch)
    if best is not None:
        _ring(chart, milliseconds(best, time, batch), best.recall)
    low, high, bottom, top = window(points, time, batch, wanted)
    chart.update_xaxes(
        type="log",
        range=[math.log10(low), math.log10(high)],
        tickvals=ticks(low, high),
        title={"text": across(time, batch)},
        minor={"showgrid": False},
    )
    chart.update_yaxes(range=[bottom, top], title={"text": f"recall@{points[0].k}"})
    said = st.plotly_chart(
        chart,
        theme=None,
        key="lab_chart",
        alt=alt(points, batch),
        config=palette.CONFIG,
        on_select="rerun",
        selection_mode="points",
    )
    return press.read(said, partial(_clicked, drawn))


def _target(chart: go.Figure, wanted: float) -> None:
    tone = palette.ink()
    chart.add_hline(y=wanted, line={"color": tone["muted"], "width": 1, "dash": "dot"})
    chart.add_annotation(
        x=1,
        xref="paper",
        y=wanted,
        yanchor="top",
        xanchor="right",
        showarrow=False,
        text=f"target: {wanted:g}",
        font={"color": tone["muted"], "size": 12},
    )


def _lines(
    chart: go.Figure, drawn: list[tuple[str, int, list[Point]]], time: str, batch: bool
) -> None:
    for index, number, group in drawn:
        hue = state.colour(index)
        chart.add_scatter(
            x=[milliseconds(point, time, batch) for point in group],
            y=[point.recall for point in group],
            mode="lines+markers",
            line={"color": hue, "dash": "dot" if number else state.dash(index), "width": 2},
            cliponaxis=False,
            marker={"size": 8, "symbol": state.symbol(index), "color": hue},
            name=state.title(index),
            text=[settings(point) for point in group],
            customdata=[hint(point) for point in group],
            hovertemplate="%{customdata}<extra></extra>",
        )


def _ring(chart: go.Figure, x: float, y: float) -> None:
    """Around the best setting. It comes after the lines, whose numbers a click is told by."""
    chart.add_scatter(
        x=[x],
        y=[y],
        mode="markers",
        meta="guide",
        hoverinfo="skip",
        cliponaxis=False,
        marker={
            "size": 18,
            "symbol": "circle-open",
            "color": palette.ink()["ink"],
            "line": {"width": 2},
        },
    )


def window(
    points: Sequence[Point], time: str, batch: bool, wanted: float
) -> tuple[float, float, float, float]:
    """What the axes show: milliseconds from and to, recall from and to."""
    values = [milliseconds(point, time, batch) for point in points]
    floor = min(min(point.recall for point in points), wanted)
    bottom = max(0.0, floor - 0.06 * (1.06 - floor))
    return min(values) / 1.6, max(values) * 1.6, bottom, 1 + 0.03 * (1.03 - bottom)


def across(time: str, batch: bool) -> str:
    return f"milliseconds per query, {'in batches' if batch else 'one at a time'}, {time}"


def alt(points: Sequence[Point], batch: bool) -> str:
    """The chart in words."""
    each = "a query in a batch" if batch else "one query"
    return (
        f"Recall at {points[0].k} against milliseconds of {each}: one line an index, one dot a"
        " setting"
    )


def _clicked(drawn: list[tuple[str, int, list[Point]]], said: dict) -> Point | None:
    """The setting whose dot was clicked; the ring around the best one is none. Of what is written
    by hand errors are raised."""
    for one in said["selection"]["points"]:
        line, place = one["curve_number"], one["point_index"]
        if line < len(drawn) and place < len(drawn[line][2]):
            return drawn[line][2][place]
    return None


def ticks(low: float, high: float) -> list[float]:
    """Round numbers; over many powers of ten only the powers, to stay apart on a phone."""
    inside = [tick for tick in TICKS if low <= tick <= high]
    if len(inside) <= 6:
        return inside
    return [tick for tick in inside if abs(math.log10(tick) % 1) < 1e-9]


def hint(point: Point) -> str:
    """All that is known of a point, for people who rest on it."""
    return (
        f"<b>{escape(point.title)}</b>  {escape(settings(point))}<br>"
        f"recall {point.recall:.3f}, 95 % of queries at least {point.worst:.2f}<br>"
        f"one query: p50 {ms(point.p50)}, p95 {ms(point.p95)}<br>"
        f"in a batch: p50 {ms(point.batch_p50)}<br>"
        f"{size(point.ram_bytes)} in memory, {size(point.disk_bytes)} on disk"
    )


def ms(value: float) -> str:
    """``0.021 ms``, ``3.4 ms``: three digits or so."""
    return (
        f"{value:.3f} ms"
        if value < 0.1
        else f"{value:.2f} ms"
        if value < 10
        else f"{value:,.0f} ms"
    )


def legend(points: Sequence[Point]) -> str:
    """Names with the colours and lines of their indexes."""
    names = dict.fromkeys(point.index for point in points)
    marks = [
        f'<span><i class="{state.dash(name)}" style="--c:{state.colour(name)}"></i>'
        f"{escape(state.title(name))}</span>"
        for name in names
    ]
    return f'<div class="ll-names">{"".join(marks)}</div>'
