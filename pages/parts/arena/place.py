"""Where a person is in the Arena: the link names a room, whoever leads it, or a query to judge."""

from __future__ import annotations

import secrets

import streamlit as st

from core.errors import UserError
from core.services.arena import ballots
from core.services.arena.ballots import Room
from pages.parts import cached, given
from pages.parts.words import trouble

PARAMS = ("room", "lead", "voter", "judge")
DATASET, ENCODERS, ROUNDS = "keep_arena_dataset", "keep_arena_encoders", "keep_arena_rounds"
DEFAULT_ROUNDS = 8


def param(name: str) -> str:
    return str(st.query_params.get(name, ""))


def go(**params: str) -> None:
    """Show another part of the Arena from the next run on."""
    for name in PARAMS:
        if name in st.query_params:
            del st.query_params[name]
    st.query_params.update({name: value for name, value in params.items() if value})


def room() -> Room | None:
    """The room of the link; None without one, or where there is none (which is said)."""
    if not (code := param("room")):
        return None
    try:
        return ballots.room(code)
    except UserError as error:
        trouble(error)
        return None


def voter() -> str:
    """Who votes here: in the link, so that a page that is loaded again is the same voter."""
    if not (known := param("voter")[: ballots.MAX_NAME]):
        known = st.session_state.setdefault("arena_voter", secrets.token_urlsafe(9))
        st.query_params["voter"] = known
    return known


def leads(found: Room) -> bool:
    """Whether the link is that of whoever opened the room."""
    return bool(secret := param("lead")) and ballots.leads(found.code, secret)


def dataset() -> str:
    """The data set that is chosen, the embedded gallery first."""
    known = given.ready()
    if st.session_state.get(DATASET) not in known:
        st.session_state[DATASET] = given.FIRST_DATASET
    return st.session_state[DATASET]


def encoders(locator: str) -> list[str]:
    """Encoders that can take part: built for the data set, the best first."""
    return cached.built_best_first(locator, cached.version(locator))
