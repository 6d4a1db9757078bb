"""A part of the gallery: the filter of Compare, one field and its values searched."""

import streamlit as st

from pages.parts import cached, given, url_state
from pages.parts.url_state import Kind, Param, Refused
from pages.parts.words import quiet, short

FIELD, VALUES = "keep_part", "keep_part_values"
WHOLE = ""
MOST_CHOSEN = 20


def where() -> tuple[str, ...]:
    """The condition as a search takes it; empty where the whole gallery is searched."""
    field, values = st.session_state.get(FIELD, WHOLE), st.session_state.get(VALUES, [])
    return (f"{field}={'|'.join(values)}",) if field and values else ()


def clear() -> None:
    """Search the whole gallery."""
    url_state.put(FIELD, WHOLE)
    url_state.put(VALUES, [])


def heal(locator: str) -> None:
    """Search the whole gallery where it holds no longer what was chosen."""
    known = cached.choices(locator, cached.version(locator)).get(
        st.session_state.get(FIELD, WHOLE), []
    )
    if not known or not set(st.session_state[VALUES]) <= set(known):
        clear()


def read(text: str) -> tuple[str, ...]:
    """A link's ``category=mug|ring``; raises Refused with what the gallery holds of it."""
    locator = st.session_state[given.DATASET]
    field, _, wanted = text.partition("=")
    values = list(dict.fromkeys(wanted.split("|")))
    known = cached.choices(locator, cached.version(locator)).get(field, [])
    kept = [value for value in values if value in known][:MOST_CHOSEN]
    chosen = (f"{field}={'|'.join(kept)}",) if kept else ()
    if text and len(kept) < len(values):
        searched = "Searching the rest of it." if kept else "Searching the whole gallery."
        raise Refused(
            chosen, f"Not all of the part {short(text)!r} can be searched here. {searched}"
        )
    return chosen


def choose(chosen: tuple[str, ...]) -> None:
    """Search in this part, as :func:`where` gives it."""
    field, _, values = "".join(chosen).partition("=")
    st.session_state[FIELD], st.session_state[VALUES] = field, values.split("|") if field else []


PARAM = Param("where", kind=Kind(read, "".join), default=(), get=where, put=choose)


def control(locator: str) -> None:
    """The fold in which a part is chosen, and under it how many pictures that leaves."""
    version, state = cached.version(locator), st.session_state
    known = cached.choices(locator, version)
    if not known:
        return
    with st.expander("Part of the gallery", expanded=bool(where())):
        st.selectbox(
            "Search in", [WHOLE, *known], key=FIELD, format_func=_title, on_change=_field_changed
        )
        if state[FIELD]:
            st.multiselect(
                f"{_title(state[FIELD])} is",
                known[state[FIELD]],
                key=VALUES,
                max_selections=MOST_CHOSEN,
                placeholder="Choose one or more",
                select_all=False,
            )
    if asked := where():
        some, every = cached.left(locator, version, asked)
        quiet(f"{some:,} of {every:,} pictures remain.")


def _title(field: str) -> str:
    """``category`` -> ``Category``; an attribute's underscores are spaces."""
    words = field.replace("_", " ")
    return words[:1].upper() + words[1:] if field else "The whole gallery"


def _field_changed() -> None:
    st.session_state[VALUES] = []
