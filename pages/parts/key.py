"""How to read the board, in one line under it."""

from collections.abc import Collection

import streamlit as st

from core.services.search.compare import decode_ms
from core.services.search.result import SearchResult
from pages.parts.columns import milliseconds

EDGES = {
    "same": "<span><i></i>✓ same</span>",
    "category": '<span><i class="near"></i>~ same category</span>',
    "other": '<span><i class="none"></i>✕ other</span>',
}
LETTERS = "<span><b><span>A</span></b>shared hit</span>"


UNKNOWN = (
    "<span>This query has no label, so right and wrong are not known: judge by eye, and open a"
    " picture to see why it was found.</span>"
)
LEFT_OUT = "<span>The query, chosen from this gallery, is left out of its own answer</span>"
ASKED_WITH = "<span>Pictures of the query are left out of the answers</span>"
BARS = (
    "<span>Bars: how close for this encoder, from random pairs (empty) to true neighbours (full);"
    " the notch is where true neighbours usually lie. Scores of different encoders can\u2019t be"
    " compared.</span>"
)


def under_board(answers: Collection[SearchResult]) -> None:
    """Edges where something is known, letters where several columns may share a picture."""
    if not answers:
        return
    seen = {hit.verdict for answer in answers for hit in answer.hits}
    edges = "".join(words for verdict, words in EDGES.items() if verdict in seen) or UNKNOWN
    left_out = LEFT_OUT if any(answer.left_out is not None for answer in answers) else ""
    if any(answer.examples for answer in answers):
        left_out = ASKED_WITH
    st.html(
        f'<div class="ll-key">{edges}{LETTERS if len(answers) > 1 else ""}'
        f"{left_out}{BARS}{times(answers)}</div>"
    )


def times(answers: Collection[SearchResult]) -> str:
    """How the columns' times were taken, and the one they share: decoding the picture."""
    runs = {answer.runs for answer in answers}
    medians = f"Times: median of {max(runs)} runs{' unless marked' if 1 in runs else ''}"
    decoded = " + ".join(milliseconds(spent) for spent in decode_ms(list(answers)))
    shared = f"Picture decoded once for all: {decoded} (first run)" if decoded else ""
    return "".join(
        f"<span>{words}</span>"
        for words in ("Times: first run" if runs == {1} else medians, shared)
        if words
    )
