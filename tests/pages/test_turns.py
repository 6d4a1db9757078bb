"""Compare on a public server on which more search than there are places."""

import threading

import pytest

from core.services.search import admission
from pages.parts import answers
from tests.pages.reading import LIGHT, columns


@pytest.fixture
def place(monkeypatch):
    """The one place there is, taken; what is called gives it back."""
    line, taken, over = admission.Line(1), threading.Event(), threading.Event()
    monkeypatch.setattr(admission, "line", lambda: line)
    monkeypatch.setattr(answers, "hosted", lambda: True)
    monkeypatch.setattr(answers, "CROWDED_S", 0.0)

    def hold() -> None:
        with line.within():
            line.enter(0.0, list)
            taken.set()
            over.wait()

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    taken.wait()
    yield over.set
    over.set()
    thread.join()


def test_a_page_that_waits_for_its_turn_shows_its_columns_meanwhile(compare, place, monkeypatch):
    drawn, draw = [], answers.draw

    def noted(view, found, *given, **named):
        drawn.append([column["state"] for column in found.columns])
        place()
        return draw(view, found, *given, **named)

    monkeypatch.setattr(answers, "draw", noted)
    app = compare()
    assert len(drawn[0]) == len(LIGHT)
    assert set(drawn[0]) <= {"pending", "loading"}
    assert [column["state"] for column in columns(app).values()] == ["done"] * len(LIGHT)


def test_a_page_with_nothing_to_ask_waits_for_no_turn(compare, place, monkeypatch):
    with monkeypatch.context() as alone:
        alone.setattr(answers, "hosted", lambda: False)
        app = compare()
    app.run()
    assert [column["state"] for column in columns(app).values()] == ["done"] * len(LIGHT)
