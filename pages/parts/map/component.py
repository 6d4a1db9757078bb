"""The maps as a component: what it is sent, piece by piece, and what it says back."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.services.maps import page as map_page
from pages.parts.components import WEB, _nothing

SENT = "map_pieces_sent"
SIZE = "map_message_bytes"
LARGE = 600
MOST = 80
EVENTS = ("selected", "picked", "opened", "morphed", "hovered", "needed")
_script, _style = map_page.engine()
_maps = st.components.v2.component(
    "lookalike_maps",
    css=_style,
    js=f"{_script}\n{Path(WEB, 'map_adapter.js').read_text(encoding='utf-8')}",
)


def draw(
    view: dict, key: str, obey: Callable[[dict], None], look: Callable[[dict], dict] | None = None
) -> None:
    """Draw maps. ``obey`` is given what a person did: ``selected``, ``picked``, ``opened``,
    ``morphed``, where not None.

    Long texts (places, colours, pictures) go once in a session and are then known by their key; the
    sheets of small pictures go when the maps are drawn and the browser asks for them, and so does
    what a browser has lost. ``look`` answers where the pointer rests on a map of very many dots
    (``map``, ``x``, ``y``, ``reach``); only the maps then run, not the page.
    """
    pieces: dict[str, str] = {}
    slim = _slim(view, pieces)
    st.fragment(_draw)(slim, pieces, key, obey, look)


def _draw(
    slim: dict, pieces: dict[str, str], key: str, obey: Callable, look: Callable | None
) -> None:
    said = st.session_state.get(key, {})
    new, under = _unsent(slim, pieces, said.get("needed")), said.get("hovered")
    data = {"view": slim, "pieces": new, "under": look(under) if look and under else None}
    result = _maps(key=key, data=data, **{f"on_{name}_change": _nothing for name in EVENTS})
    st.session_state[SIZE] = sum(map(len, new.values())) + len(str(slim))
    done = {
        name: result[name]
        for name in ("selected", "picked", "opened", "morphed")
        if result[name] is not None
    }
    if done:
        obey(done)


def _unsent(slim: dict, pieces: dict[str, str], asked: str | None) -> dict[str, str]:
    """What the browser lacks, noted as sent: no sheets before it asks for one; everything where it
    has lost something."""
    sent, late = st.session_state.setdefault(SENT, {}), set((slim["atlas"] or {}).get("sheets", ()))
    if asked in sent:
        sent.clear()
    new = {
        name: text
        for name, text in pieces.items()
        if name not in sent and (asked or name not in late)
    }
    sent.update(dict.fromkeys(new))
    while len(sent) > MOST:
        sent.pop(next(iter(sent)))
    return new


def _slim(value, pieces: dict[str, str]):
    """``value`` with every long text replaced by its key."""
    if isinstance(value, str) and len(value) > LARGE:
        name = "@" + hashlib.blake2b(value.encode(), digest_size=10).hexdigest()
        pieces[name] = value
        return name
    if isinstance(value, dict):
        return {key: _slim(one, pieces) for key, one in value.items()}
    return [_slim(one, pieces) for one in value] if isinstance(value, list | tuple) else value
