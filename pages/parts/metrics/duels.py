"""Rows of pictures: a query, and what two encoders found for it, side by side; a click opens it in Compare."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services.first_hits import Beginning
from pages.parts import cached, gallery, palette
from pages.parts.components import WEB, _nothing
from pages.parts.guard import guarded

HITS = 5
_duels = st.components.v2.component(
    "lookalike_duels", css=(WEB / "duels.css").read_text("utf-8"), js=(WEB / "duels.js").read_text("utf-8")
)


def show(
    locator: str, protocol: str, encoders: Sequence[str], rows: Sequence[tuple[str, float, Sequence[float]]], key: str
) -> str | None:
    """Draw ``rows`` of (query id, difference, the score by each encoder); returns the id of the query clicked."""
    version, ids = cached.version(locator), tuple(id for id, _, _ in rows)
    lists = [_lists(locator, version, name, protocol, ids) for name in encoders]
    shown = {id for found in lists if not isinstance(found, str) for begun in found.values() for id, _ in begun.hits}
    data = {
        "sides": [{"title": palette.title(name), "colour": palette.colour(name)} for name in encoders],
        "rows": [_row(locator, one, lists, encoders) for one in rows],
        "pictures": {id: cached.thumbnail(locator, version, id, 112) for id in sorted({*ids, *shown})},
        "places": HITS,
    }
    return _duels(key=key, data=data, on_picked_change=_nothing).picked


def _lists(locator: str, version: str, encoder: str, protocol: str, ids: tuple[str, ...]) -> dict[str, Beginning] | str:
    """What an encoder found, or why that can't be shown."""
    if not cached.built(locator, version, encoder):
        return "Its hits can be shown once it is built for this data set, on the Library page."
    try:
        return guarded(lambda: cached.first_hits(locator, version, encoder, protocol, ids, HITS), f"The hits of {encoder}")
    except UserError as error:
        return str(error)


def _row(locator: str, row: tuple, lists: list, encoders: Sequence[str]) -> dict:
    id, difference, scores = row
    name = gallery.name_of(cached.dataset(locator), id)
    said = ", ".join(f"{palette.title(one)} {score:.2f}" for one, score in zip(encoders, scores, strict=True))
    sides = [_side(found, id, score) for found, score in zip(lists, scores, strict=True)]
    label = f"Open {name} in Compare. {said}."
    return {"id": id, "name": name, "difference": f"{abs(difference):.2f}", "label": label, "sides": sides}


def _side(found: dict[str, Beginning] | str, id: str, score: float) -> dict:
    begun = None if isinstance(found, str) else found.get(id)
    if begun is None:
        return {"score": f"{score:.2f}", "why": found if isinstance(found, str) else "Its hits are not here.", "hits": []}
    late = begun.first is not None and not any(right for _, right in begun.hits)
    note = f"first right one at rank {begun.first:,}" if late else ""
    hits = [{"id": hit, "right": right} for hit, right in begun.hits]
    return {"score": f"{score:.2f}", "why": "", "hits": hits, "note": note}
