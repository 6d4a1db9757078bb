"""Subjects found in the background: begun once, kept, told in a note where they fail."""

from __future__ import annotations

import threading

import pytest

from core.errors import UserError
from core.services.search import subject
from core.services.search.request import Query

NAME = "corner.test"


@pytest.fixture(autouse=True)
def nothing_kept(corner):
    subject._known.clear()
    yield
    subject._known.clear()


def test_the_caller_does_not_wait_and_the_detector_looks_once(quarters, corner, monkeypatch):
    gate, looked = threading.Event(), []
    monkeypatch.setattr(
        corner, "_detect", lambda self, image: looked.append(1) or (gate.wait(300) and self.finds)
    )
    query = Query(item_id="odd/3.png")
    assert subject.found(query, NAME, quarters) is None
    waits = [subject.begin(query, NAME, quarters) for _ in range(3)]
    assert subject.found(query, NAME, quarters) is None
    assert not any(wait(0.01) for wait in waits)
    gate.set()
    assert all(wait(60) for wait in waits)
    assert [box.label for box in subject.found(query, NAME, quarters).boxes] == ["thing", None]
    assert subject.begin(query, NAME, quarters)(0.0), "it is known"
    assert (looked, subject._at_work) == ([1], set())


def test_each_picture_and_each_state_of_a_detector_is_its_own(quarters, corner, monkeypatch):
    data = quarters.read(quarters.items[0])
    queries = [
        Query(item_id="odd/3.png"),
        Query(item_id="odd/5.png"),
        Query(data=data),
        Query(data=data + b"x"),
    ]
    for query in queries:
        assert subject.found(query, NAME, quarters) is None
        assert subject.begin(query, NAME, quarters)(60)
        assert subject.found(query, NAME, quarters).boxes
    monkeypatch.setattr(corner, "missing", "no weights")
    assert subject.found(queries[0], NAME, quarters) is None


@pytest.mark.parametrize(
    ("error", "said"), [(UserError("It failed."), "It failed."), (ValueError("x"), "ValueError")]
)
def test_what_goes_wrong_is_a_note(quarters, corner, monkeypatch, error, said):
    def fail(self, image):
        raise error

    monkeypatch.setattr(corner, "_detect", fail)
    query = Query(item_id="odd/3.png")
    assert subject.begin(query, NAME, quarters)(60)
    found = subject.found(query, NAME, quarters)
    assert found.boxes == ()
    assert said in found.note
    assert found.note.endswith("The whole picture is searched.")


def test_a_picture_that_can_not_be_read_is_a_note_and_an_unknown_name_an_error(quarters):
    assert subject.begin(Query(data=b"no picture"), NAME, quarters)(60)
    assert "not a picture" in subject.found(Query(data=b"no picture"), NAME, quarters).note
    with pytest.raises(UserError, match="no detector named"):
        subject.begin(Query(item_id="odd/3.png"), "nothing", quarters)


def test_no_more_is_kept_than_is_asked_for_again(quarters, monkeypatch):
    monkeypatch.setattr(subject, "MAX_KEPT", 2)
    for number in range(4):
        query = Query(item_id=f"{('even', 'odd')[number % 2]}/{number}.png")
        assert subject.begin(query, NAME, quarters)(60)
    assert len(subject._known) == 2
