"""The four things Streamlit has no widget for: the compare board, a picture grid, paste, copy link.

Each is a ``st.components.v2`` component: a function of its data, no iframe, no network. What comes from people (names,
messages) is sent as data and only ever set as text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

WEB = Path(__file__).parent / "web"


def _read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


_board = st.components.v2.component("lookalike_board", css=_read("board.css"), js=_read("board.js"))
_grid = st.components.v2.component("lookalike_grid", css=_read("grid.css"), js=_read("grid.js"), isolate_styles=False)
"""Not isolated: a dialog keeps the keyboard inside itself and passes over what lies in a shadow root."""
_copy = st.components.v2.component("lookalike_copy", css=_read("button.css"), js=_read("copy.js"))
_paste = st.components.v2.component("lookalike_paste", css=_read("button.css"), js=_read("paste.js"))


def _nothing() -> None:
    """A trigger needs a callback to be known; the value is read from the result instead."""


def board(
    columns: Sequence[dict], pictures: dict[str, str], rows: int, key: str, still: bool = False
) -> tuple[str | None, str | None]:
    """Draw all columns of a comparison.

    Args:
        columns: one dict an encoder, as :func:`pages.parts.columns.done` makes them.
        pictures: item id -> data URI; sent once even where several columns show the same picture.
        rows: how many places a column that is still working keeps.
        still: True shows hits without making them clickable.

    Returns:
        ``(item id clicked, "action:encoder" pressed)``; each None where nothing happened in this run.
    """
    data = {"columns": list(columns), "pictures": pictures, "rows": rows, "still": still, "at": time.time()}
    result = _board(key=key, data=data, on_picked_change=_nothing, on_acted_change=_nothing)
    return result.picked, result.acted


def picture_grid(
    items: Sequence[dict], label: str, key: str, side: int = 96, selected: str | None = None,
    on_pick: Callable[[], None] | None = None,
) -> str | None:
    """Thumbnails to choose from; each item has ``id``, ``uri``, ``alt`` and may have ``caption``, ``rank`` and ``badge`` (words
    over the picture), ``mark`` (``ghost``, ``lost``, ``extra``, ``query``: its look) and ``below`` (another item that stays under
    it, however the grid wraps); ``blank`` ones are empty places. A caption of several lines wraps, one of a single line is cut.

    Returns the id clicked.
    """
    data = {"items": list(items), "label": label, "side": side, "selected": selected}
    return _grid(key=key, data=data, on_picked_change=on_pick or _nothing).picked


def copy_link(key: str, label: str = "Copy link") -> None:
    """A button that copies the address of the view."""
    _copy(key=key, data={"label": label}, width=104)


def paste(key: str, label: str = "Paste") -> str | None:
    """A button, and Ctrl+V anywhere on the page: returns the pasted picture as a data URL, at most 1600 px long."""
    return _paste(key=key, data={"label": label}, on_pasted_change=_nothing).pasted
