"""Answers on their way. Each is asked for in a thread of its own: an encoder that takes its time
keeps neither the other columns nor the person's next click waiting.

One is asked after the other, since each would use every core; who has not answered within
``HOLD_S`` holds up the next no longer. An answer that nobody waits for any more comes to its end,
as it can't be interrupted, and is kept.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx

from core import store
from core.errors import UserError

ASKS = "asks"
"""What this session has asked for, by the key of the question."""
HOLD_S = 0.1
_waiting: Counter[int] = Counter()
"""How many questions of each session (the number of its asks in memory) have no answer yet."""
_waiting_lock = threading.Lock()
MAX_AT_WORK = 4
"""Questions of one session at a time, those included that a person has gone on from."""


@dataclass(frozen=True, slots=True)
class _Ask:
    began: float
    done: Future


def begin(key: Hashable, call: Callable[[], object]) -> None:
    """``call()`` in the background, as this session; nothing where the question is on its way."""
    asks = _asks()
    if key in asks:
        return
    done, call = Future(), store.carried(call)  # what is a visitor's own stays theirs
    whose = id(asks)

    def work() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # told to who asked, when the page is drawn next
            done.set_exception(error)
        finally:
            _count(whose, -1)

    _count(whose, 1)
    asks[key] = _Ask(time.monotonic(), done)
    thread = threading.Thread(target=work, name="ask", daemon=True)
    add_script_run_ctx(thread)
    thread.start()


def under_way(key: Hashable) -> bool:
    """Whether the question was asked and its answer not collected yet."""
    return key in _asks()


def oldest_s() -> float:
    """So many seconds ago this session's oldest question was asked that has no answer yet."""
    began = [one.began for one in _asks().values() if not one.done.done()]
    return time.monotonic() - min(began) if began else 0.0


def others() -> bool:
    """Whether other sessions wait for answers, too."""
    mine = id(_asks())
    with _waiting_lock:
        return any(one != mine for one in _waiting)


def _count(whose: int, more: int) -> None:
    with _waiting_lock:
        _waiting[whose] += more
        if not _waiting[whose]:
            del _waiting[whose]


def may_begin() -> bool:
    """Whether another one may be asked now."""
    at_work = [one for one in _asks().values() if not one.done.done()]
    held = any(time.monotonic() - one.began < HOLD_S for one in at_work)
    return not held and len(at_work) < MAX_AT_WORK


def wait_for(keys: Iterable[Hashable], seconds: float, *, all_of: bool = False) -> bool:
    """Until one of these questions, or ``all_of`` them, is answered; False where the time was over
    first, or none of them was asked."""
    asks = _asks()
    waiting = [asks[key].done for key in keys if key in asks]
    if not waiting:
        time.sleep(max(seconds, 0.0))
        return False
    done, left = wait(waiting, max(seconds, 0.0), "ALL_COMPLETED" if all_of else FIRST_COMPLETED)
    return not left if all_of else bool(done)


def collected() -> dict[Hashable, UserError | None]:
    """The questions that were answered since, with the error that they ended in."""
    asks, found = _asks(), {}
    for key in [key for key, one in asks.items() if one.done.done()]:
        error = asks.pop(key).done.exception()
        if error is not None and not isinstance(error, UserError):
            raise error
        found[key] = error
    return found


def _asks() -> dict[Hashable, _Ask]:
    return st.session_state.setdefault(ASKS, {})
