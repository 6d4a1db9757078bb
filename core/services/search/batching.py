"""Pictures of several askers through an encoder in one call.

Whoever comes while an encoder is at work waits in its line; the next call takes all who wait, up to
``LOOKALIKE_BATCH``. Nobody is made to wait for a batch to fill: one who comes alone is encoded
alone, as without this. A compiled network needs none of it: each call runs on one core, as many at
a time as there are. Other networks take turns, because each would use every core, and beside one
that takes its time the others go on. An encoder without a network takes no turn: it uses one core
for a moment.

On a public server each network is at work on one core, as many at once as there are cores
(:func:`run`). One that shares every layer among all cores waits at each of them for the slowest:
two cores together encode 96 pictures a second through EfficientNet-Lite0, one each 166. Who asks
alone waits a few milliseconds longer so, and all together wait less. Elsewhere there is mostly one
who asks, and each call uses all cores.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TypeVar, cast
from weakref import WeakKeyDictionary

import numpy as np

from core import store
from core.device import team
from core.encoders.base import Encoder
from core.services.hosting.settings import hosted, value


@dataclass(slots=True)
class _Ask:
    prepared: np.ndarray
    vector: np.ndarray | None = None
    error: Exception | None = None

    @property
    def answered(self) -> bool:
        return self.vector is not None or self.error is not None


@dataclass(slots=True)
class _Line:
    """Those who wait for one encoder, and the right to call it; whether it runs a network."""

    network: bool
    waiting: list[_Ask] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)
    turn: threading.Lock = field(default_factory=threading.Lock)


_lines: WeakKeyDictionary[Encoder, _Line] = WeakKeyDictionary()
_lines_lock = threading.Lock()
SLOW_S = 0.5
"""An encoder that is at work for longer keeps nobody else waiting."""
_cores = threading.Lock()
"""Held by the one network that is at work, where that uses all cores."""
_since = 0.0
"""When it began."""
_asking = 0


def encode(encoder: Encoder, prepared: np.ndarray) -> np.ndarray:
    """What ``encoder.prepare`` made of one picture -> float32 (1, dim), a unit row.

    Raises:
        whatever the encoder raises for this picture; a failure of another one in the same call
        stays with that one.
    """
    global _asking
    most = int(value("batch"))
    if most == 1:
        return encoder.encode_prepared([prepared])
    with _lines_lock:
        line = _lines.get(encoder) or _lines.setdefault(encoder, _Line(_has_network(encoder)))
        _asking += 1
    try:
        if encoder.one_core:  # a batch would run on one core, two calls run on two
            return encoder.encode_prepared([prepared])
        return _in_line(encoder, line, _Ask(prepared), most)
    finally:
        with _lines_lock:
            _asking -= 1


def crowded() -> bool:
    """Whether more than one picture is waiting to be encoded: no time for repetitions."""
    return _asking > 1


def _in_line(encoder: Encoder, line: _Line, ask: _Ask, most: int) -> np.ndarray:
    with line.guard:
        line.waiting.append(ask)
    with line.turn:
        while not ask.answered:
            if not line.network:
                _next(encoder, line, most)
                continue
            with turn(_turn()):
                run(_next, encoder, line, most)
    if ask.error is not None:
        raise ask.error
    assert ask.vector is not None  # whoever answers gives a vector or an error
    return ask.vector


@contextmanager
def _turn() -> Iterator[None]:
    """Alone with the cores, or beside a network that is slow."""
    global _since
    while not (alone := _cores.acquire(timeout=SLOW_S)):
        if time.monotonic() - _since >= SLOW_S:
            break
    if alone:
        _since = time.monotonic()
    try:
        yield
    finally:
        if alone:
            _cores.release()


def _has_network(encoder: Encoder) -> bool:
    """Whether it, or one inside it, holds a network."""
    return any(
        hasattr(one, "parameters") or (isinstance(one, Encoder) and _has_network(one))
        for one in vars(encoder).values()
    )


def _next(encoder: Encoder, line: _Line, most: int) -> None:
    """Answer those who wait now, ``most`` of them."""
    with line.guard:
        batch, line.waiting[:] = line.waiting[:most], line.waiting[most:]
    _answer(encoder, batch)


def _answer(encoder: Encoder, batch: list[_Ask]) -> None:
    try:
        vectors = encoder.encode_prepared([ask.prepared for ask in batch])
    except Exception:
        for ask in batch:
            _alone(encoder, ask)
        return
    for ask, vector in zip(batch, vectors, strict=True):
        ask.vector = vector[np.newaxis]


def _alone(encoder: Encoder, ask: _Ask) -> None:
    try:
        ask.vector = encoder.encode_prepared([ask.prepared])
    except Exception as error:
        ask.error = error


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
