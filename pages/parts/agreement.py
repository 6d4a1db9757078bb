"""The agreement matrix: how far the encoders found the same pictures."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.services.search.compare import Agreement
from pages.parts.url_state import Param, choice
from pages.parts.words import caption, quiet

MEASURE = "keep_measure"
MEASURES = ("Overlap", "Rank-biased")
PARAM = Param("agreement", MEASURE, choice(*MEASURES), MEASURES[0])


def show(agreement: Agreement, titles: Sequence[str], marks: Sequence[str]) -> None:
    """Overlap@K, rank-biased overlap on request, and a sentence; ``marks``: encoders', as HTML."""
    caption("Agreement", level=2)
    st.session_state.setdefault(MEASURE, MEASURES[0])
    measure = st.segmented_control(
        "Measure", MEASURES, key=MEASURE, required=True, label_visibility="collapsed"
    )
    ranked = measure == MEASURES[1]
    st.html(table(agreement.rbo if ranked else agreement.overlap, titles, marks))
    quiet(_explain(ranked, agreement.k) + " " + reading(agreement, titles))


def empty() -> None:
    """What stands here while fewer than two encoders have answered."""
    caption("Agreement", level=2)
    quiet("With two or more answers, this table shows how many hits they share.")


def table(values: Sequence[Sequence[float]], titles: Sequence[str], marks: Sequence[str]) -> str:
    """The matrix as a table: names in the rows, their marks over the columns, shaded."""
    head = "".join(
        f'<th scope="col" title="{escape(t)}">{mark}<span class="ll-unseen">{escape(t)}</span></th>'
        for t, mark in zip(titles, marks, strict=True)
    )
    rows = []
    for i, (title, mark) in enumerate(zip(titles, marks, strict=True)):
        cells = "".join(
            (
                '<td class="self">·</td>'
                if i == j
                else f'<td style="--v:{values[i][j]:.2f}">{_figure(values[i][j])}</td>'
            )
            for j in range(len(titles))
        )
        rows.append(
            f'<tr><th scope="row" title="{escape(title)}">{mark}<span>{escape(title)}</span></th>'
            f"{cells}</tr>"
        )
    return (
        f'<table class="ll-matrix"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def reading(agreement: Agreement, titles: Sequence[str]) -> str:
    """Which two agree most, in words."""
    pairs = [(agreement.overlap[i][j], i, j) for i in range(len(titles)) for j in range(i)]
    if not pairs:
        return ""
    best, i, j = max(pairs)
    if best == 0:
        return "No two encoders share a hit."
    shared = round(best * agreement.k)
    return f"{titles[j]} and {titles[i]} agree most: {shared} of {agreement.k} hits shared."


def _explain(ranked: bool, k: int) -> str:
    if ranked:
        return "Rank-biased overlap (p = 0.9): shared hits count more the higher they rank."
    return f"Overlap@{k}: the share of the top {k} that two encoders share."


def _figure(value: float) -> str:
    return f"{value:.2f}".lstrip("0") if value < 1 else "1.0"
