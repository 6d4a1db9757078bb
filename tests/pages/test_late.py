"""A person who is faster than the connection: what was chosen while the page still answered stays."""

from __future__ import annotations

import re

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.parts import heard, url_state
from tests.pages.conftest import PATIENCE_S
from tests.pages.reading import PAGES as PAGE_FILES
from tests.pages.reading import columns, component, hold, param, say
from tests.pages.test_cold import PAGES

VIEWS = [
    ("index_lab", {"view": "One query"}),
    ("learn", {"lesson": "metrics"}),
    ("library", {"tab": "Encoders"}),
    ("library", {"set": "catalogue"}),
    ("map", {"view": "Morph"}),
    ("metrics", {"view": "Curves"}),
]


def told(app: AppTest) -> list[str]:
    """Controls that the last run put a value into, whatever the browser shows in them."""
    return [
        getattr(node, "key", None)
        for node in app
        if getattr(getattr(node, "proto", None), "set_value", False)
        and node.key != heard.MARK  # the number of the run is another one each time
    ]


@pytest.mark.parametrize(("page", "params"), [(page, {}) for _, page in PAGES] + VIEWS)
def test_an_answer_takes_no_later_choice_back(open_page, page, params):
    app = open_page(page, **params)
    assert told(app.run()) == []


@pytest.fixture
def interrupt(monkeypatch):
    """The next run of a page ends before it has drawn anything: something else was used."""
    real = url_state.settle

    def armed() -> None:
        def ended(page: str) -> None:
            monkeypatch.setattr(url_state, "settle", real)
            st.rerun()

        monkeypatch.setattr(url_state, "settle", ended)

    return armed


def test_a_press_outlives_the_run_that_another_ends(open_page, interrupt):
    app = open_page("learn", lesson="cosine")
    interrupt()
    app.button(key="learn_following").click().run()
    assert param(app, "lesson") != "cosine"


def test_every_button_that_is_read_where_it_stands_keeps_its_press():
    read = re.compile(r"(?:if|and|or|not|=|return) (?:\w+)\.(?:button|form_submit_button)\(")
    known = re.compile(r"press\.button\(|add\.button\(|presenting\.button\(|export\.button\(")
    found = [
        f"{path.name}: {line.strip()}"
        for path in PAGE_FILES.rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if read.search(line) and not known.search(line)
    ]
    assert found == []


def test_a_press_is_forgotten_with_its_page(open_page, interrupt):
    app = open_page("learn", lesson="cosine")
    interrupt()
    app.button(key="learn_following").click()
    app.switch_page("pages/talk.py").run()
    app.switch_page("pages/learn.py").run()
    assert param(app, "lesson") == "cosine"


def test_what_the_board_says_is_done_once_each(compare, interrupt):
    app, [first, second, third] = compare(), ["hog.8x8", "tiny.16x16", "hsv.12x4x4"]
    interrupt()
    say(app, "board", "acted", [[5, f"hide:{first}"], [6, f"pin:{third}"]])
    assert (list(columns(app)), component(app, "board")["heard"]) == (
        [third, second],
        {"picked": 0, "acted": 6},
    )
    say(app, "board", "acted", [[6, f"pin:{second}"], [7, f"show:{first}"]])
    assert list(columns(app)) == [third, first, second]
    assert list(columns(say(app, "board", "acted", ["?", [None, "hide:x"], [8]]))) == [
        third, first, second]  # fmt: skip


def test_a_picture_that_is_clicked_is_searched_though_another_control_follows(compare, interrupt):
    app = compare()
    hit = columns(app)["hog.8x8"]["hits"][3]["id"]
    interrupt()
    app.selectbox(key="keep_k").set_value(5)
    say(app, "board", "picked", [[1, hit]])
    assert (param(app, "query"), param(app, "k")) == (f"item:{hit}", "5")


def test_points_that_were_dragged_one_after_another_all_stay(open_page):
    app = open_page("learn", lesson="cosine")
    before = {one["name"]: one["at"] for one in component(app, "learn_sketch")["handles"]}
    one, other = list(before)[:2]
    hold(
        app, "learn_sketch", {"moved": {"at": {one: [0.5, 0.25], other: [0.25, 0.5]}, "number": 9}}
    )
    drawn = component(app, "learn_sketch")
    after = {handle["name"]: handle["at"] for handle in drawn["handles"]}
    assert after == {**before, one: [0.5, 0.25], other: [0.25, 0.5]}
    assert drawn["heard"] == 9


def test_what_a_press_leads_to_is_done_whole_though_another_waits():
    app = AppTest.from_function(busy, default_timeout=PATIENCE_S).run()
    app.button(key="go").click().run()
    assert app.session_state["done"] == 2
    assert app.session_state["let in"]


def busy() -> None:
    """A page on which another control is used while a callback works, and while a run waits."""
    import streamlit as st
    from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

    from pages.parts import press

    state = st.session_state

    def press_again() -> None:  # of the run that works now; the one that made a callback is over
        assert get_script_run_ctx().script_requests.request_rerun(RerunData())

    def work() -> None:
        for _ in range(2):
            press_again()
            state["done"] = state.get("done", 0) + 1

    press.settle("busy")
    st.button("Go", key="go", on_click=work)
    if state.get("done") and "let in" not in state:
        state["let in"] = True
        press_again()
        press.let_in()
        state["let in"] = False
