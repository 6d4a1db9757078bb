"""The maps as a component: what it is sent, piece by piece, and what it says back."""

from __future__ import annotations

import hashlib
from pathlib import Path

import streamlit as st

from core.services import map_data
from pages.parts.components import WEB, _nothing

SENT = "map_pieces_sent"
SIZE = "map_message_bytes"
LARGE = 600
MOST = 80
_script, _style = map_data.engine()
_maps = st.components.v2.component(
    "lookalike_maps", css=_style, js=f"{_script}\n{Path(WEB, 'map_adapter.js').read_text(encoding='utf-8')}"
)


def draw(view: dict, key: str) -> dict:
    """Draw maps; returns what happened in this run: ``selected``, ``picked``, ``morphed``, each None or a dict or number.

    Long texts (places, colours, pictures) go once in a session and are then known by their key; a browser that has lost
    one asks for it.
    """
    pieces: dict[str, str] = {}
    slim = _slim(view, pieces)
    sent = st.session_state.setdefault(SENT, {})
    new = {name: text for name, text in pieces.items() if name not in sent}
    result = _maps(
        key=key, data={"view": slim, "pieces": new},
        on_selected_change=_nothing, on_picked_change=_nothing, on_morphed_change=_nothing, on_needed_change=_nothing,
    )  # fmt: skip
    st.session_state[SIZE] = sum(map(len, new.values())) + len(str(slim))
    sent.update(dict.fromkeys(pieces))
    while len(sent) > MOST:
        sent.pop(next(iter(sent)))
    if result.needed:
        sent.clear()
        st.rerun()
    return {"selected": result.selected, "picked": result.picked, "morphed": result.morphed}


def _slim(value, pieces: dict[str, str]):
    """``value`` with every long text replaced by its key."""
    if isinstance(value, str) and len(value) > LARGE:
        name = "@" + hashlib.blake2b(value.encode(), digest_size=10).hexdigest()
        pieces[name] = value
        return name
    if isinstance(value, dict):
        return {key: _slim(one, pieces) for key, one in value.items()}
    return [_slim(one, pieces) for one in value] if isinstance(value, list | tuple) else value
