"""What the Train page shows, and its link: each restores the other, even after a restart."""

import streamlit as st

from core.errors import UserError
from pages.parts import cached_train, url_state
from pages.parts.url_state import Kind, Param, Params
from pages.parts.words import note, short

RUN, MODEL, VIEW = "train_run", "train_model", "keep_train_view"
CURVES, EFFECT, CAPABILITIES, FACTS = "Curves", "Before and after", "Capabilities", "Settings"
FORMER = {"What it can do": CAPABILITIES}
"""What a view was called in older links."""
PARAMS = Params(
    (
        Param("run", RUN),
        Param("model", MODEL),
        Param("view", VIEW, Kind(lambda text: FORMER.get(text, text), late=True)),
    )
)
LINK, REMARKS = "train_link", "train_remarks"


def restore() -> None:
    """A link that was opened, into the session; one that leads nowhere is told and forgotten."""
    state, params = st.session_state, PARAMS.given()
    state.setdefault(REMARKS, [])
    if params and params != state.get(LINK):
        state[REMARKS] = []
        PARAMS.take(params, state[REMARKS])
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
    params = PARAMS.written() if run() or model() else {}
    url_state.publish(params)
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
    st.session_state[REMARKS] = []
