"""Networks at work for the visitors of a public server: each on one core, as many at once as there
are cores.

A network that shares every layer among all cores waits at each of them for the slowest: two cores
together encode 96 pictures a second through EfficientNet-Lite0, one each 166. Who asks alone waits
a few milliseconds longer so, and all together wait less. Where nobody is a stranger there is mostly
one who asks, and each call uses all cores.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, cast

from core import store
from core.faiss_loader import team
from core.services.hosting.settings import hosted

T = TypeVar("T")
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


def run(call: Callable[..., T], *given: object) -> T:
    """``call(*given)``, which may use torch: on a public server in one of as many threads as there
    are cores, each of which uses one; who comes later waits. Never from inside such a call.

    Raises:
        whatever ``call`` raises.
    """
    if not hosted() or "torch" not in sys.modules:
        return call(*given)
    return cast(T, _threads().submit(store.carried(call), *given).result())


def turn(right: AbstractContextManager) -> AbstractContextManager:
    """The right to use all cores, which is nobody's on a public server: :func:`run` says there who
    is next."""
    return nullcontext() if hosted() else right


def _threads() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            torch, count = sys.modules["torch"], team()
            before, there = torch.get_num_threads(), threading.Barrier(count)
            _pool = ThreadPoolExecutor(count, "one core", _use_one_core)
            list(_pool.map(lambda _: there.wait(), range(count)))  # all have begun
            torch.set_num_threads(before)  # else threads that begin later would take over the one
        return _pool


def _use_one_core() -> None:
    torch = sys.modules["torch"]
    torch.set_num_threads(1)
    torch.get_num_threads()  # a thread takes over the number for all when it first needs it
