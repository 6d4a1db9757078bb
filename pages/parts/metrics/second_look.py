"""What re-ranking and fusion are worth: the gain of each on every set, and where it hurts."""

import plotly.graph_objects as go
import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import cached_metrics, palette, presenting
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import short
from pages.parts.words import caption, heading, quiet, table

FULL = 0.15
"""A gain of so much is drawn in the full colour."""
LINE = " · "
"""Where a name breaks into two lines in the chart: a telephone is narrow."""
MEASURED = "mAP"
"""The metric of what came with the code where it holds no other."""


def show(shown: Choice, cells: list[Cell]) -> None:
    own = cached_metrics.gains(shown.report, shown.stamp, shown.metric)
    if own:
        _part(f"In this report, {short(shown.metric)}", own, "own")
        return
    came = cached_metrics.measured_gains()
    metric = shown.metric if any(row["metric"] == shown.metric for row in came) else MEASURED
    rows = [row for row in came if row["metric"] == metric]
    if not rows:
        quiet("This report has neither re-ranked nor fused searches.")
        return
    quiet(
        "This report has neither re-ranked nor fused searches. Below: what was measured on the sets"
        f" that came with the code, {short(metric)}."
    )
    _part(f"Measured, {short(metric)}", rows, "came")


def _part(title: str, rows: list[dict], key: str) -> None:
    ranked, fused = (
        [row for row in rows if bool(row["against"]) == joined] for joined in (False, True)
    )
    heading(title)
    if ranked:
        caption("Re-ranking: gain over the same search without")
        _chart(ranked, f"gains_{key}")
    if fused:
        caption("Fusion: gain over its best member")
        _chart(fused, f"fusions_{key}")
    quiet(
        "Small figures: paired 95 % intervals. Faint cells: the interval holds zero, no difference"
        " is shown."
    )
    _hurts(rows)


def name_of(row: dict) -> str:
    """A line of the chart: whose search, and what came after it."""
    by = row["title"] or row["way"]
    whose = palette.title(row["encoder"]).partition(",")[0]
    return by.replace(", ", LINE) if row["against"] else f"{by}{LINE}{whose}"


def _chart(rows: list[dict], key: str) -> None:
    sets = list(dict.fromkeys(_set(row) for row in rows))
    names = list(dict.fromkeys(map(name_of, rows)))
    cells = {(name_of(row), _set(row)): row for row in rows}
    lines = [[cells.get((name, where)) for where in sets] for name in names]
    tone, chart = palette.ink(), palette.figure(72 + 40 * len(names))
    chart.add_trace(
        go.Heatmap(
            z=[[_colour(cell) for cell in line] for line in lines],
            x=[where.replace(" / ", "<br>") for where in sets],
            y=[name.replace(LINE, "<br>") for name in names],
            xgap=1,
            ygap=1,
            zmin=-FULL,
            zmax=FULL,
            colorscale=[[0, tone["worse"]], [0.5, tone["panel"]], [1, tone["full"]]],
            showscale=False,
            textfont={"size": 12},
            text=[[figure(cell) for cell in line] for line in lines],
            texttemplate="%{text}",
            customdata=[[hint(cell) for cell in line] for line in lines],
            hovertemplate="%{y}, %{x}<br>%{customdata}<extra></extra>",
        )
    )
    chart.update_xaxes(showgrid=False, side="top", tickangle=0)
    chart.update_yaxes(showgrid=False, autorange="reversed", tickfont={"size": 11.5})
    palette.draw(chart, key, "Gain of each re-ranker or fusion on each set")


def _set(row: dict) -> str:
    return f"{row['dataset']} / {row['protocol']}"


def _colour(cell: dict | None) -> float | None:
    """The gain; a fifth of it where the interval holds zero."""
    if cell is None:
        return None
    return cell["gain"] * (0.2 if cell["verdict"] == "no difference" else 1.0)


def figure(cell: dict | None) -> str:
    """The gain, and its interval small below it."""
    if cell is None:
        return ""
    gain, *ends = (
        None if value is None else f"{round(value, 3) + 0.0:+.3f}"  # no -0.000
        for value in (cell["gain"], cell["low"], cell["high"])
    )
    span = "" if None in ends else " to ".join(ends)
    return f"{gain}<br><span style='font-size:{presenting.below()}px'>{span}</span>"


def hint(cell: dict | None) -> str:
    if cell is None:
        return "not measured"
    against = f" of {palette.title(cell['against'])}" if cell["against"] else ""
    return (
        f"{cell['before']:.3f}{against} becomes {cell['mean']:.3f}: {cell['verdict']}<br>"
        f"{cell['helped']} of {cell['queries']} queries gain, {cell['harmed']} lose"
    )


def _hurts(rows: list[dict]) -> None:
    """The classes that lose, most first."""
    lines = [
        {
            "Set": _set(row),
            "Search": name_of(row),
            "Classes, with their difference": ", ".join(
                f"{one['class']} {one['difference']:+.2f}" for one in row["hurt"]
            ),
        }
        for row in sorted(rows, key=lambda row: row["gain"])
        if row["hurt"]
    ]
    if lines:
        with st.expander("Largest losses by class"):
            table(lines)
