"""A press that is not lost over a slow connection.

Whatever is used while the page still runs for the control before ends that run, and Streamlit
forgets what the run had not come to: a button that was pressed, a picture that was clicked. What is
noted before a run begins is known to the next one, too. It is forgotten when the page has been
drawn to its end, or another one is shown: nothing happens long after somebody pressed for it.

What a press leads to is done whole: only what is drawn, and :func:`let_in`, ends a run for another
control. In Streamlit every look at the session does, also in the middle of a callback, which then
dies there, or between taking a wish and fulfilling it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.state import SafeSessionState

T = TypeVar("T")
NOTED, PLACE = "press_noted", "press_place"
"""Session: what was pressed and waits, ``key`` or ``key.event`` -> values, and its page."""
LOOK, LET_IN = "_yield_callback", "_let_in"
"""What Streamlit calls with every look at the session, and under what name it is kept here."""
HEARD, DONE = "press_heard", "press_done"
"""Session: component -> event -> number of the last that was heard, and that was come to."""


def button(
    label: str,
    *,
    key: str,
    on_click: Callable[..., None] | None = None,
    args: tuple = (),
    **more: object,
) -> bool:
    """``st.button``; whether it was pressed since the page came here last."""
    st.button(label, key=key, on_click=_pressed, args=(key, on_click, args), **more)
    return bool(_taken(key))


def submit(label: str, *, key: str, **more: object) -> bool:
    """The same of ``st.form_submit_button``."""
    st.form_submit_button(label, key=key, on_click=_note, args=(key,), **more)
    return bool(_taken(key))


KINDS = {
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "png": "image/png",
    "md": "text/markdown",
    "tex": "text/x-tex",
}


def download(label: str, made: object, file: str, **more: object) -> None:
    """``st.download_button`` of a file, whose kind its ending says; the page is not drawn anew."""
    kind = KINDS.get(file.rpartition(".")[2], "text/plain")
    st.download_button(label, made, file, kind, on_click="ignore", **more)


def text(said: object) -> str:
    """A text that a component said. Raises TypeError where it is none."""
    if not isinstance(said, str):
        raise TypeError(said)
    return said


def finite(said: object) -> float:
    """The same for a number that is one. Raises ValueError and others."""
    if not math.isfinite(number := float(said)):
        raise ValueError(said)
    return number


def read(said: object, of: Callable[[object], T]) -> T | None:
    """What a component said; None where ``of`` can make nothing of it: no page of ours says that,
    but what comes from a browser may have been written by hand."""
    try:
        return of(said)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError):
        return None


def noting(key: str, event: str, of: Callable[[object], object] = text) -> Callable[[], None]:
    """What a component calls when it says ``event``, which ``of`` reads; :func:`said` gives it."""
    return partial(_hear, key, event, of)


def said(key: str, event: str) -> object:
    """What a component said last since the page came here; None where it said nothing."""
    return (_taken(f"{key}.{event}") or [None])[-1]


def noting_each(key: str, event: str, of: Callable[[object], object] = text) -> Callable[[], None]:
    """The same for what may be said several times before the page comes to it; :func:`each` gives
    all of it.

    Of two messages that wait Streamlit keeps the later one. So the component says all again that
    was not heard (:func:`heard`), each as [number, value].
    """
    return partial(_hear_each, key, event, of)


def each(key: str, event: str) -> list:
    """All that a component said since the page came here, each once, the first first."""
    done = st.session_state.setdefault(DONE, {}).setdefault(key, {})
    done[event] = _last(key, event)
    return _taken(f"{key}.{event}")


def heard(key: str) -> dict[str, float]:
    """Event -> the number of the last come to before this drawing of the component."""
    return dict(st.session_state.get(DONE, {}).get(key, {}))


def let_in() -> None:
    """Where a run waits: what was used meanwhile ends it here."""
    if (context := get_script_run_ctx(suppress_warning=True)) is not None:
        kept = vars(context.session_state)
        kept.get(LET_IN, kept.get(LOOK))()


def _do_whole() -> None:
    """No look at the session ends a run, in this process: there is no setting for it."""
    if not isinstance(vars(SafeSessionState).get(LOOK), property):
        keep = property(lambda _: lambda: None, lambda one, call: vars(one).update({LET_IN: call}))
        setattr(SafeSessionState, LOOK, keep)


def settle(page: str) -> None:
    """Before a page is drawn: what was pressed on another one is forgotten."""
    _do_whole()
    if st.session_state.get(PLACE) != page:
        forget()
        st.session_state[PLACE] = page


def forget() -> None:
    """A page was drawn to its end: what it has no place for now is no wish any more."""
    st.session_state.pop(NOTED, None)


def _pressed(key: str, act: Callable[..., None] | None, args: tuple) -> None:
    _note(key)
    if act is not None:
        act(*args)


def _taken(name: str) -> list:
    return st.session_state.get(NOTED, {}).pop(name, [])


def _note(name: str, value: object = True) -> None:
    st.session_state.setdefault(NOTED, {}).setdefault(name, []).append(value)


def _hear(key: str, event: str, of: Callable[[object], object]) -> None:
    if (known := read(st.session_state[key][event], of)) is not None:
        _note(f"{key}.{event}", known)


def _hear_each(key: str, event: str, of: Callable[[object], object]) -> None:
    last = _last(key, event)
    for number, value in _numbered(st.session_state[key][event]):
        if number > last:
            last = number
            if (known := read(value, of)) is not None:
                _note(f"{key}.{event}", known)
    st.session_state.setdefault(HEARD, {}).setdefault(key, {})[event] = last


def _last(key: str, event: str) -> float:
    return st.session_state.get(HEARD, {}).get(key, {}).get(event, 0)


def _numbered(sent: object) -> list[tuple[float, object]]:
    """What a browser sent, without what is none of ours."""
    pairs = sent if isinstance(sent, list) else []
    pairs = [one for one in pairs if isinstance(one, list) and len(one) == 2]
    return [(number, value) for number, value in pairs if read(number, finite) is not None]
