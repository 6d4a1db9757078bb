"""Rooms, rounds, votes and judgements, in one SQLite file that many sessions and processes share.

The file is written ahead (WAL) and flushed with every vote, so that what was answered with
"counted" is still there after a kill. A voter has one vote a round: voting again replaces it.
"""

import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.errors import UserError

CHOICES = ("left", "right", "tie", "bad")
"""``bad``: neither list fits; counted as a tie where encoders are compared."""
LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""Of a room's code: none that looks like another on a projector."""
CODE = 5
WAIT_S = 20.0
"""So long a writer waits for the others."""
VOTERS = 500
"""At most in one room."""
MAX_NAME = 60
SCHEMA = """
create table if not exists rooms (
    code text primary key, secret text not null, kind text not null, title text not null,
    dataset text not null, encoders text not null, k integer not null,
    made real not null, round integer not null default 0, revealed integer not null default 0);
create table if not exists rounds (
    room text not null references rooms(code), number integer not null, query text not null,
    one text not null, other text not null, one_hits text not null, other_hits text not null,
    primary key (room, number));
create table if not exists votes (
    room text not null, number integer not null, voter text not null, choice text not null,
    at real not null, primary key (room, number, voter),
    foreign key (room, number) references rounds(room, number));
create table if not exists judgements (
    dataset text not null, query text not null, item text not null, voter text not null,
    fits integer not null, at real not null, primary key (dataset, query, item, voter));
"""
_local = threading.local()


@dataclass(frozen=True, slots=True)
class Room:
    """``kind``: ``class`` (joined by its code) or ``alone``. ``round`` counts from 1, 0 = not begun
    yet; ``revealed``: whether the names of the round are shown."""

    code: str
    kind: str
    title: str
    dataset: str
    encoders: tuple[str, ...]
    k: int
    made: float
    round: int
    revealed: bool


@dataclass(frozen=True, slots=True)
class Round:
    """Two lists for one query, left and right as they are shown; hits are (item id, whether it is
    relevant or None where nobody knows)."""

    number: int
    query: str
    one: str
    other: str
    one_hits: tuple[tuple[str, bool | None], ...]
    other_hits: tuple[tuple[str, bool | None], ...]


@dataclass(frozen=True, slots=True)
class Vote:
    room: str
    number: int
    voter: str
    choice: str
    at: float


def file() -> Path:
    """Where votes are kept: with the operator, since the voters of a room are of many sessions."""
    return store.base() / "arena" / "arena.sqlite"


@contextmanager
def _connection() -> Iterator[sqlite3.Connection]:
    path = file()
    known = getattr(_local, "known", None)
    if known is None or known[0] != path or not path.exists():
        store.make_folder(path.parent)
        made = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
        made.execute("pragma journal_mode = wal")
        made.execute("pragma synchronous = full")
        made.execute("pragma foreign_keys = on")
        made.executescript(SCHEMA)
        _local.known = known = (path, made)
    try:
        yield known[1]
    except sqlite3.Error as error:
        _local.known = None
        raise UserError(
            f"The votes can't be read or written ({error}).",
            fix="See that the disk has room and that the artifacts folder may be written.",
        ) from error


@contextmanager
def _writing() -> Iterator[sqlite3.Connection]:
    """One writer at a time, among all processes; what it did counts whole or not at all."""
    with _connection() as open_file:
        open_file.execute("begin immediate")
        try:
            yield open_file
        except BaseException:
            open_file.execute("rollback")
            raise
        open_file.execute("commit")


def open_room(
    kind: str,
    dataset: str,
    encoders: Sequence[str],
    rounds: Sequence[Round],
    k: int,
    title: str = "",
) -> tuple[Room, str]:
    """A new room, and its leader's secret. Raises UserError: too few encoders, or no round."""
    if len(set(encoders)) < 2:
        raise UserError("An arena needs two encoders to compare.", fix="Choose another one.")
    if not rounds:
        raise UserError("There is no round to vote on.", fix="Choose more pictures or encoders.")
    secret, title = secrets.token_urlsafe(16), title.strip()[:MAX_NAME]
    with _writing() as open_file:
        code = _free_code(open_file)
        open_file.execute(
            "insert into rooms (code, secret, kind, title, dataset, encoders, k, made, round)"
            " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                code, secret, kind, title, dataset, json.dumps(list(encoders)), k, time.time(),
                int(kind == "alone"),
            ),
        )  # fmt: skip
        open_file.executemany(
            "insert into rounds values (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    code,
                    one.number,
                    one.query,
                    one.one,
                    one.other,
                    json.dumps(one.one_hits),
                    json.dumps(one.other_hits),
                )
                for one in rounds
            ],
        )
    return room(code), secret


def _free_code(open_file: sqlite3.Connection) -> str:
    while True:
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE))
        if open_file.execute("select 1 from rooms where code = ?", (code,)).fetchone() is None:
            return code


