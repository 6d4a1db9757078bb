"""What the Train page shows, and its link: each restores the other, also after a restart of the
server."""

from __future__ import annotations

import streamlit as st

from core.errors import UserError
from pages.parts import cached_train
from pages.parts.words import note, short

RUN, MODEL, VIEW = "train_run", "train_model", "keep_train_view"
PARAMS = {"run": RUN, "model": MODEL, "view": VIEW}
LINK = "train_link"
CURVES, EFFECT, CAPABILITIES, FACTS = "Curves", "Before and after", "Capabilities", "Settings"
FORMER = {"What it can do": CAPABILITIES}
"""What a view was called in older links."""


def restore() -> None:
    """A link that was opened, into the session; one that leads nowhere is told and forgotten."""
    params = {name: st.query_params[name] for name in PARAMS if name in st.query_params}
    if params and params != st.session_state.get(LINK):
        for name, key in PARAMS.items():
            st.session_state[key] = params.get(name, "")
        st.session_state[VIEW] = FORMER.get(st.session_state[VIEW], st.session_state[VIEW])
    _heal()


def _heal() -> None:
    state = st.session_state
    run, model = state.get(RUN, ""), state.get(MODEL, "")
    if run and not _known(run):
        note(f"There is no training run {short(run)!r}.", "It was deleted, or the link is wrong.")
        state[RUN] = ""
    if model and model not in {card["name"] for card in cached_train.cards()}:
        note(
            f"There is no model {short(model)!r} that was trained here.",
            "It was deleted, or the link is wrong.",
        )
        state[MODEL] = ""


def _known(run: str) -> bool:
    try:
        cached_train.told(run)
        return True
    except UserError:
        return False


def publish() -> None:
    """The address bar says what is shown."""
    shown = bool(run() or model())
    params = {
        name: str(st.session_state[key])
        for name, key in PARAMS.items()
        if st.session_state.get(key) and shown
    }
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    st.session_state[LINK] = params


def run() -> str:
    """The run that is shown, or an empty string."""
    return st.session_state.get(RUN, "")


def model() -> str:
    """The model that is shown without a run, or an empty string."""
    return st.session_state.get(MODEL, "")


def show(run: str = "", model: str = "") -> None:
    """Show a run, a model, or (both empty) the lists, from the next rerun on."""
    st.session_state[RUN], st.session_state[MODEL] = run, model
    st.session_state.pop(VIEW, None)
