"""What an encoder thinks "similar" means: what its nearest pictures share beyond chance."""

import math

import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import palette, presenting
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.evaluation import studied
from pages.parts.metrics.views import encoders_of
from pages.parts.words import caption, quiet


def show(shown: Choice, cells: list[Cell]) -> None:
    known = studied("probes", shown, cells)
    if not known:
        return
    caption(
        "How many times more often than by chance the ten nearest pictures share this with the"
        " query"
    )
    encoders = encoders_of(cells, known)
    lifts = {encoder: {row["factor"]: row for row in known[encoder]} for encoder in encoders}
    factors = sorted(
        {f for rows in lifts.values() for f in rows},
        key=lambda f: -max(r[f]["lift"] for r in lifts.values() if f in r),
    )
    _chart(encoders, factors, lifts)
    with st.container(gap="small"):
        for encoder in encoders:
            quiet(reading(encoder, lifts[encoder]))
    quiet(
        "Small figures: 95 % intervals over objects. 1 is chance. Pictures of the query's own"
        " object are left out, except for the factor instance."
    )


def _chart(encoders: list[str], factors: list[str], lifts: dict[str, dict[str, dict]]) -> None:
    tone, chart = palette.ink(), palette.figure(110 + 38 * len(encoders))
    rows = [[lifts[encoder].get(factor) for factor in factors] for encoder in encoders]
    chart.add_heatmap(
        z=[
            [math.log2(max(cell["lift"], 0.25)) if cell else None for cell in line] for line in rows
        ],
        x=[spoken(factor) for factor in factors],
        y=[palette.title(encoder) for encoder in encoders],
        xgap=1,
        ygap=1,
        zmin=0,
        zmax=4,
        colorscale=[[0, tone["panel"]], [1, tone["full"]]],
        showscale=False,
        textfont={"size": 12},
        text=[[_figure(cell) for cell in line] for line in rows],
        texttemplate="%{text}",
        customdata=[[_hint(cell) for cell in line] for line in rows],
        hovertemplate="%{y}, %{x}<br>%{customdata}<extra></extra>",
    )
    chart.update_xaxes(showgrid=False, side="top", tickangle=-35 if len(factors) > 6 else 0)
    chart.update_yaxes(showgrid=False, autorange="reversed")
    palette.draw(chart, "metrics_lift", "Lift over chance for each encoder and factor")


def spoken(factor: str) -> str:
    """A column's name as words: ``lens_mm`` -> ``lens mm``."""
    return factor.replace("_", " ")


def _figure(cell: dict | None) -> str:
    """The lift, and its interval small below it."""
    if cell is None:
        return ""
    digits = 0 if cell["high"] >= 9.95 else 1
    span = f"{cell['low']:.{digits}f}–{cell['high']:.{digits}f}"
    lift = f"{cell['lift']:.{0 if cell['lift'] >= 99.5 else 1}f}"
    return f"{lift}×<br><span style='font-size:{presenting.below()}px'>{span}</span>"


def _hint(cell: dict | None) -> str:
    if cell is None:
        return "not asked"
    return (
        f"{cell['lift']:.2f} times chance ({cell['low']:.2f} to {cell['high']:.2f})<br>"
        f"{cell['observed']:.1%} of neighbours share it, {cell['expected']:.1%} would by chance"
    )


def reading(encoder: str, rows: dict[str, dict]) -> str:
    """The factors that an encoder goes by, strongest first, and those that it ignores."""
    kinds = {
        name: row for name, row in rows.items() if name not in ("instance", "category", "label")
    }
    sure = sorted(
        (row for row in kinds.values() if row["low"] > 1.1), key=lambda row: -row["lift"]
    )[:3]
    blind = [spoken(row["factor"]) for row in kinds.values() if row["low"] <= 1 <= row["high"]]
    said = palette.title(encoder)
    strongest = ", ".join(
        f"{spoken(row['factor'])} ({row['lift']:.1f}×, {row['low']:.2f} to {row['high']:.2f})"
        for row in sure
    )
    said += f" goes by {strongest}" if sure else " goes by none of these"
    return said + (f"; blind to {', '.join(blind)}." if blind else ".")
