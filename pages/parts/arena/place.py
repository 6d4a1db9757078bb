"""Where a person is in the Arena, and its link: a room, whoever leads it, a query to judge, or what
a new room is opened with."""

import secrets

import streamlit as st

from core.services.arena import ballots, drawing
from core.services.arena.ballots import Room
from core.services.specs import split_names
from pages.parts import cached, given, url_state
from pages.parts.url_state import FLAG, Kind, Param, Params, Refused
from pages.parts.words import short, telling

DATASET, ENCODERS, ROUNDS = "keep_arena_dataset", "keep_arena_encoders", "keep_arena_rounds"
ROOM, LEAD, VOTER, JUDGE, RESULT = (
    f"arena_{name}" for name in ("room", "lead", "voter", "judge", "result")
)
LINK, REMARKS, FRESH = "arena_link", "arena_remarks", "arena_fresh"
DEFAULT_ROUNDS = 8


def _encoders(text: str) -> list[str]:
    named, known = split_names(text), encoders(dataset())
    if gone := [name for name in named if name not in known]:
        kept = [name for name in named if name in known]
        raise Refused(kept, f"Not built for this data set: {short(', '.join(gone))}. Left out.")
    return named


WHERE = Params(
    (
        Param("room", ROOM),
        Param("lead", LEAD),
        Param("result", RESULT, FLAG, False),
        Param("judge", JUDGE, FLAG, False),
    )
)
"""Which part of the Arena is shown: what a link leaves out is none."""
OPENED = Params(
    (
        Param("dataset", DATASET, Kind(given.dataset, given.link_name), given.FIRST_DATASET),
        Param("encoders", ENCODERS, Kind(_encoders, ",".join), lambda: encoders(dataset())[:4]),
        Param("rounds", ROUNDS, url_state.number(1, drawing.MAX_ROUNDS), DEFAULT_ROUNDS),
    )
)
"""What a room is opened, or a pool is judged with."""
WHO = Params((Param("voter", VOTER, Kind(lambda text: text[: ballots.MAX_NAME])),))
"""Who votes: in the link, so that a page that is loaded again is the same voter."""
PARAMS = Params((*WHERE, *OPENED, *WHO))


def restore() -> None:
    """An opened link into the session; what it leaves out of a new room stays as chosen."""
    state, params = st.session_state, PARAMS.given()
    state.setdefault(REMARKS, [])
    if params != state.get(LINK, {}):
        remarks = state[REMARKS] = []
        WHERE.take(params, remarks)
        PARAMS.but({*WHERE.by_name, *(PARAMS.by_name.keys() - params.keys())}).take(params, remarks)
        state[LINK], state[FRESH] = params, True
    for one in WHERE:
        state.setdefault(one.key, one.first)
    state.setdefault(ROUNDS, DEFAULT_ROUNDS)  # a field of its own begins at its least


def publish() -> None:
    """The address bar says where this is: of a room nothing but its code and who is there."""
    state = st.session_state
    params = WHERE.written()
    params |= WHO.written() if params else {}
    if not state[ROOM]:
        params |= {name: text for name, text in OPENED.written().items() if name not in params}
    if not state.pop(FRESH, False) and params != state.get(LINK):
        state[REMARKS] = []
    url_state.publish(params)
    state[LINK] = params


def go(**params: object) -> None:
    """Show another part of the Arena from the next run on."""
    for one in WHERE:
        one.keep(params.get(one.name, one.first))


def room() -> Room | None:
    """The room of the link; None without one, or where there is none (which is said)."""
    if not (code := st.session_state[ROOM]):
        return None
    with telling():
        return ballots.room(code)
    return None


def over(found: Room) -> bool:
    """Whether the names of the last round have been shown: its ranking gives nothing away."""
    return found.revealed and found.round == len(ballots.rounds(found.code))


def voter() -> str:
    """Who votes here."""
    if not st.session_state.get(VOTER):
        st.session_state[VOTER] = secrets.token_urlsafe(9)
    return st.session_state[VOTER]


def leads(found: Room) -> bool:
    """Whether the link is that of whoever opened the room."""
    return bool(secret := st.session_state[LEAD]) and ballots.leads(found.code, secret)


def dataset() -> str:
    """The data set that is chosen, the embedded gallery first."""
    known = given.ready()
    if st.session_state.get(DATASET) not in known:
        st.session_state[DATASET] = given.FIRST_DATASET
    return st.session_state[DATASET]


def encoders(locator: str) -> list[str]:
    """Encoders that can take part: built for the data set, the best first."""
    return cached.built_best_first(locator, cached.version(locator))
