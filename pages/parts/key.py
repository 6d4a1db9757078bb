"""How to read the board, in one line under it."""

from __future__ import annotations

import streamlit as st

EDGES = (
    '<span><i></i>✓ same</span><span><i class="near"></i>~ same category</span><span><i class="none"></i>✕ other</span>'
)
LETTERS = "<span><b><span>A</span></b>found by several</span><span><u></u>found by one</span>"


def under_board(columns: int) -> None:
    """Edges, and letters where there are several columns to share a picture."""
    st.html(f'<div class="ll-key">{EDGES}{LETTERS if columns > 1 else ""}<span>Bars: score, longer is more similar</span></div>')
