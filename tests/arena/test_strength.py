"""From votes to a ranking, against values worked out elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from core.services.arena.ballots import Round, Vote
from core.services.arena.strength import PENALTY, agreement, standing

NAMES = ("a", "b", "c")
PAIRS = (("a", "b"), ("b", "c"), ("a", "c"))
ROUNDS = {("ROOM", n): Round(n, f"q{n}", *PAIRS[n % 3], (), ()) for n in range(30)}


def vote(number, voter, choice):
    return Vote("ROOM", number, voter, choice, float(number))


def votes(chances, voters=8, seed=0):
    """Votes of people who prefer by these strengths."""
    rng, made = np.random.default_rng(seed), []
    for (_, number), one in ROUNDS.items():
        chance = 1 / (1 + np.exp(chances[one.other] - chances[one.one]))
        for voter in range(voters):
            made.append(vote(number, f"v{voter}", "left" if rng.random() < chance else "right"))
    return made


def test_strengths_are_those_of_choix():
    import choix  # imports much of scipy

    cast = [*votes({"a": 1.0, "b": 0.0, "c": -1.0}), vote(0, "x", "tie"), vote(1, "x", "bad")]
    pairs = []
    for one in cast:
        asked = ROUNDS[one.room, one.number]
        left, right = NAMES.index(asked.one), NAMES.index(asked.other)
        wins = {"left": [(left, right)] * 2, "right": [(right, left)] * 2}
        pairs += wins.get(one.choice, [(left, right), (right, left)])
    expected = choix.opt_pairwise(3, pairs, alpha=PENALTY)
    found = {one.encoder: one.strength for one in standing(NAMES, ROUNDS, cast).strengths}
    assert [found[name] for name in NAMES] == pytest.approx(expected - expected.mean(), abs=1e-4)


def test_a_clear_preference_is_certain_and_none_is_shared():
    found = standing(NAMES, ROUNDS, votes({"a": 2.5, "b": 0.0, "c": -2.5}))
    assert [(one.encoder, one.rank) for one in found.strengths] == [("a", 1), ("b", 2), ("c", 3)]
    assert all(one.low <= one.share <= one.high for one in found.strengths)
    assert (found.votes, found.voters, found.rounds) == (240, 8, 30)
    even = standing(NAMES, ROUNDS, votes(dict.fromkeys(NAMES, 0.0)))
    assert [one.rank for one in even.strengths] == [1, 1, 1]


def test_counts_are_those_of_the_votes():
    cast = [vote(0, "v", "left"), vote(1, "v", "right"), vote(2, "v", "tie"), vote(3, "v", "bad")]
    record = {
        one.encoder: (one.wins, one.ties, one.losses)
        for one in standing(NAMES, ROUNDS, cast).strengths
    }
    assert record == {"a": (1, 2, 0), "b": (0, 1, 2), "c": (1, 1, 0)}


def test_nobody_has_voted():
    found = standing(NAMES, ROUNDS, [])
    assert found.alpha is None
    assert {(one.rank, one.share, one.low, one.high) for one in found.strengths} == {(1, 0.5, 0, 1)}


def test_agreement_of_voters():
    same = [vote(n, v, ("left", "right")[n % 2]) for n in range(10) for v in ("x", "y")]
    assert agreement(same) == 1.0
    opposed = [vote(n, v, c) for n in range(10) for v, c in (("x", "left"), ("y", "right"))]
    assert agreement(opposed) < 0
    assert agreement([vote(n, "x", "left") for n in range(5)]) is None
