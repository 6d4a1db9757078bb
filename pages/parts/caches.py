"""The two caches of Streamlit and a quicker one, shared by all sessions but for what is a visitor's
own: that is kept for its session alone and goes with it. A value that is slow to make can be kept,
and made again in the background once it is old, so that no visitor waits for it twice.

``gallery`` says of a function that what it gives follows from its arguments, data sets, encoders,
jobs and what they made: of visitors who have given query pictures and nothing else, only what names
such a picture is their own then.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core import store
from core.services.hosting import ownership

OWN_ENTRIES = 400
"""The most that one visitor's session keeps of one kind."""


def data(**options: Any) -> Callable:
    """``st.cache_data``: everybody who asks gets a copy."""
    return lambda function: _kept(st.cache_data, function, options)


def resource(**options: Any) -> Callable:
    """``st.cache_resource``: everybody who asks gets the same object."""
    return lambda function: _kept(st.cache_resource, function, options)


def quick(*, max_entries: int, ttl: float | None = None, gallery: bool = False) -> Callable:
    """For what is asked dozens of times in a run of a page and never changed: a dictionary of its
    own, since Streamlit digests every argument at every look, 0.1 ms each."""

    def made(function: Callable) -> Callable:
        options = {"max_entries": max_entries, "ttl": ttl, "gallery": gallery}
        kept = _kept(st.cache_resource, function, options)
        return _Quick(function, kept, max_entries, ttl, gallery)

    return made


class _Kept:
    """What was made, when, and when it was asked for last."""

    __slots__ = ("made", "used", "value")

    def __init__(self, value: object) -> None:
        self.value, self.made = value, time.monotonic()
        self.used = self.made


class _Quick:
    """A cached function; what may be a visitor's own is left to ``private``."""

    def __init__(
        self,
        function: Callable,
        private: Callable,
        max_entries: int,
        ttl: float | None,
        gallery: bool,
    ) -> None:
        functools.update_wrapper(self, function)
        self._private, self._most, self._gallery = private, max_entries, gallery
        self._ttl = float("inf") if ttl is None else ttl
        self._known: dict[Hashable, _Kept] = {}
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        _quick.append(self)

    def __call__(self, *given: Any, **named: Any) -> Any:
        words = (*given, *named.values()) if named else given
        key = (given, tuple(sorted(named.items()))) if named else given
        # What is kept here is everybody's, so reading it gives nothing away; what is put here must
        # be.
        lately = not ownership.is_private(*words, lately=True, gallery=self._gallery)
        if lately and (known := self._look(key)) is not None:
            return known.value
        if not lately or ownership.is_private(*words, gallery=self._gallery):
            return self._private(*given, **named)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        try:
            with making:  # what many ask for at once is made once
                if (known := self._look(key)) is None:
                    known = _Kept(self.__wrapped__(*given, **named))
                    self._keep(key, known)
        finally:
            self._making.pop(key, None)
        return known.value

    def _look(self, key: Hashable) -> _Kept | None:
        """Without the lock: the pages of all visitors look hundreds of times in each run."""
        known = self._known.get(key)
        now = time.monotonic()
        if known is None or now - known.made >= self._ttl:
            return None
        known.used = now
        return known

    def _keep(self, key: Hashable, known: _Kept) -> None:
        with self._lock:
            self._known[key] = known
            if len(self._known) > self._most:
                there = sorted(self._known.items(), key=lambda one: one[1].used)
                for old, _ in there[: max(1, self._most // 10)]:
                    del self._known[old]

    def clear(self) -> None:
        with self._lock:
            self._known.clear()
        self._private.clear()


_quick: list[_Quick] = []


def forget() -> None:
    """Keep nothing of any function, in any of the caches."""
    st.cache_data.clear()
    st.cache_resource.clear()
    for one in _quick:
        one.clear()


_cleared: dict[tuple[str, str], float] = {}
"""Visitor, function -> when one of the visitor's sessions, each of which is a tab, forgot it."""
MAX_CLEARED = 10_000
SEEN = "caches_cleared"
"""Session: function -> the moment of that which this tab has followed."""


def _cleared_elsewhere(name: str) -> bool:
    """Whether a function was forgotten, here or in another tab of the same visitor, since this tab
    asked last."""
    visitor, seen = ownership.visitor(), st.session_state.setdefault(SEEN, {})
    when = _cleared.get((visitor.name, name)) if visitor else None
    before, seen[name] = seen.get(name), when
    return when != before


def _in_session() -> bool:
    """Whether this thread works for a session; threads in the background do not."""
    return get_script_run_ctx(suppress_warning=True) is not None


def _kept(cache: Callable, function: Callable, options: dict) -> Callable:
    gallery = options.get("gallery", False)
    usual = {"show_spinner": False}
    options = usual | {name: value for name, value in options.items() if name != "gallery"}
    shared = cache(**options)(function)
    entries = min(options.get("max_entries") or OWN_ENTRIES, OWN_ENTRIES)
    own = cache(**{**options, "max_entries": entries, "scope": "session"})(function)
    name = f"{function.__module__}.{function.__qualname__}"

    def kept(*given: object, **named: object) -> object:
        if not ownership.is_private(*given, *named.values(), gallery=gallery):
            return shared(*given, **named)
        if not _in_session():
            return function(*given, **named)
        if _cleared_elsewhere(name):
            own.clear()
        return own(*given, **named)

    def clear() -> None:
        shared.clear()
        if (visitor := ownership.visitor()) is not None:
            _cleared[visitor.name, name] = time.monotonic()
            for old in list(_cleared)[:-MAX_CLEARED]:
                _cleared.pop(old, None)

    kept.clear = clear
    kept.__name__, kept.__doc__, kept.__wrapped__ = function.__name__, function.__doc__, function
    return kept


T = TypeVar("T")
QUICK_S = 0.1
"""So long a caller waits for the next value: what takes less is never too old."""


class Fresh(Generic[T]):
    """``make()`` is called at once, then again whenever :meth:`get` finds the value older than
    ``ttl`` seconds.

    Raises:
        UserError: whatever ``make`` raises, from the constructor and from :meth:`get`.
    """

    def __init__(self, make: Callable[[], T], ttl: float) -> None:
        self._make, self._ttl = make, ttl
        self._lock, self._failed = threading.Lock(), False
        self._remake()

    def get(self) -> T:
        """The value; an old one once more while a thread takes long to make the next."""
        if (
            not self._failed
            and time.monotonic() - self._made > self._ttl
            and self._lock.acquire(blocking=False)
        ):
            worker = threading.Thread(target=store.carried(self._in_background), daemon=True)
            worker.start()
            worker.join(QUICK_S)
        if self._failed:
            self._remake()
        return self._value

    def _remake(self) -> None:
        self._value = self._make()
        self._made, self._failed = time.monotonic(), False

    def _in_background(self) -> None:
        try:
            self._remake()
        except Exception:  # the caller tries again, and meets the error itself
            self._failed = True
        finally:
            self._lock.release()
