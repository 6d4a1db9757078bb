"""A faiss factory string typed by a person: it becomes one more index, or a sentence that says why
not."""

import streamlit as st

from core.errors import UserError
from pages.parts import cached_lab
from pages.parts.lab import state
from pages.parts.words import trouble

PREFIX = "factory:"
TROUBLE = "lab_custom_trouble"


def field(param: str) -> None:
    """The field; what is typed is added to the choice ``param`` (a list), or becomes it."""
    key = f"lab_custom_{param}"
    st.text_input(
        "Or a faiss factory string",
        key=key,
        placeholder="IVF64,PQ16",
        max_chars=80,
        on_change=_typed,
        args=(key, param),
        help=(
            "How faiss writes an index: IVF64,PQ16 · OPQ16_64,IVF256,PQ16x4fs · PCA64,SQ8 · HNSW32"
            " · ITQ64,LSHt"
        ),
    )
    if error := st.session_state.get(TROUBLE):
        trouble(error)


def _typed(key: str, param: str) -> None:
    text = st.session_state[key].strip().replace(" ", "")
    st.session_state.pop(TROUBLE, None)
    if not text:
        return
    name = PREFIX + text.removeprefix(PREFIX)
    try:
        cached_lab.index_row(name)
    except UserError as error:
        st.session_state[TROUBLE] = error
        return
    chosen = st.session_state[state.key(param)]
    st.session_state[state.key(param)] = (
        list(dict.fromkeys([*chosen, name])) if isinstance(chosen, list) else name
    )
    st.session_state[key] = ""
