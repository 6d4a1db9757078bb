"""Rows of pictures: a query, and what one encoder or two found for it; a click opens it in
Compare."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services.evaluation.first_hits import Beginning
from core.services.evaluation.fused import members_of
from pages.parts import cached, cached_metrics, gallery, palette
from pages.parts.components import WEB, _nothing
from pages.parts.guard import guarded

HITS = 5
_duels = st.components.v2.component(
    "lookalike_duels",
    css=(WEB / "duels.css").read_text("utf-8"),
    js=(WEB / "mark.js").read_text("utf-8") + (WEB / "duels.js").read_text("utf-8"),
)


def found_by(
    locator: str, protocol: str, encoders: Sequence[str], ids: Sequence[str], k: int = HITS
) -> list[dict[str, Beginning] | str]:
    """The first ``k`` that each encoder found for some queries, or why that can't be shown."""
    version = cached.version(locator)
    return [_found(locator, version, name, protocol, tuple(ids), k) for name in encoders]


def _found(
    locator: str, version: str, encoder: str, protocol: str, ids: tuple[str, ...], k: int
) -> dict[str, Beginning] | str:
    if not all(cached.built(locator, version, one) for one in members_of(encoder) or (encoder,)):
        return "Its hits can be shown once it is built for this data set, on the Library page."
    try:
        return guarded(
            lambda: cached_metrics.first_hits(locator, version, encoder, protocol, ids, k),
            f"The hits of {encoder}",
        )
    except UserError as error:
        return str(error)


def show(
    locator: str,
    encoders: Sequence[str],
    lists: Sequence[dict[str, Beginning] | str],
    rows: Sequence[tuple[str, str, Sequence[float]]],
    key: str,
    places: int = HITS,
) -> str | None:
    """Draw ``rows`` of (query id, words under its name, the score by each encoder) with what
    :func:`found_by` gave; returns the id of the query clicked."""
    version, ids = cached.version(locator), [id for id, _, _ in rows]
    begun = [
        found[id] for found in lists if not isinstance(found, str) for id in ids if id in found
    ]
    shown = {*ids, *(hit for one in begun for hit, _ in one.hits)}
    data = {
        "sides": [{"title": palette.title(name), "mark": palette.mark(name)} for name in encoders],
        "rows": [_row(locator, one, lists, encoders) for one in rows],
        "pictures": {id: cached.thumbnail(locator, version, id, 112) for id in sorted(shown)},
        "places": places,
    }
    return _duels(key=key, data=data, on_picked_change=_nothing).picked


def _row(locator: str, row: tuple, lists: Sequence, encoders: Sequence[str]) -> dict:
    id, words, scores = row
    name = gallery.name_of(cached.dataset(locator), id)
    said = ", ".join(
        f"{palette.title(one)} {score:.2f}" for one, score in zip(encoders, scores, strict=True)
    )
    sides = [_side(found, id, score) for found, score in zip(lists, scores, strict=True)]
    label = f"Open {name} in Compare. {said}."
    return {"id": id, "name": name, "words": words, "label": label, "sides": sides}


def _side(found: dict[str, Beginning] | str, id: str, score: float) -> dict:
    begun = None if isinstance(found, str) else found.get(id)
    if begun is None:
        return {
            "score": f"{score:.2f}",
            "why": found if isinstance(found, str) else "Its hits are not here.",
            "hits": [],
        }
    late = begun.first is not None and not any(right for _, right in begun.hits)
    note = f"first relevant hit at rank {begun.first:,}" if late else ""
    hits = [{"id": hit, "right": right} for hit, right in begun.hits]
    return {"score": f"{score:.2f}", "why": "", "hits": hits, "note": note}
