"""The two caches of Streamlit, shared by all sessions but for what is a visitor's own: that is kept
for its session alone and goes with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.services.hosting import ownership

OWN_ENTRIES = 400
"""The most that one visitor's session keeps of one kind."""


def data(**options: Any) -> Callable:
    """``st.cache_data``: everybody who asks gets a copy."""
    return lambda function: _kept(st.cache_data, function, options)


def resource(**options: Any) -> Callable:
    """``st.cache_resource``: everybody who asks gets the same object."""
    return lambda function: _kept(st.cache_resource, function, options)


def _in_session() -> bool:
    """Whether this thread works for a session; threads in the background do not."""
    return get_script_run_ctx(suppress_warning=True) is not None


def _kept(cache: Callable, function: Callable, options: dict) -> Callable:
    shared = cache(**options)(function)
    entries = min(options.get("max_entries") or OWN_ENTRIES, OWN_ENTRIES)
    own = cache(**{**options, "max_entries": entries, "scope": "session"})(function)

    def kept(*given: object, **named: object) -> object:
        if not ownership.is_private(*given, *named.values()):
            return shared(*given, **named)
        return (own if _in_session() else function)(*given, **named)

    def clear() -> None:
        shared.clear()
        if ownership.is_visitor() and _in_session():
            own.clear()

    kept.clear = clear
    kept.__name__, kept.__doc__, kept.__wrapped__ = function.__name__, function.__doc__, function
    return kept
