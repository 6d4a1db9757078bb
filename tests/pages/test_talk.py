"""The talk: scenes are collected on pages, put in order, and presented."""

from __future__ import annotations

import pytest

from core.services.sharing import talks
from core.services.sharing.talks import Scene, Talk
from pages.parts import presenting
from tests.pages.reading import columns, html, notes

SCENES = (
    Scene("Two of them", "Compare", {"encoders": "hog.8x8,hsv.12x4x4", "k": "5"}, "Ask first."),
    Scene("Gone", "No such page"),
)


@pytest.fixture
def talk(artifacts):
    talks.keep(Talk(SCENES))


def press(app, words):
    return next(one for one in app.button if one.label == words).click().run()


def test_an_empty_talk_says_how_to_begin(open_page):
    assert "no scene yet" in notes(open_page("talk"))


def test_scenes_are_moved_and_removed(open_page, talk):
    app = open_page("talk")
    app = next(one for one in app.button if one.key == "scene_Down_0").click().run()
    assert [scene.title for scene in talks.read().scenes] == ["Gone", "Two of them"]
    next(one for one in app.button if one.key == "scene_drop_0").click().run()
    assert [scene.title for scene in talks.read().scenes] == ["Two of them"]


def test_a_scene_is_shown_without_controls_and_as_it_was_saved(open_page, talk):
    app = open_page("compare", run=False, **dict(SCENES[0].params))
    app.session_state[presenting.SHOWN] = app.session_state["talk_sent"] = 0
    talks.show(0)
    app.run()
    assert not app.exception
    assert "Two of them" in html(app)
    assert "--ll-controls: none" in html(app)
    assert list(columns(app)) == ["hog.8x8", "hsv.12x4x4"]


def test_the_other_window_has_the_notes(open_page, talk):
    assert "Nothing is presented" in notes(open_page("talk", notes="1"))
    talks.show(0)
    said = html(open_page("talk", notes="1"))
    assert "Ask first." in said
    assert "Gone" in said


def test_a_scene_of_a_page_that_is_gone_is_said(open_page, talk):
    app = open_page("compare", run=False)
    app.session_state[presenting.SHOWN] = 1
    app.run()
    assert not app.exception
    assert "There is no page" in notes(app)
