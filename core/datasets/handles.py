"""Open files that survive being sent to another process."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class Handle(Generic[T]):
    """Something opened on first use, once a process, used by one thread at a time.

    Pickling drops it, and so does a fork: two processes that share one open file move each other's
    position.
    """

    def __init__(self, opener: Callable[[], T]) -> None:
        """``opener`` has to be picklable, for example a bound method of a dataset."""
        self._opener = opener
        self._forget()

    def _forget(self) -> None:
        self._owner, self._lock = os.getpid(), threading.RLock()
        self._opened: T | None = None

    @contextmanager
    def use(self) -> Iterator[T]:
        if self._owner != os.getpid():
            self._forget()
        with self._lock:
            if self._opened is None:
                self._opened = self._opener()
            yield self._opened

    def __getstate__(self) -> dict:
        return {"_opener": self._opener}

    def __setstate__(self, state: dict) -> None:
        self._opener = state["_opener"]
        self._forget()
