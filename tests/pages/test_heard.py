"""Values that a page puts into widgets while the browser still says older ones."""

from __future__ import annotations

import copy
import math

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.runtime.state.common import user_key_from_element_id
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from pages.parts import guard, heard

    state = st.session_state

    def choose(names: str) -> None:
        state["names"] = list(names)

    def draw() -> None:
        state["refused"] = heard.refused()
        if state.pop("ends", False):
            st.rerun()
        state["changed"] = state.get("changed", 0)
        for names in ("ab", "bc"):
            st.button(names, key=names, on_click=choose, args=(names,))
        st.button("Other", key="other")
        st.slider("Share", 0.0, 1.0, key="share")
        st.multiselect(
            "Names",
            list("abc"),
            key="names",
            max_selections=2,
            on_change=lambda: state.update(changed=state.changed + 1),
        )
        st.selectbox("Size", list("SML"), key="size")
        st.number_input("Rounds", 1, 9, 4, key="rounds")

    guard.run(draw, "Test")


class Browser:
    """What it shows: what a person chose and what it has heard of."""

    def __init__(self) -> None:
        self.app = AppTest.from_function(page, default_timeout=600).run()
        self.hear()
        self.use("names", ["a"])
        self.hear()

    def hear(self) -> Browser:
        """All that the last run told."""
        self.shown = {
            user_key_from_element_id(one.id): copy.deepcopy(one)
            for one in self.app._tree.get_widget_states().widgets
        }
        return self

    def use(self, key: str, value: object = True) -> tuple[list[str], int]:
        """A control is used; which names are chosen then, and how often somebody chose them."""
        if isinstance(value, list):
            self.shown[key].string_array_value.data[:] = value
        elif isinstance(value, str):
            self.shown[key].string_value = value
        said = WidgetStates(widgets=self.shown.values())
        for one in said.widgets:
            if value is True and user_key_from_element_id(one.id) == key:
                one.trigger_value = True
        self.app._run(said)
        return self.app.multiselect(key="names").value, self.app.session_state["changed"]

    @property
    def told(self) -> list[str]:
        return list(
            self.app.multiselect(key="names").proto.set_value
            * self.app.multiselect(key="names").value
        )


@pytest.fixture
def browser() -> Browser:
    return Browser()


def test_what_a_page_chose_outlives_what_the_browser_said_before_it_heard(browser):
    assert browser.use("ab") == (["a", "b"], 1)
    assert browser.use("size", "L") == (["a", "b"], 1)
    assert browser.told == ["a", "b"]
    assert browser.hear().use("size", "M") == (["a", "b"], 1)
    assert browser.told == []


def test_it_does_so_though_the_run_that_was_to_tell_it_ended_at_once(browser):
    browser.app.session_state["ends"] = True
    browser.use("ab")
    assert browser.use("size", "L") == (["a", "b"], 1)
    assert browser.told == ["a", "b"]


def test_of_several_on_their_way_the_last_holds(browser):
    browser.use("ab")
    number = copy.deepcopy(browser.shown["heard"])
    browser.use("bc")
    browser.use("ab")
    browser.use("bc")
    browser.shown["names"].string_array_value.data[:] = ["a", "b"]
    assert browser.use("size", "L") == (["b", "c"], 1)
    assert browser.shown["heard"] == number


def test_what_a_person_chose_meanwhile_stays_and_is_told_again(browser):
    browser.use("ab")
    assert browser.use("names", ["a", "c"]) == (["a", "c"], 2)
    assert browser.told == ["a", "c"]
    browser.shown["names"].string_array_value.data[:] = ["a", "b"]  # what was on its way came
    assert browser.use("size", "L") == (["a", "c"], 2)
    assert browser.hear().use("names", ["a", "b"]) == (["a", "b"], 3)


def test_what_was_heard_can_be_taken_back(browser):
    browser.use("ab")
    assert browser.hear().use("names", ["a"]) == (["a"], 2)
    assert browser.told == []


@pytest.mark.parametrize("number", ["", "x", "-1", "9" * 99, "²"])
def test_a_number_that_no_run_had_is_none(browser, number):
    browser.use("ab")
    browser.shown["heard"].string_value = number
    assert browser.use("size", "L") == (["a", "b"], 1)


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("size", "string_value", "XL"),
        ("size", "double_value", 1.0),
        ("names", "string_array_value", ["a", "x"]),
        ("names", "string_array_value", ["b", "b"]),
        ("names", "string_array_value", ["a", "b", "c"]),
        ("names", "string_value", "b"),
        ("share", "double_array_value", [math.nan]),
        ("share", "string_value", "1"),
    ],
)
def test_a_value_that_is_not_offered_leaves_the_one_before(browser, key, kind, value):
    said = browser.shown[key] = WidgetState(id=browser.shown[key].id)
    if isinstance(value, list):
        getattr(said, kind).data[:] = value
    else:
        setattr(said, kind, value)
    assert browser.use("other") == (["a"], 1)
    state = browser.app.session_state
    assert (state["size"], state["share"], state["refused"]) == ("S", 0.0, True)
    browser.hear().use("other")
    assert not state["refused"]
    assert not browser.app.exception


def test_a_whole_number_as_browsers_say_it_is_one_that_is_offered(browser):
    """Streamlit notes ``double_value`` for it."""
    browser.shown["rounds"] = WidgetState(id=browser.shown["rounds"].id, int_value=7)
    browser.use("other")
    state = browser.app.session_state
    assert (state["rounds"], state["refused"]) == (7, False)
