"""Who searches next on a public server. Where all pages search at once, each keeps all others
waiting, and one that came first may well be answered last: of 20 that ask again at once the slowest
twentieth waited half as long again as most. So few are at it at a time, in the order in which they
came. A page that has nothing to ask does not wait here.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.device import team
from core.services.hosting.settings import value

LOOK_S = 0.1
"""So often who waits looks whether it still has to."""


class _Here(threading.local):
    """What one thread is to the line: whether it is asked to queue, its ticket, and whether it has
    a place."""

    open = False
    ticket: threading.Event | None = None
    inside = False


class Line:
    """``places`` threads have one at a time; the first who waits gets the next."""

    def __init__(self, places: int) -> None:
        self._free, self._waiting = places, deque[threading.Event]()
        self._lock, self._here = threading.Lock(), _Here()

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for a place."""
        return bool(self._waiting)

    @contextmanager
    def within(self) -> Iterator[None]:
        """A place that this thread gets inside the block is free at its end at the latest."""
        self._here.open = True
        try:
            yield
        finally:
            self.leave()
            self._here.open = False

    def enter(self, seconds: float, look: Callable[[], None]) -> bool:
        """Wait for a place, so many seconds at most; outside of :meth:`within` nobody waits.

        Args:
            look: called now and then meanwhile; what it raises ends the wait.

        Returns:
            Whether the thread has one now. Who has none keeps what it has waited: the next call
            goes on from there.
        """
        here = self._here
        if here.inside or not here.open:
            return True
        ticket = here.ticket = here.ticket or self._ticket()
        until = time.monotonic() + seconds
        while not ticket.wait(max(0.0, min(LOOK_S, until - time.monotonic()))):
            look()
            if time.monotonic() >= until:
                return False
        here.ticket, here.inside = None, True
        return True

    def leave(self) -> None:
        """The next one's turn; nothing where this thread has no place and waits for none."""
        here = self._here
        with self._lock:
            had = here.inside or (here.ticket is not None and here.ticket.is_set())
            if here.ticket is not None and not had:
                self._waiting.remove(here.ticket)
            if had and self._waiting:
                self._waiting.popleft().set()
            elif had:
                self._free += 1
        here.ticket, here.inside = None, False

    def _ticket(self) -> threading.Event:
        ticket = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                ticket.set()
            else:
                self._waiting.append(ticket)
        return ticket


@functools.cache
def line() -> Line:
    """The one of this process: as many as there are cores, and one that is drawn meanwhile; or as
    many as ``LOOKALIKE_SEARCHES`` says."""
    return Line(int(value("searches")) or team() + 1)
