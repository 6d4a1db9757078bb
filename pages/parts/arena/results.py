"""Which encoder is preferred, and how certain that is."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape

import streamlit as st

from core.services.arena import ballots
from core.services.arena.ballots import Room
from core.services.arena.strength import Standing, Strength, standing
from pages.parts import palette, press
from pages.parts.arena import place
from pages.parts.words import count, heading, note, quiet, saveable

HEAD = ("rank", "encoder", "preferred", "low", "high", "won", "equal", "lost")


def show(room: Room, title: str) -> None:
    """The ranking of one room, and of all votes on the same data set."""
    heading(title)
    _ranking([room], "arena_csv_room")
    others = [one for one in ballots.rooms(room.dataset) if one.code != room.code]
    if others:
        with st.expander(f"All votes on this data set ({count(len(others) + 1, 'room')})"):
            _ranking([room, *others], "arena_csv_all")
    st.button("Back to the Arena", key="arena_back", on_click=place.go)


def _ranking(rooms: Sequence[Room], key: str) -> None:
    found = of(rooms)
    if not found.votes:
        note("Nobody has voted yet.", "The ranking appears with the first vote.")
        return
    places = Counter(one.rank for one in found.strengths)
    rows = "".join(_row(one, places[one.rank] > 1) for one in found.strengths)
    kept = saveable("Ranking", HEAD, [_cells(one) for one in found.strengths])
    st.html(f'<div class="ar-ranking"{kept}>{rows}</div>')
    quiet(reading(found))
    made = partial(votes_csv, rooms)
    press.download("Votes as CSV", made, "arena-votes.csv", key=key, icon=":material/table:")


def of(rooms: Sequence[Room]) -> Standing:
    """The ranking over several rooms."""
    known = {(room.code, one.number): one for room in rooms for one in ballots.rounds(room.code)}
    names = dict.fromkeys(name for room in rooms for name in room.encoders)
    return standing(list(names), known, ballots.votes([room.code for room in rooms]))


def _cells(one: Strength) -> tuple:
    title = palette.title(one.encoder)
    return one.rank, title, one.share, one.low, one.high, one.wins, one.ties, one.losses


def _row(one: Strength, shared: bool) -> str:
    title = escape(palette.title(one.encoder))
    bar = (
        f'<i style="left:{one.low:.1%};width:{one.high - one.low:.1%}"></i>'
        f'<u style="left:{one.share:.1%}"></u>'
    )
    return (
        f"<div><b>{one.rank}{'=' * shared}</b><span>{palette.mark_html(one.encoder)}{title}</span>"
        f'<div class="track" role="img" aria-label="preferred in {one.share:.0%},'
        f' 95 % interval {one.low:.0%} to {one.high:.0%}">{bar}</div>'
        f"<span>{one.share:.0%}</span><small>{one.wins} won · {one.ties} equal · "
        f"{one.losses} lost</small></div>"
    )


def reading(found: Standing) -> str:
    """The result in sentences: who is first, whether that is certain, how far voters agree."""
    first = [palette.title(one.encoder) for one in found.strengths if one.rank == 1]
    if len(first) == 1:
        said = f"{first[0]} is preferred beyond chance."
    elif len(first) == len(found.strengths):
        said = "These votes do not tell the encoders apart."
    else:
        said = f"{' and '.join(first)} share the first place: these votes do not tell them apart."
    votes = f"{count(found.votes, 'vote')} by {count(found.voters, 'person', 'people')}"
    alpha = ""
    if found.alpha is not None:
        alpha = (
            f" Agreement of voters (Krippendorff's alpha): {found.alpha:.2f}, where 1 is all the"
            " same and 0 is chance."
        )
    return (
        f"{said} {votes} on {count(found.rounds, 'round')}; the bar is the 95 % interval of the"
        f" chance to be preferred to another one (Bradley-Terry).{alpha}"
    )


def votes_csv(rooms: Sequence[Room]) -> str:
    """Every vote with the names of its round."""
    known = {(room.code, one.number): one for room in rooms for one in ballots.rounds(room.code)}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(("room", "round", "query", "A", "B", "voter", "choice", "time"))
    for vote in ballots.votes([room.code for room in rooms]):
        one = known[vote.room, vote.number]
        writer.writerow(
            (
                vote.room,
                vote.number,
                one.query,
                one.one,
                one.other,
                vote.voter,
                vote.choice,
                datetime.fromtimestamp(vote.at, UTC).isoformat(timespec="milliseconds"),
            )
        )
    return out.getvalue()
