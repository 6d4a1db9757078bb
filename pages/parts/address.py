"""A picture at an address of the web as the query, where the server allows it."""

from collections.abc import Callable

import streamlit as st

from core.errors import UserError
from core.services.library import addresses
from pages.parts.guard import guarded
from pages.parts.words import trouble

OPEN, ERROR = "address_open", "address_trouble"


def control(turn: int, keep: Callable[[bytes], None]) -> None:
    """A field for an address; ``keep`` takes the bytes found there. ``turn`` numbers queries: a new
    one empties the field."""
    with st.popover("Address", key=OPEN, on_change="rerun", width="stretch") as place:
        if not place.open:
            return
        field = f"address_{turn}"
        st.text_input(
            "Address of a picture",
            key=field,
            placeholder="https://",
            max_chars=addresses.MAX_ADDRESS,
            help="The server fetches it; Enter begins.",
            on_change=_fetch,
            args=(field, keep),
        )
        if error := st.session_state.get(ERROR):
            trouble(error)


def _fetch(field: str, keep: Callable[[bytes], None]) -> None:
    """Called before the page runs."""
    st.session_state.pop(ERROR, None)
    text = st.session_state[field].strip()
    if not text:
        return
    try:
        found = guarded(lambda: addresses.picture_at(text), "Fetching the picture")
    except UserError as error:
        st.session_state[ERROR] = error
        return
    st.session_state[OPEN] = False
    keep(found)
