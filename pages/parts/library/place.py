"""What the Library shows, and its link: all there is, or one data set and a view of it."""

from __future__ import annotations

import streamlit as st

from core.errors import UserError
from pages.parts import cached, given
from pages.parts.words import note, short

SET, VIEW, LINK = "library_set", "keep_library_view", "library_link"
PICTURES, ENCODERS, EVALUATION, TRAINING, STORAGE = VIEWS = (
    "Pictures",
    "Encoders and builds",
    "Evaluation and map",
    "Training",
    "Storage",
)
PARAMS = {"set": SET, "view": VIEW}


def restore() -> None:
    """A link that was opened, into the session; without one the Library opens on all there is. A
    set that is not here gives a remark."""
    params = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    if params != st.session_state.get(LINK):
        for name, key in PARAMS.items():
            st.session_state[key] = params.get(name, "")
    if st.session_state.get(VIEW) not in VIEWS:
        st.session_state[VIEW] = VIEWS[0]
    locator = st.session_state.get(SET, "")
    if locator and (found := _row(locator)) is None:
        note(f"There is no data set {short(locator)!r} in this library.", "Choose one below.")
        st.session_state[SET] = ""
    elif locator:
        st.session_state[SET] = found["locator"]


def _row(locator: str) -> dict | None:
    """By locator, else by a name that only one set has."""
    rows = [row for row in cached.dataset_rows() if row["state"] == "ready" or row["added"]]
    named = [row for row in rows if row["name"] == locator]
    exact = [row for row in rows if row["locator"] == locator]
    return exact[0] if exact else named[0] if len(named) == 1 else None


def row() -> dict | None:
    """The data set that is shown; None where all are."""
    locator = st.session_state.get(SET, "")
    return _row(locator) if locator else None


def show(locator: str = "", view: str = VIEWS[0]) -> None:
    """Show a data set, or (empty) all there is, from the next run on."""
    st.session_state[SET], st.session_state[VIEW] = locator, view


def publish() -> None:
    """The address bar says what is shown."""
    locator = st.session_state.get(SET, "")
    view = st.session_state.get(VIEW, VIEWS[0])
    params = (
        {"set": given.public_name(locator)} | ({"view": view} if view != VIEWS[0] else {})
        if locator
        else {}
    )
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    st.session_state[LINK] = params


def ready(locator: str) -> bool:
    """Whether a data set can be opened now."""
    try:
        return bool(cached.dataset(locator).items)
    except UserError:
        return False
