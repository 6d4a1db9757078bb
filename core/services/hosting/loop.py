"""The event loop of the server. Pages run in threads and hand it a hundred messages each, one by
one: asyncio wakes the loop for each, and two threads of Python that take turns so often spend more
on the turns than on the messages. This one is woken once and then looks by itself for what came
meanwhile, as long as more comes. Whatever else threads hand over, as a file that was read, wakes it
as ever.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple

Given = TypeVarTuple("Given")
PATIENT = ("streamlit.runtime.app_session",)
"""Modules whose callbacks may wait: they pass on what pages say."""
GATHER_S = 0.01
"""What may wait and comes within this after a look waits for the next one."""
LOOK_S = 0.001
"""While there is work, so often the connections are looked at for more of it."""


class Loop(asyncio.SelectorEventLoop):
    """asyncio's, woken seldom by pages. What threads hand over runs in their order."""

    def __init__(self) -> None:
        self._given: deque[asyncio.Handle] = deque()
        self._asleep = deque([True])
        """Who takes the one thing out of it wakes the loop: of several threads exactly one."""
        super().__init__(_Selector())
        self._done = asyncio.Handle(_Selector, (), self)
        """What has run already."""
        self._done.cancel()

    def call_soon_threadsafe(
        self, callback: Callable[[*Given], object], *args: *Given, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio's; from the loop's own thread as ``call_soon``, but that an event is set at
        once. Raises RuntimeError where the loop is closed."""
        if _get_running_loop() is self:
            if getattr(callback, "__func__", None) is asyncio.Event.set:  # said with each message
                callback(*args)
                return self._done
            return self.call_soon(callback, *args, context=context)
        if self.is_closed():
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        self._given.append(handle)
        if getattr(callback, "__module__", None) not in PATIENT:
            super().call_soon_threadsafe(self._run_given)
        elif self._wakes():
            super().call_soon_threadsafe(self._take)
        return handle

    def _wakes(self) -> bool:
        try:
            return self._asleep.pop()
        except IndexError:
            return False

    def _take(self) -> None:
        """Run what was handed over, and look again soon; after a look in vain sleep until woken."""
        if not self._given:
            self._asleep.append(True)
            if not self._given or not self._wakes():  # it came just before the loop fell asleep
                return
        self._run_given()
        self.call_later(GATHER_S, self._take)

    def _run_given(self) -> None:
        for _ in range(len(self._given)):
            handle = self._given.popleft()
            if not handle.cancelled():
                handle._run()


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Asked between any two of a loop's callbacks whether a connection has something: a call of the
    system, for which the thread gives Python's lock away and has to wait until it gets it back."""

    _looked = 0.0

    def select(self, timeout: float | None = None) -> list:
        now = time.monotonic()
        if timeout is not None and timeout <= 0 and now - self._looked < LOOK_S:
            return []
        found = super().select(timeout)
        self._looked = time.monotonic() if timeout is None or timeout > 0 else now
        return found
