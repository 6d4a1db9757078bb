"""Two unnamed lists side by side, as HTML that a phone draws at once."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.services.arena.ballots import Round
from pages.parts import cached, palette
from pages.parts.words import quiet, saveable

SIDE, QUERY_SIDE = 176, 320
NAMES = {"left": "A", "right": "B"}


def show(locator: str, one: Round, *, revealed: bool = False) -> None:
    """The query over (phone) or beside its two lists; with names and right hits once revealed."""
    sides = (("left", one.one, one.one_hits), ("right", one.other, one.other_hits))
    columns = "".join(_side(locator, *side, revealed) for side in sides)
    query = picture(locator, one.query, QUERY_SIDE, "the query")
    asked = f'<figure class="ar-query">{query}<figcaption>Query</figcaption></figure>'
    kept = saveable(f"Round {one.number}")
    st.html(f'<div class="ar-round"{kept}>{asked}{columns}</div>')
    if revealed and any(right for _, _, hits in sides for _, right in hits):
        quiet("Solid edge: relevant to the query.")


def _side(
    locator: str, side: str, encoder: str, hits: Sequence[tuple[str, bool | None]], revealed: bool
) -> str:
    name = f"<b>{NAMES[side]}</b>"
    if revealed:
        name += f" <span>{palette.mark_html(encoder)}{escape(palette.title(encoder))}</span>"
    drawn = "".join(
        f'<div class="{"right" if revealed and right else ""}">'
        f"{picture(locator, id, SIDE, _alt(place, right, revealed))}</div>"
        for place, (id, right) in enumerate(hits, start=1)
    )
    return f'<section><h3>{name}</h3><div class="ar-hits">{drawn}</div></section>'


def _alt(place: int, right: bool | None, revealed: bool) -> str:
    told = {True: ", right", False: ", other", None: ""}[right] if revealed else ""
    return f"hit {place}{told}"


def picture(locator: str, id: str, side: int, alt: str) -> str:
    uri = cached.thumbnail(locator, cached.version(locator), id, side)
    return f'<img src="{uri}" alt="{escape(alt)}">'
