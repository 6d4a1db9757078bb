"""A vote: alone, with the names after each, or in a room whose leader shows the rounds."""

from collections.abc import Collection

import streamlit as st

from core.services.arena import ballots
from core.services.arena.ballots import Room, Round
from pages.parts import cached, palette, press
from pages.parts.arena import lists, place, results
from pages.parts.words import heading, note, quiet, telling, trouble

BUTTONS = (
    ("left", "A is better", "A"),
    ("tie", "Equal", "E"),
    ("right", "B is better", "B"),
    ("bad", "Neither is good", "N"),
)
"""What is voted, its words and its key; arrows are left to whoever presents."""
ASK = "Which list is better for this query?"
SAID = {"left": "A", "right": "B", "tie": "equal", "bad": "neither"}
CHOSEN = {"left": "one", "right": "other"}


def alone(room: Room) -> None:
    """Rounds one after another; after each vote the names."""
    rounds, voter = ballots.rounds(room.code), place.voter()
    mine = {vote.number: vote.choice for vote in ballots.votes([room.code])}
    number = st.session_state.setdefault(_at(room), _first_open(len(rounds), mine))
    if number > len(rounds):
        results.show(room, "Your votes")
        return
    one = rounds[number - 1]
    heading(f"Round {number} of {len(rounds)}")
    if number not in mine:
        quiet(f"{ASK} Names are hidden until you vote.")
    lists.show(room.dataset, one, revealed=number in mine)
    if number not in mine:
        _buttons(room, one, voter)
        return
    note(_revealed(one, mine[number]), tone="good")
    last = number == len(rounds)
    st.button(
        "See the result" if last else "Next round",
        type="primary",
        key=f"arena_next_{number}",
        on_click=_to,
        args=(room, number + 1),
        shortcut="Enter",
    )


def _first_open(rounds: int, mine: Collection[int]) -> int:
    """The first round without a vote: where a page that is opened again goes on."""
    return next((number for number in range(1, rounds + 1) if number not in mine), rounds + 1)


def _revealed(one: Round, choice: str) -> str:
    names = [palette.title(name) for name in (one.one, one.other)]
    if choice in CHOSEN:
        preferred = palette.title(getattr(one, CHOSEN[choice]))
        return f"You preferred {preferred}. A is {names[0]}, B is {names[1]}."
    return f"A is {names[0]}, B is {names[1]}."


def _at(room: Room) -> str:
    return f"arena_at_{room.code}"


def _to(room: Room, number: int) -> None:
    st.session_state[_at(room)] = number


def _buttons(room: Room, one: Round, voter: str, mine: str = "") -> None:
    with st.container(horizontal=True, key="arena_votes"):
        for choice, words, key in BUTTONS:
            st.button(
                words,
                key=f"arena_{choice}_{one.number}",
                on_click=_vote,
                args=(room.code, one.number, voter, choice),
                type="primary" if choice == mine else "secondary",
                shortcut=key,
                width="stretch",
            )


def _vote(code: str, number: int, voter: str, choice: str) -> None:
    with telling("arena_refused"):
        ballots.vote(code, number, voter, choice)


def told() -> None:
    """What the last vote met, where it was not counted."""
    if (error := st.session_state.pop("arena_refused", None)) is not None:
        trouble(error)


def joined(code: str, voter: str) -> None:
    """What a voter sees of a class: the round that is shown, until its names are."""
    room = ballots.room(code)
    told()
    rounds = ballots.rounds(code)
    if not room.round:
        note(f"You are in room {code}.", "The first round comes when it is started.", tone="good")
        return
    one = rounds[room.round - 1]
    mine = next(
        (v.choice for v in ballots.votes([code]) if (v.number, v.voter) == (one.number, voter)), ""
    )
    heading(f"Round {one.number} of {len(rounds)}")
    if not room.revealed:
        quiet(ASK)
    lists.show(room.dataset, one, revealed=room.revealed)
    if room.revealed:
        note(_revealed(one, mine), tone="good")
        if not place.over(room):
            quiet("Wait for the next round.")
        elif press.button("See the result", key="arena_joined_result"):
            place.go(room=code, result=True)
            st.rerun()
        return
    _buttons(room, one, voter, mine)
    if mine:
        quiet(f"Counted: {SAID[mine]}. You may change it until the names are shown.")


def warm(locator: str, rounds: list[Round]) -> None:
    """Pictures of all rounds, made before anybody waits for them."""
    version = cached.version(locator)
    for one in rounds:
        cached.thumbnail(locator, version, one.query, lists.QUERY_SIDE)
        for id, _ in (*one.one_hits, *one.other_hits):
            cached.thumbnail(locator, version, id, lists.SIDE)
