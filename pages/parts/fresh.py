"""A value that is slow to make: kept, and made again in the background once it is old, so that no
visitor waits for it twice."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from core import store

T = TypeVar("T")
QUICK_S = 0.1
"""So long a caller waits for the next value: what is made within this is never older than it should
be."""


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
        """The value; an old one that takes long to make is returned once more while a thread makes
        the next."""
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
