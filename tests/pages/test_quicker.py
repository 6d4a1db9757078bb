"""What Streamlit is spared says the same as what it would have made."""

import copy
import threading

import pytest
from streamlit import config
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.state import SafeSessionState, SessionState

from pages.parts import asking, quicker

SECTIONS = ("theme", "theme.light", "theme.dark", "theme.light.sidebar", "theme.sidebar")
PATIENCE_S = 300.0


@pytest.fixture
def begun(monkeypatch):
    """Taken back after the test: Streamlit's own two."""
    fill, every = getattr(app_session, quicker.THEME), vars(SafeSessionState)[quicker.STATE]
    monkeypatch.setattr(app_session, quicker.THEME, fill)
    monkeypatch.setattr(SafeSessionState, quicker.STATE, every)
    quicker.begin()
    quicker.begin()
    return fill, every.fget


@pytest.mark.parametrize("section", SECTIONS)
def test_the_theme_is_what_streamlit_would_say(begun, section):
    plain, quick, again = CustomThemeConfig(), CustomThemeConfig(), CustomThemeConfig()
    begun[0](plain, section)
    for message in (quick, again):
        getattr(app_session, quicker.THEME)(message, section)
    assert quick == again == plain


def test_settings_that_are_read_anew_are_said(begun, monkeypatch):
    def colour():
        message = CustomThemeConfig()
        getattr(app_session, quicker.THEME)(message, "theme.light")
        return message.primary_color

    before = colour()
    read = copy.deepcopy(config.get_config_options())
    read["theme.light.primaryColor"].set_value("#123456", "a test")
    monkeypatch.setattr(config, "_config_options", read)
    assert before != colour() == "#123456"


def test_a_session_holds_the_same_values_by_key(begun):
    state = SafeSessionState(SessionState(), lambda: None)
    state["chosen"], state["nothing"] = "exact", None
    found = state.filtered_state
    assert dict(found) == begun[1](state) == {"chosen": "exact", "nothing": None}
    assert "chosen" in found
    assert found["nothing"] is None
    assert "other" not in found
    assert len(found) == 2


def test_others_are_sessions_whose_questions_have_no_answer_yet(monkeypatch):
    sessions, whose, answered = {"anna": {}, "bela": {}}, ["anna"], threading.Event()
    monkeypatch.setattr(asking, "_asks", lambda: sessions[whose[0]])
    asking.begin("a question", answered.wait)
    assert not asking.others(), "one's own is nobody else's"
    whose[0] = "bela"
    assert asking.others()
    answered.set()
    whose[0] = "anna"
    assert asking.wait_for(["a question"], PATIENCE_S)
    for thread in threading.enumerate():
        if thread.name == "ask":
            thread.join(PATIENCE_S)
    whose[0] = "bela"
    assert not asking.others()
