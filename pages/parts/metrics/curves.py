"""Precision and recall as the list grows longer, and precision against recall."""

from __future__ import annotations  # plotly's figures are imported when one is drawn

from dataclasses import replace
from html import escape

import plotly.graph_objects as go
import streamlit as st

from core.services.evaluation.cells import Cell
from pages.parts import palette
from pages.parts.metrics import evaluation
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import name_of
from pages.parts.words import caption, note, quiet

CHARTS = (
    ("precision@K", "P@K", "K, length of the list", "share of the top K that is relevant"),
    (
        "recall@K",
        "recall@K (information retrieval)",
        "K, length of the list",
        "share of all relevant that is in the top K",
    ),
    (
        "hit@K",
        "hit@K (Recall@K of metric learning)",
        "K, length of the list",
        "share of queries with a hit in the top K",
    ),
    ("precision_at_recall", "Precision-recall curve", "recall", "interpolated precision"),
)


def show(choice: Choice, cells: list[Cell]) -> None:
    """Four charts on the same colours: means over the board's queries, or those of one class."""
    whole_board = [cell for cell in cells if cell.curves]
    drawn = [cell for cell in _of_class(whole_board, choice.group) if cell.curves]
    if whole_board and not drawn:
        note(
            f"This report keeps no curves of {choice.group} alone.",
            "These are over all classes. Evaluate again to get them.",
        )
        evaluation.offer(choice, cells)
        drawn = whole_board
    if not drawn:
        note(
            "There are no curves.",
            "None of the queries has anything relevant in the gallery, so nothing is right or"
            " wrong.",
        )
        return
    st.html(legend(drawn))
    for row in (CHARTS[:2], CHARTS[2:]):
        for column, (curve, title, across, up) in zip(
            st.columns(2, gap="medium"), row, strict=True
        ):
            whole = [cell for cell in drawn if curve in cell.curves]
            with column:
                caption(title)
                if whole:
                    _chart(whole, curve, across, up, title)
                    quiet(_reading(whole, curve))
                else:
                    quiet(
                        "Approximate indexes answer with a short list, which has no precision at"
                        " every recall."
                    )


def _of_class(cells: list[Cell], group: str | None) -> list[Cell]:
    return (
        cells if group is None else [replace(cell, curves=cell.curves_of(group)) for cell in cells]
    )


def _chart(cells: list[Cell], curve: str, across: str, up: str, title: str) -> None:
    chart, many = palette.figure(280), len(next(cell.curves[curve] for cell in cells))
    recall = curve == "precision_at_recall"
    x = [i / (many - 1) for i in range(many)] if recall else list(range(1, many + 1))
    lines(chart, cells, curve, x)
    ticks = {} if recall else {"type": "log", "tickvals": [1, 2, 5, 10, 20, 50, 100]}
    chart.update_xaxes(title={"text": across}, **ticks)
    chart.update_yaxes(title={"text": up}, rangemode="tozero")
    palette.draw(chart, f"metrics_{curve}", f"{title}, one line an encoder")


def _reading(cells: list[Cell], curve: str) -> str:
    at = {"precision@K": 9, "recall@K": 99, "hit@K": 0, "precision_at_recall": 50}[curve]
    best = max(cells, key=lambda cell: cell.curves[curve][at])
    name, value = name_of(best.encoder, best.index), best.curves[curve][at]
    return {
        "precision@K": (
            f"Of the first ten hits of {name}, {10 * value:.1f} are relevant, the most of all."
        ),
        "recall@K": f"{name} finds {value:.0%} of all relevant pictures among its first 100.",
        "hit@K": f"{name} puts a relevant picture first in {value:.0%} of queries.",
        "precision_at_recall": f"At a recall of 50 %, the precision of {name} is {value:.0%}.",
    }[curve]


def legend(cells: list[Cell]) -> str:
    """Names with their colours, where labels do not fit."""
    parts = dict.fromkeys((cell.encoder, cell.index) for cell in cells)
    marks = [
        f'<span><i class="{palette.dash(e)}" style="--c:{palette.colour(e)}"></i>'
        f"{escape(name_of(e, i))}</span>"
        for e, i in parts
    ]
    return f'<div class="ll-names">{"".join(marks)}</div>'


def lines(chart: go.Figure, cells: list[Cell], curve: str, x: list[float]) -> None:
    """One line an encoder, with its name on hover."""
    indexes = list(dict.fromkeys(cell.index for cell in cells))
    for cell in cells:
        dash = palette.dash(cell.encoder, indexes.index(cell.index))
        chart.add_scatter(
            x=x,
            y=cell.curves[curve],
            mode="lines",
            name=name_of(cell.encoder, cell.index),
            line={"color": palette.colour(cell.encoder), "dash": dash, "width": 2},
            hovertemplate=(
                f"{name_of(cell.encoder, cell.index)}<br>%{{x}}: %{{y:.3f}}<extra></extra>"
            ),
        )
