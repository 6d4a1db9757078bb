"""A value that is slow to make: kept, and made again in the background once it is old, so that no visitor waits for it twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
QUICK_S = 0.1
"""What is made within this is made on the spot: it is then never older than it should be."""


class Fresh(Generic[T]):
    """``make()`` is called at once, then again whenever :meth:`get` finds the value older than ``ttl`` seconds.

    Raises:
        UserError: whatever ``make`` raises, from the constructor and from :meth:`get`.
    """

    def __init__(self, make: Callable[[], T], ttl: float) -> None:
        self._make, self._ttl = make, ttl
        self._lock, self._failed = threading.Lock(), False
        self._remake()

    def get(self) -> T:
        """The value; an old one that takes long to make is returned once more while a thread makes the next."""
        if self._failed:
            self._remake()
        elif time.monotonic() - self._made > self._ttl and self._lock.acquire(blocking=False):
            if self._took < QUICK_S:
                self._lock.release()
                self._remake()
            else:
                threading.Thread(target=self._in_background, daemon=True).start()
        return self._value

    def _remake(self) -> None:
        started = time.monotonic()
        self._value = self._make()
        self._made, self._failed = time.monotonic(), False
        self._took = self._made - started

    def _in_background(self) -> None:
        try:
            self._remake()
        except Exception:  # the next caller tries again, and meets the error itself
            self._failed = True
        finally:
            self._lock.release()
