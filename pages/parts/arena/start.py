"""The way into the Arena: vote alone, open a room, join one, judge a pool."""

import streamlit as st

from core.errors import UserError
from core.services.arena import ballots, drawing
from pages.parts import cached, given, palette, press, url_state
from pages.parts.arena import place, voting
from pages.parts.shell import hosted, places
from pages.parts.words import caption, note, quiet, telling, trouble

FAILED = "arena_failed"


def panel() -> None:
    """What is voted on, and the four ways."""
    locator = place.dataset()
    known = given.ready()
    chosen, ways = places("panel_settings", "answer")
    with chosen:
        caption("What is compared", level=2)
        st.selectbox(
            "Data set",
            list(known),
            key=place.DATASET,
            format_func=lambda one: cached.dataset(one).title or known[one],
        )
        names = place.encoders(locator)
        _encoders(names)
        st.number_input("Rounds", 1, drawing.MAX_ROUNDS, key=place.ROUNDS)
    with ways:
        if (error := st.session_state.pop(FAILED, None)) is not None:
            trouble(error)
        if len(names) < 2:
            note(
                "Two encoders have to be built for this data set first.",
                "Build them on the Library page.",
            )
        _ways(locator, len(names) < 2)


def _encoders(names: list[str]) -> None:
    kept = [name for name in st.session_state.get(place.ENCODERS) or () if name in names]
    url_state.put(place.ENCODERS, kept or names[:4])
    st.multiselect("Encoders", names, key=place.ENCODERS, format_func=palette.title)


def _ways(locator: str, closed: bool) -> None:
    with st.container(key="arena_ways"):
        with st.container(key="arena_way_alone"):
            caption("Vote alone", level=2)
            quiet("Two unnamed lists for one query: which is better? The names follow each vote.")
            st.button(
                "Vote", type="primary", disabled=closed, on_click=_open, args=("alone", locator)
            )
        with st.container(key="arena_way_class"):
            caption("Vote with a class", level=2)
            quiet(
                "Everybody joins with a code on a phone; the result appears here as votes come in."
            )
            st.button("Open a room", disabled=closed, on_click=_open, args=("class", locator))
        with st.container(key="arena_way_join"):
            caption("Join a room", level=2)
            with st.form("arena_join", border=False):
                code = st.text_input("Code of the room", max_chars=ballots.CODE)
                if press.submit("Join", key="arena_join_go") and code:
                    _join(code)
        with st.container(key="arena_way_judge"):
            caption("Judge relevance", level=2)
            quiet(
                "The hits of all encoders for a query, pooled and shuffled: say which are relevant."
            )
            st.button("Judge", disabled=closed, on_click=place.go, kwargs={"judge": True})


def _open(kind: str, locator: str) -> None:
    names, dataset = list(st.session_state[place.ENCODERS]), cached.dataset(locator)
    with telling(FAILED):
        if kind == "class" and hosted() and _is_own(locator):
            raise UserError(
                "A room shows its pictures to everybody who joins.",
                "On a public server it takes one of the server's own data sets.",
            )
        seed = len(ballots.rooms(locator))
        rounds = drawing.drawn(dataset, names, int(st.session_state[place.ROUNDS]), seed=seed)
        room, secret = ballots.open_room(kind, locator, names, rounds, drawing.K)
        voting.warm(locator, rounds[:2])
        place.go(room=room.code, lead=secret if kind == "class" else "")


def _is_own(locator: str) -> bool:
    """Whether a data set is a visitor's: nobody else may see its pictures."""
    return any(row["added"] for row in cached.dataset_rows() if row["locator"] == locator)


def _join(code: str) -> None:
    with telling():
        place.go(room=ballots.room(code).code)
        st.rerun()
