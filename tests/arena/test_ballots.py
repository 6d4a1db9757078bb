"""Rooms and votes: none lost, none doubled, whoever writes at once and whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import UserError
from core.services.arena import ballots, qr
from core.services.arena.ballots import Round

NAMES = ("one.test", "other.test")


def rounds(count=3):
    hits = (("a", True), ("b", None))
    return [Round(n, f"query-{n}", *NAMES, hits, hits[::-1]) for n in range(1, count + 1)]


@pytest.fixture
def room(artifacts):
    return ballots.open_room("class", "somewhere", NAMES, rounds(), 2, "  A class  ")


def test_a_room_comes_back_as_it_was_opened(room):
    made, secret = room
    found = ballots.room(f" {made.code.lower()} ")
    assert found == made
    assert (found.title, found.round, found.revealed) == ("A class", 0, False)
    assert ballots.rounds(made.code) == rounds()
    assert ballots.leads(made.code, secret)
    assert not ballots.leads(made.code, secret[:-1])
    assert set(made.code) <= set(ballots.LETTERS)


@pytest.mark.parametrize(
    ("given", "said"), [({"encoders": ["one.test"]}, "two encoders"), ({"rounds": []}, "no round")]
)
def test_a_room_without_a_choice_is_refused(artifacts, given, said):
    asked = {"encoders": NAMES, "rounds": rounds(), **given}
    with pytest.raises(UserError, match=said):
        ballots.open_room("class", "somewhere", asked["encoders"], asked["rounds"], 2)


def test_a_vote_counts_once_and_may_be_changed_until_the_names_are_shown(room):
    code = room[0].code
    with pytest.raises(UserError, match="over"):
        ballots.vote(code, 1, "ann", "left")
    ballots.show(code, 1)
    ballots.vote(code, 1, "ann", "left")
    ballots.vote(code, 1, "ann", "tie")
    assert [(v.number, v.voter, v.choice) for v in ballots.votes([code])] == [(1, "ann", "tie")]
    ballots.show(code, 1, revealed=True)
    with pytest.raises(UserError, match="over"):
        ballots.vote(code, 1, "ben", "left")
    with pytest.raises(UserError, match="no round 9"):
        ballots.show(code, 9)
    with pytest.raises(UserError, match="no choice"):
        ballots.vote(code, 1, "ben", "maybe")
    with pytest.raises(UserError, match="no room"):
        ballots.room("<b>")


def test_forty_who_vote_at_once_lose_none_and_double_none(room):
    code, voters = room[0].code, [f"voter-{n}" for n in range(40)]
    choices = {voter: ballots.CHOICES[n % 4] for n, voter in enumerate(voters)}
    for number in (1, 2, 3):
        ballots.show(code, number)
        with ThreadPoolExecutor(40) as people:
            for voter in voters * 2:  # everybody presses twice
                people.submit(ballots.vote, code, number, voter, choices[voter])
    votes = ballots.votes([code])
    assert sorted((v.number, v.voter, v.choice) for v in votes) == sorted(
        (n, voter, choices[voter]) for n in (1, 2, 3) for voter in voters
    )


CASTING = """
import sys
from core.services.arena import ballots
for number in range(10_000):
    ballots.vote(sys.argv[1], 1, f"voter-{number % 400}", "left" if number < 400 else "right")
    print(number, flush=True)
"""


def test_what_was_counted_is_there_after_a_kill(room):
    code = room[0].code
    ballots.show(code, 1)
    for _ in range(3):
        work = subprocess.Popen(
            [sys.executable, "-c", CASTING, code], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        told = [int(work.stdout.readline()) for _ in range(60)]
        work.send_signal(signal.SIGKILL)
        work.wait()
        kept = {vote.voter for vote in ballots.votes([code])}
        assert {f"voter-{number}" for number in told} <= kept
    ballots.vote(code, 1, "after", "bad")
    assert "after" in {vote.voter for vote in ballots.votes([code])}


def test_judgements_are_replaced_not_added(artifacts):
    ballots.judge("somewhere", "q", "a", "ann", True)
    ballots.judge("somewhere", "q", "a", "ann", False)
    ballots.judge("somewhere", "q", "a", "ben", True)
    assert sorted(ballots.judgements("somewhere")) == [
        ("q", "a", "ann", False),
        ("q", "a", "ben", True),
    ]


def test_an_address_becomes_a_picture_without_asking_anybody():
    drawn = qr.svg("http://somewhere.example/arena?room=ABCDE")
    assert drawn.startswith("<svg")
    assert qr.svg("another") != drawn
