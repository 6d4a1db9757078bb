"""Memory of a public server, whose pages run in threads that come and go.

glibc gives such threads up to eight heaps for each core, and keeps in each what they free there: 20
visitors on two cores left 340 MB of nothing but holes within a minute, and more with every minute.
Few heaps are shared instead, and their holes go back to the system now and then, which takes some
milliseconds. What pages leave that refers to itself (60 MB a minute) waits for Python's collector,
which waits longer the more there is: it is called then, too, 50 ms. Where the C library is another
one, only that is done.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from itertools import count

M_ARENA_MAX = -8
"""glibc's malloc.h."""
HEAPS = 2
TRIM_EVERY_S, COLLECT_EVERY = 5.0, 4
"""Seconds, and so many of these turns."""
_started = threading.Lock()


def few_heaps() -> bool:
    """Let all threads share ``HEAPS`` heaps; whether that could be said. Before many threads have
    begun: what has a heap of its own keeps it."""
    say = _of_glibc("mallopt")
    return say is not None and say(M_ARENA_MAX, HEAPS) == 1


def trim() -> bool:
    """Give back what is free inside the heaps; whether there was any."""
    give_back = _of_glibc("malloc_trim")
    return give_back is not None and give_back(0) == 1


def collect() -> bool:
    """The same, after what only refers to itself has been let go."""
    gc.collect()
    return trim()


def start_trimming() -> threading.Thread | None:
    """Trim for as long as the process lives; None where this was called before."""
    if not _started.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_trim_on, name="trim memory", daemon=True)
    thread.start()
    return thread


def _trim_on() -> None:
    for turn in count(1):
        time.sleep(TRIM_EVERY_S)
        if turn % COLLECT_EVERY:
            trim()
        else:
            collect()


def _of_glibc(name: str) -> Callable[..., int] | None:
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library; none by this way (Windows)
        return None
