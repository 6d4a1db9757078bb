"""The Arena: a vote alone, a class, a pool."""

from __future__ import annotations

import csv
import io
import re

import pytest

from core.services.arena import ballots
from pages.parts.arena import place, results, voting
from tests.pages.reading import component, html, notes, param

NAMES = ["hsv.12x4x4", "tiny.16x16", "hog.8x8"]


def press(app, words):
    (button,) = (one for one in app.button if one.label == words)
    return button.click().run()


@pytest.fixture
def arena(open_page):
    app = open_page("arena", run=False)
    app.session_state[place.ENCODERS] = NAMES
    app.run()
    assert app.number_input[0].value == place.DEFAULT_ROUNDS  # not the least that the field allows
    return app.number_input[0].set_value(3).run()


def test_names_are_hidden_until_a_vote_and_the_result_follows(arena):
    app = press(arena, "Vote")
    (room,) = ballots.rooms()
    rounds = ballots.rounds(room.code)
    for one in rounds:
        page = re.sub('data:image[^"]*', "", html(app))  # base64 may spell a name
        assert f"Round {one.number} of 3" in page
        assert not any(name in page for name in ("HSV histogram", "Tiny image", "HOG"))
        app = press(app, "A is better")
        assert "You preferred" in notes(app)
        app = press(app, "See the result" if one.number == 3 else "Next round")
    cast = ballots.votes([room.code])
    assert [(vote.number, vote.choice) for vote in cast] == [(n, "left") for n in (1, 2, 3)]
    assert "Bradley-Terry" in html(app)
    assert html(app).count('class="track"') == 3
    ranks = [one.rank for one in results.of([room]).strengths]
    shared = sum(ranks.count(rank) > 1 for rank in ranks)
    assert html(app).count("=</b>") == shared > 0
    rows = list(csv.DictReader(io.StringIO(results.votes_csv([room]))))
    assert [(row["query"], row["A"], row["choice"]) for row in rows] == [
        (one.query, one.one, "left") for one in rounds
    ]
    assert [one for one in press(app, "Back to the Arena").button if one.label == "Vote"]


def test_a_class_votes_on_the_round_that_is_shown(arena, open_page):
    leader = press(arena, "Open a room")
    (room,) = ballots.rooms()
    assert room.code in html(leader)
    assert param(leader, "lead")
    voter = open_page("arena", room=room.code.lower(), voter="ann")
    assert "The first round comes" in notes(voter)
    press(leader, "Start the first round")
    assert voting.ASK in html(voter.run())
    voter = press(voter.run(), "B is better")
    assert "Counted: B" in html(voter)
    leader = leader.run()
    assert "1 vote" in html(leader)
    leader = press(leader, "Show the names")
    assert "ar-bars" in html(leader)
    assert "You preferred" in notes(voter.run())
    assert not [one for one in voter.button if one.label == "B is better"]


def test_a_forged_secret_leads_nothing(arena, open_page):
    press(arena, "Open a room")
    (room,) = ballots.rooms()
    app = open_page("arena", room=room.code, lead="guessed")
    assert not [one for one in app.button if one.label == "Start the first round"]
    assert "There is no room" in notes(open_page("arena", room="<b>x"))


def test_a_pool_is_judged_and_evaluated(open_page):
    app = open_page("arena", run=False, judge="1", voter="ann")
    app.session_state[place.ENCODERS] = NAMES
    app.run()
    shown = [item["id"] for item in component(app, "grid")["items"]]
    app.session_state["arena_fits"] = set(shown[:4])
    (button,) = (one for one in app.button if "next query" in one.label)
    app = button.click().run()
    rows = ballots.judgements("catalogue")
    assert {item for _, item, _, fits in rows if fits} == set(shown[:4])
    assert {item for _, item, _, _ in rows} == set(shown)
    assert "What the judgements say" in html(app)
    assert [item["id"] for item in component(app, "grid")["items"]] != shown
    app = press(app, "Show in Metrics")
    assert not app.exception
    app = open_page("metrics", report="judged-catalogue")
    assert (param(app, "report"), param(app, "protocol")) == ("judged-catalogue", "judged")
