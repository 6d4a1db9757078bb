"""Every pair of encoders: which differences are significant."""

from html import escape

import streamlit as st

from core.metrics.statistics import LEVEL
from core.services.evaluation.leaderboard import Leaderboard
from pages.parts.metrics.naming import name_of, short
from pages.parts.words import quiet


def show(board: Leaderboard) -> None:
    """A triangle of adjusted p-values, best encoder first; what can't be told apart carries a sign,
    not only less colour."""
    count = len(board.standings)
    if count < 2:
        return
    with st.expander("Which differences are significant: every pair"):
        st.html(_html(board))
        quiet(
            "p of the paired permutation test on the same queries, by Holm's correction over all"
            f" {count * (count - 1) // 2} pairs. ≈ marks two encoders that can't be told apart (p"
            f" {1 - LEVEL:.2f} or more). The hint of a cell says the difference."
        )


def _html(board: Leaderboard) -> str:
    names = [name_of(s.encoder, s.index) for s in board.standings]
    head = "".join(
        f'<th scope="col" title="{escape(name, quote=True)}">{at}</th>'
        for at, name in enumerate(names[1:], start=2)
    )
    rows = "".join(_row(board, names, at) for at in range(len(names) - 1))
    table = f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div class="ll-scroll"><table class="ll-matrix ll-pairs">{table}</table></div>'


def _row(board: Leaderboard, names: list[str], at: int) -> str:
    cells = ["<td></td>"] * at + [
        _cell(board, names, at, other) for other in range(at + 1, len(names))
    ]
    name = escape(names[at], quote=True)
    return f'<tr><th scope="row" title="{name}">{at + 1} {name}</th>{"".join(cells)}</tr>'


def _cell(board: Leaderboard, names: list[str], one: int, other: int) -> str:
    p, ahead = (
        float(board.adjusted[one, other]),
        board.standings[one].mean - board.standings[other].mean,
    )
    sure = p < 1 - LEVEL
    shown = "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0") if p < 1 else "1"
    said = (
        f"{names[one]} and {names[other]}: {short(board.metric)} differs by {ahead:.3f}, p {shown}"
    )
    said += "" if sure else ": not significant"
    value, text = (0.9, escape(shown)) if sure else (0, f"≈ {escape(shown)}")
    return f'<td style="--v:{value}" title="{escape(said, quote=True)}">{text}</td>'
