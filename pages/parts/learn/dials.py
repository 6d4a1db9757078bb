"""Controls of a live part, whose values stand in the link: each is named once, where it is drawn.

A link that was opened (or gone back to) sets every control, those that it does not name to their
defaults. One that says something impossible gets the default, without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import streamlit as st

PARAM = "lesson"
SHOWN, DRAWN, SEEN = "learn_lesson", "learn_dials", "learn_seen"


def begin(lesson: str) -> None:
    """A lesson is drawn; the controls that follow belong to it."""
    state, params = st.session_state, dict(st.query_params)
    state[SHOWN], state[DRAWN] = lesson, {}
    if params != state.get(SEEN):
        for key in [one for one in state if str(one).startswith(_key(""))]:
            del state[key]
        state[SEEN] = params


def _key(name: str) -> str:
    return f"keep_learn_{st.session_state[SHOWN]}_{name}"


def _start(name: str, default, read: Callable[[str], object]):
    """The session's key of a control, which holds what the link says, else the default."""
    key = _key(name)
    if key not in st.session_state:
        st.session_state[key] = default
        if st.query_params.get(PARAM) == st.session_state[SHOWN] and name in st.query_params:
            with suppress(ValueError, OverflowError):
                st.session_state[key] = read(st.query_params[name])
    st.session_state[DRAWN][name] = default
    return key


def _one_of(options: Sequence) -> Callable[[str], object]:
    known = {str(one): one for one in options}

    def read(text: str) -> object:
        if text not in known:
            raise ValueError(text)
        return known[text]

    return read


def choice(
    name: str,
    label: str,
    options: Sequence,
    default,
    names: Callable[[object], str] = str,
    help: str | None = None,
):
    """One of a few, all of them visible."""
    key = _start(name, default, _one_of(options))
    if st.session_state[key] not in options:
        st.session_state[key] = default
    return st.segmented_control(
        label, list(options), key=key, format_func=names, required=True, help=help
    )


def pick(name: str, label: str, options: Sequence, default, names=str, width: int = 208):
    """One of many, in a list that opens."""
    key = _start(name, default, _one_of(options))
    if st.session_state[key] not in options:
        st.session_state[key] = default
    return st.selectbox(label, list(options), key=key, format_func=names, width=width)


def stops(name: str, label: str, options: Sequence, default, help: str | None = None):
    """A slider with named stops."""
    key = _start(name, default, _one_of(options))
    if st.session_state[key] not in options:
        st.session_state[key] = default
    return st.select_slider(label, list(options), key=key, width=208, help=help)


def number(
    name: str, label: str, low: float, high: float, default: float, step: float, help=None
) -> float:
    """A slider; whole where ``step`` is."""
    whole = isinstance(step, int)

    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError(text)
        return int(value) if whole else value

    return st.slider(
        label, low, high, key=_start(name, default, read), step=step, width=208, help=help
    )


def switch(name: str, label: str, default: bool = False, help: str | None = None) -> bool:
    key = _start(name, default, lambda text: bool(_one_of(("0", "1"))(text) == "1"))
    return st.toggle(label, key=key, help=help)


def publish() -> None:
    """The address bar says the lesson and every control that stands elsewhere than at its
    default."""
    params = {PARAM: st.session_state[SHOWN]}
    for name, default in st.session_state[DRAWN].items():
        value = st.session_state.get(_key(name), default)
        if value != default:
            params[name] = str(int(value) if isinstance(value, bool) else value)
    if params != dict(st.query_params):
        st.query_params.from_dict(params)
    st.session_state[SEEN] = params
