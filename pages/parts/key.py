"""How to read the board, in one line under it."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from core.services.search import Answer

EDGES = {
    "same": "<span><i></i>✓ same</span>",
    "category": '<span><i class="near"></i>~ same category</span>',
    "other": '<span><i class="none"></i>✕ other</span>',
}
LETTERS = "<span><b><span>A</span></b>found by several</span><span><u></u>found by one</span>"


UNKNOWN = "<span>This query has no label, so right and wrong are not known.</span>"
BARS = "<span>Bars: score, longer is more similar</span>"


def under_board(answers: Collection[Answer]) -> None:
    """Edges where something is known, letters where there are several columns to share a picture."""
    if not answers:
        return
    seen = {hit.verdict for answer in answers for hit in answer.hits}
    edges = "".join(words for verdict, words in EDGES.items() if verdict in seen) or UNKNOWN
    st.html(f'<div class="ll-key">{edges}{LETTERS if len(answers) > 1 else ""}{BARS}</div>')
