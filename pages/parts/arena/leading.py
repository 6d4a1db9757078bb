"""What the leader of a room projects: the code, the round, how many have voted, and the names."""

import base64
from collections import Counter
from html import escape
from urllib.parse import urlsplit

import streamlit as st

from core.services.arena import ballots, qr
from core.services.arena.ballots import Room, Round
from pages.parts import palette, press
from pages.parts.arena import lists, place
from pages.parts.arena.voting import SAID
from pages.parts.words import count, heading, quiet, saveable

LOOK_S = 1.0
CHOICES = ("left", "right", "tie", "bad")


def show(room: Room) -> None:
    """The room as the class sees it on the projector."""
    st.fragment(_show, run_every=LOOK_S)(room.code)


def _show(code: str) -> None:
    room, rounds = ballots.room(code), ballots.rounds(code)
    if not room.round:
        _door(room)
        st.button("Start the first round", type="primary", on_click=_to, args=(code, 1))
        return
    one = rounds[room.round - 1]
    cast = [vote for vote in ballots.votes([code]) if vote.number == one.number]
    with st.container(horizontal=True, vertical_alignment="center", key="arena_lead"):
        heading(f"Round {one.number} of {len(rounds)}")
        quiet(f"{count(len(cast), 'vote')} · room {code}")
    lists.show(room.dataset, one, revealed=room.revealed)
    if room.revealed:
        _bars(one, Counter(vote.choice for vote in cast))
        last = room.round == len(rounds)
        pressed = press.button(
            "See the result" if last else "Next round",
            type="primary",
            key=f"arena_on_{one.number}",
            on_click=None if last else _to,
            args=(code, room.round + 1),
            shortcut="Enter",
        )
        if pressed and last:
            st.session_state[place.RESULT] = True
            st.rerun()
    else:
        st.button(
            "Show the names",
            type="primary",
            key=f"arena_reveal_{one.number}",
            on_click=ballots.show,
            args=(code, one.number),
            kwargs={"revealed": True},
            shortcut="Enter",
        )


def _to(code: str, number: int) -> None:
    ballots.show(code, number)


def address(code: str) -> str:
    """Where a phone joins: this server as the leader's browser reaches it."""
    here = str(st.context.url or "").partition("?")[0]
    return f"{here}?room={code}"


def _door(room: Room) -> None:
    """The code in letters and as a picture for cameras."""
    where = address(room.code)
    drawn = "data:image/svg+xml;base64," + base64.b64encode(qr.svg(where).encode()).decode()
    st.html(
        f'<div class="ar-door"><img src="{drawn}" alt="QR code of the room">'
        f"<div><p>Join on your phone</p><b>{escape(room.code)}</b>"
        f"<p>{escape(where)}</p></div></div>"
    )
    if urlsplit(where).hostname in ("localhost", "127.0.0.1", "::1"):
        quiet(
            "This address is this machine's own, and no phone reaches it. Open the app by the"
            " machine's address in the network: the code then says that one."
        )


def _bars(one: Round, cast: Counter) -> None:
    total = max(sum(cast.values()), 1)
    names = {"left": palette.title(one.one), "right": palette.title(one.other)}
    rows = "".join(
        f"<dt>{escape(SAID[choice])}{' · ' + escape(names[choice]) if choice in names else ''}</dt>"
        f'<dd><i style="width:{cast[choice] / total:.1%}"></i><b>{cast[choice]}</b></dd>'
        for choice in CHOICES
    )
    held = [(SAID[choice], names.get(choice, ""), cast[choice]) for choice in CHOICES]
    kept = saveable(f"Votes of round {one.number}", ("choice", "encoder", "votes"), held)
    st.html(f'<dl class="ar-bars"{kept}>{rows}</dl>')
