"""A talk: its scenes, their order, and the file that travels."""

from __future__ import annotations

import json

import pytest

from core.errors import UserError
from core.services.sharing import talks
from core.services.sharing.talks import Scene, Talk

ONE = Scene("HOG or colour?", "Compare", {"encoders": "hog.8x8,hsv.12x4x4", "k": "6"}, "Ask first.")
TWO = Scene("Who is best?", "Metrics", {"view": "Leaderboard"})


@pytest.fixture(autouse=True)
def empty(artifacts):
    assert talks.read() == Talk()


def test_scenes_are_added_moved_changed_and_dropped():
    assert [talks.add(ONE), talks.add(TWO)] == [1, 2]
    talks.move(1, -1)
    assert talks.read().scenes == (TWO, ONE)
    talks.change(0, Scene("Best", "Metrics"))
    talks.move(0, 5)
    assert [scene.title for scene in talks.read().scenes] == ["HOG or colour?", "Best"]
    talks.drop(0)
    assert [scene.title for scene in talks.read().scenes] == ["Best"]
    for change in (lambda: talks.drop(4), lambda: talks.move(-1, 1), lambda: talks.change(9, ONE)):
        with pytest.raises(UserError, match="no scene"):
            change()


def test_the_scene_that_is_shown_is_known_to_another_window():
    talks.keep(Talk((ONE, TWO)))
    assert (talks.show(0), talks.read().now) == (ONE, 0)
    assert (talks.show(7), talks.read().now) == (TWO, 1)
    assert (talks.show(-3), talks.read().now) == (ONE, 0)
    assert (talks.show(None), talks.read().now) == (None, None)


def test_a_talk_travels_as_a_file():
    talks.keep(Talk((ONE, TWO), 1))
    assert talks.from_file(talks.written(talks.read()).encode()) == Talk((ONE, TWO))
    marked = b"\xef\xbb\xbf" + talks.written(Talk((TWO,))).encode()
    assert talks.from_file(marked).scenes == (TWO,)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"form": "another", "scenes": []}',
        json.dumps({"form": talks.FORM, "scenes": [{"title": "x", "path": "/etc"}]}).encode(),
        json.dumps({"form": talks.FORM, "scenes": [{"title": 3, "page": "Compare"}]}).encode(),
        json.dumps({"form": talks.FORM, "scenes": [{"title": "x", "page": "y", "params": 4}]}).encode(),
    ],
)  # fmt: skip
def test_another_file_is_refused_in_a_sentence(data):
    with pytest.raises(UserError):
        talks.from_file(data)


def test_a_file_that_was_damaged_counts_as_none():
    talks.keep(Talk((ONE,)))
    talks._file().write_bytes(b"\0" * 40)
    assert talks.read() == Talk()
    assert talks.add(TWO) == 1
