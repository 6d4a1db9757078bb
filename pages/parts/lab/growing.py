"""The chart of recall against time while a measurement runs: drawn again every second, in the same
place, without a flicker.

Streamlit takes a Plotly chart with another dot for another chart and makes it anew, which leaves
the place empty for a moment; this component is one and the same all along. Its dots can't be
clicked: they still move.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from core.services.index_lab.curves import Point
from pages.parts.lab import chart, hues

WEB = Path(__file__).parent.parent / "web"
HEIGHT = 400
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_growing = st.components.v2.component(
    "lookalike_growing",
    css=(WEB / "growing.css").read_text("utf-8"),
    js=(WEB / "growing.js").read_text("utf-8"),
)


def draw(
    points: Sequence[Point], time: str, batch: bool, wanted: float, best: Point | None
) -> None:
    """As :func:`pages.parts.lab.chart.draw`."""
    low, high, bottom, top = chart.window(points, time, batch, wanted)

    def across(milliseconds: float) -> float:
        return round(100 * math.log(milliseconds / low) / math.log(high / low), 2)

    def up(recall: float) -> float:
        return round(100 * (recall - bottom) / (top - bottom), 2)

    def place(point: Point) -> list[float]:
        return [across(chart.milliseconds(point, time, batch)), up(point.recall)]

    lines = [
        {
            "colour": hues.colour(index),
            "dashed": bool(number) or hues.dash(index) != "solid",
            "dots": [[*place(point), f"{point.title} {chart.settings(point)}"] for point in group],
        }
        for index, number, group in chart.lines(points)
    ]
    data = {
        "height": HEIGHT,
        "alt": chart.alt(points, batch),
        "lines": lines,
        "best": place(best) if best else None,
        "wanted": [up(wanted), f"target: {wanted:g}"],
        "across": chart.across(time, batch),
        "up": f"recall@{points[0].k}",
        "columns": [[across(tick), f"{tick:g}"] for tick in chart.ticks(low, high)],
        "rows": [[up(tick), f"{tick:g}"] for tick in _rows(bottom)],
    }
    _growing(key="lab_growing", data=data)


def _rows(bottom: float) -> list[float]:
    """Round shares from the bottom up to 1, at most eight or so."""
    step = next((one for one in STEPS if (1 - bottom) / one <= 8), STEPS[-1])
    first = math.ceil(round(bottom / step, 6))
    return [round(place * step, 4) for place in range(first, round(1 / step) + 1)]
