"""Which classes are hard for which encoder: a shade for each mean, light to dark."""

from html import escape

import numpy as np
import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import cached_metrics, palette
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import name_of, short
from pages.parts.words import caption, note, quiet

ACROSS_UP_TO = 24
"""More classes stand below each other, one line each, so that every name and figure can be read."""


def show(choice: Choice, cells: list[Cell]) -> None:
    names, means, sizes = cached_metrics.class_table(choice.key, choice.metric)
    if len(names) < 2:
        note(
            "There is only one class.",
            "A heat map compares classes: this data set names no more than one.",
        )
        return
    order = sorted(range(len(names)), key=lambda i: float(means[i].mean()))
    classes = [names[i] for i in order]
    encoders = [name_of(cell.encoder, cell.index) for cell in cells]
    few = len(names) <= ACROSS_UP_TO
    caption(f"{short(choice.metric)} by class, the hardest {'at the left' if few else 'first'}")
    (_chart if few else _list)(short(choice.metric), classes, encoders, means[order], sizes[order])
    quiet(_reading(names, means, encoders, order))


def _chart(
    label: str, classes: list[str], encoders: list[str], means: np.ndarray, sizes: np.ndarray
) -> None:
    """Classes across, encoders down."""
    tone, chart = palette.ink(), palette.figure(120 + 28 * len(encoders))
    chart.add_heatmap(
        z=means.T.tolist(),
        x=classes,
        y=encoders,
        xgap=1,
        ygap=1,
        zmin=0,
        zmax=float(means.max()) or 1,
        colorscale=[[0, tone["panel"]], [1, tone["full"]]],
        customdata=[sizes.tolist()] * len(encoders),
        hovertemplate="%{y}<br>%{x}: %{z:.3f}<br>%{customdata} queries<extra></extra>",
        texttemplate="%{z:.2f}",
        textfont={"size": 11.5},
        colorbar={
            "thickness": 8,
            "outlinewidth": 0,
            "tickfont": {"color": tone["muted"]},
            "nticks": 4,
        },
    )
    chart.update_xaxes(showgrid=False, tickangle=-45 if len(classes) > 6 else 0)
    chart.update_yaxes(showgrid=False, autorange="reversed")
    palette.draw(chart, "metrics_classes", f"{label} of each encoder in each class")


def _list(
    label: str, classes: list[str], encoders: list[str], means: np.ndarray, sizes: np.ndarray
) -> None:
    """Classes down, encoders across; names and heads stay in sight while the list is scrolled."""
    top = float(means.max()) or 1.0
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in encoders)
    rows = "".join(
        _line(*row, top) for row in zip(classes, sizes.tolist(), means.tolist(), strict=True)
    )
    said = f"{escape(label, quote=True)} of each encoder in each class"
    heads = f"<thead><tr><th>{len(classes):,} classes</th>{head}</tr></thead>"
    table = f'<table class="ll-matrix">{heads}<tbody>{rows}</tbody></table>'
    st.html(f'<div class="ll-heat" tabindex="0" role="region" aria-label="{said}">{table}</div>')


def _line(name: str, size: int, values: list[float], top: float) -> str:
    cells = "".join(f'<td style="--v:{value / top:.2f}">{value:.2f}</td>' for value in values)
    said = escape(name, quote=True)
    return (
        f'<tr><th scope="row" title="{said}: {size:,} queries" dir="auto">{said}</th>{cells}</tr>'
    )


def _reading(names: list[str], means: np.ndarray, encoders: list[str], order: list[int]) -> str:
    hard, easy = names[order[0]], names[order[-1]]
    winners = means.argmax(axis=1)
    counts = sorted(
        ((int((winners == e).sum()), name) for e, name in enumerate(encoders)), reverse=True
    )
    return (
        f"Lowest mean: {hard}; highest: {easy}. {counts[0][1]} is best in {counts[0][0]}"
        f" of {len(names)} classes."
    )