def room(code: str) -> Room:
    """The room of a code, in capitals or not. Raises UserError where no room has it."""
    code = code.strip().upper()
    with _connection() as open_file:
        row = open_file.execute(
            "select code, kind, title, dataset, encoders, k, made, round, revealed from rooms"
            " where code = ?",
            (code,),
        ).fetchone()
    if row is None:
        raise UserError(
            f"There is no room {code[:20]!r}.",
            f"A code has {CODE} letters and digits.",
            "Ask whoever opened the room for its code.",
        )
    code, kind, title, dataset, names, k, made, number, revealed = row
    encoders = tuple(json.loads(names))
    return Room(code, kind, title, dataset, encoders, k, made, number, bool(revealed))


def leads(code: str, secret: str) -> bool:
    """Whether this secret is that of whoever opened the room."""
    with _connection() as open_file:
        row = open_file.execute("select secret from rooms where code = ?", (code,)).fetchone()
    return row is not None and secrets.compare_digest(row[0].encode(), secret.encode())


def rounds(code: str) -> list[Round]:
    """All rounds of a room, in order."""
    with _connection() as open_file:
        rows = open_file.execute(
            "select number, query, one, other, one_hits, other_hits from rounds where room = ?"
            " order by number",
            (code,),
        ).fetchall()
    return [Round(*row[:4], *(_hits(text) for text in row[4:])) for row in rows]


def _hits(text: str) -> tuple[tuple[str, bool | None], ...]:
    return tuple((id, right) for id, right in json.loads(text))


def show(code: str, number: int, *, revealed: bool = False) -> None:
    """Let a room see a round, or its names. Raises UserError where there is no such round."""
    with _writing() as open_file:
        known = open_file.execute(
            "select 1 from rounds where room = ? and number = ?", (code, number)
        ).fetchone()
        if known is None:
            raise UserError(f"The room {code} has no round {number}.")
        open_file.execute(
            "update rooms set round = ?, revealed = ? where code = ?", (number, revealed, code)
        )


def vote(code: str, number: int, voter: str, choice: str) -> None:
    """Count a vote; voting again in the same round replaces it. It is on disk when this returns.

    Raises:
        UserError: no such choice or round; the round is over or not yet open; the room is full.
    """
    if choice not in CHOICES:
        raise UserError(f"There is no choice {choice[:20]!r}.", f"{', '.join(CHOICES)}.")
    if not voter or len(voter) > MAX_NAME:
        raise UserError("Nobody is named who votes.", fix="Open the room by its code again.")
    with _writing() as open_file:
        row = open_file.execute(
            "select round, revealed, kind from rooms where code = ?", (code,)
        ).fetchone()
        if row is None:
            raise UserError(f"There is no room {code[:20]!r}.")
        if row[2] == "class" and (row[0] != number or row[1]):
            raise UserError("This round is over.", fix="Vote on the one that is shown.")
        others = open_file.execute(
            "select count(distinct voter) from votes where room = ? and voter != ?", (code, voter)
        ).fetchone()
        if others[0] >= VOTERS:
            raise UserError("The room is full.", f"At most {VOTERS} people vote in one.")
        open_file.execute(
            "insert into votes values (?, ?, ?, ?, ?) on conflict do update"
            " set choice = excluded.choice, at = excluded.at",
            (code, number, voter, choice, time.time()),
        )


def votes(codes: Sequence[str]) -> list[Vote]:
    """All votes of these rooms, oldest first."""
    marks = ",".join("?" * len(codes))
    with _connection() as open_file:
        rows = open_file.execute(
            f"select room, number, voter, choice, at from votes where room in ({marks})"
            " order by at, voter",
            list(codes),
        ).fetchall()
    return [Vote(*row) for row in rows]


def rooms(dataset: str | None = None) -> list[Room]:
    """Rooms, newest first; of one data set where it is named."""
    with _connection() as open_file:
        rows = open_file.execute(
            "select code from rooms where ? is null or dataset = ? order by made desc",
            (dataset, dataset),
        ).fetchall()
    return [room(code) for (code,) in rows]


def judge(dataset: str, query: str, item: str, voter: str, fits: bool) -> None:
    """Keep whether a picture fits a query; judging again replaces it."""
    with _writing() as open_file:
        open_file.execute(
            "insert into judgements values (?, ?, ?, ?, ?, ?) on conflict do update"
            " set fits = excluded.fits, at = excluded.at",
            (dataset, query, item, voter, int(fits), time.time()),
        )


def judgements(dataset: str) -> list[tuple[str, str, str, bool]]:
    """(query, item, voter, fits) of a data set, oldest first."""
    with _connection() as open_file:
        rows = open_file.execute(
            "select query, item, voter, fits from judgements where dataset = ? order by at, item",
            (dataset,),
        ).fetchall()
    return [(query, item, voter, bool(fits)) for query, item, voter, fits in rows]


def forget(folder: Path) -> None:
    """Delete what was voted and judged on data sets that lie under a folder: it goes."""
    if not file().exists():
        return
    own = "substr(dataset, 1, ?) = ?"
    with _writing() as open_file:
        for place in {f"{folder}/", f"{folder.absolute()}/"}:
            given = (len(place), place)
            for held in ("votes", "rounds"):
                rooms_there = f"room in (select code from rooms where {own})"
                open_file.execute(f"delete from {held} where {rooms_there}", given)
            for held in ("rooms", "judgements"):
                open_file.execute(f"delete from {held} where {own}", given)
