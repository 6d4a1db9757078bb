"""Every page as the first page of a cold app, and what they share."""

from __future__ import annotations

import pytest

from core.services import jobs
from core.services.embedding.opening import FIRST_ENCODERS
from pages.parts import answers
from pages.parts.shell import MENU
from tests.pages.reading import columns, component, html

PAGES = [(name, "" if path == "streamlit_app.py" else path[6:-3]) for name, path, _ in MENU]
FIRST = list(FIRST_ENCODERS)


@pytest.mark.parametrize(("name", "page"), PAGES)
def test_a_page_opens_first_in_a_cold_app(open_page, name, page):
    app = open_page(page)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert "<h1>" in html(app)


@pytest.mark.parametrize(("name", "page"), PAGES)
def test_the_menu_leads_to_every_page_that_exists(open_page, name, page):
    labels = [link.proto.label for link in open_page(page).sidebar.get("page_link")]
    assert labels == [name for name, _ in PAGES]


def test_home_is_answered_by_three_encoders_without_a_build(open_page):
    app = open_page()
    shown = columns(app)
    assert list(shown) == FIRST
    assert all(column["state"] == "done" and len(column["hits"]) == 6 for column in shown.values())
    assert jobs.listing() == []
    assert "rendered" in html(app)
    assert len(component(app, "grid")["items"]) == 17


def test_home_shows_the_answers_that_came_just_after_it_was_drawn(open_page, monkeypatch):
    real = answers.draw

    def then_quick(*given, **named):
        drawn = real(*given, **named)
        monkeypatch.setattr(answers, "AT_ONCE_S", 60.0)
        return drawn

    monkeypatch.setattr(answers, "AT_ONCE_S", -1.0)
    monkeypatch.setattr(answers, "draw", then_quick)
    assert [column["state"] for column in columns(open_page()).values()] == ["done"] * 3


def test_values_outlive_another_page(open_page):
    app = open_page("compare")
    app.selectbox(key="keep_k").set_value(5).run()
    app.switch_page("pages/library.py").run()
    assert not app.exception
    app.query_params.clear()
    app.switch_page("pages/compare.py").run()
    assert app.selectbox(key="keep_k").value == 5
    assert [len(column["hits"]) for column in columns(app).values()] == [5, 5, 5]


def test_an_unforeseen_error_is_a_message_and_not_a_traceback(open_page, monkeypatch):
    from core.services.library import library

    monkeypatch.setattr(library, "index_rows", lambda: 1 / 0)
    app = open_page("compare")
    assert not app.exception
    assert "The page Compare failed: ZeroDivisionError" in html(app)
