"""What one visitor may use, and all together. A refusal is a sentence with the number; what can be
built again makes room by itself, the least recently used first."""

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.errors import UserError
from core.services.hosting import ownership
from core.services.hosting.settings import hosted, value
from core.types import State

log = logging.getLogger(__name__)
MB, GB = 1_000_000, 1_000_000_000
SWEPT_S = 30.0
FREE = "Delete what you no longer need on the Library page, or all of it."
VISITOR_JOBS = ("build", "evaluate", "map", "tune")
OPENED = {
    "train": "visitor_training",
    "effect": "visitor_training",
    "download": "visitor_downloads",
}
"""Commands that are the operator's until a setting opens them to visitors; all others stay so."""
_swept = [0.0]
COUNTED_S = 5.0


@dataclass(slots=True)
class _Count:
    """What all visitors keep, and until when that is taken as known."""

    until: float
    bytes: int


_counted: dict[Path, _Count] = {}
"""By the folder of the operator."""
_counting = threading.Lock()


def check_room(more: int) -> None:
    """Whether ``more`` bytes of a visitor may be kept; nothing is asked of others.

    Raises:
        UserError: the visitor's room, or that of all visitors, is used up.
    """
    one = ownership.visitor()
    if one is None:
        return
    used, most = store.folder_bytes(one.folder), value("visitor_mb") * MB
    if used + more > most:
        raise UserError(
            f"This needs {_mb(more)} MB, and you use {_mb(used)} MB already.",
            f"A visitor of this server has {most / MB:,.0f} MB.",
            FREE,
        )
    room = value("visitors_gb") * GB
    if _used_by_all() + more > room and (everybody := _used_by_all(anew=True)) + more > room:
        raise UserError(
            f"This needs {_mb(more)} MB, and all visitors together use {_mb(everybody)} MB.",
            f"They have {value('visitors_gb'):g} GB together.",
            f"Try again later: things are deleted {value('visitor_hours'):g} hours after a"
            " visitor's last visit.",
        )
    with _counting:
        _counted[store.base()].bytes += more


def _used_by_all(*, anew: bool = False) -> int:
    """Bytes of all visitors, and what was allowed since they were counted: counting walks through
    all that lies here, so it is done every ``COUNTED_S`` at most, or ``anew``."""
    now, base = time.monotonic(), store.base()
    with _counting:
        if anew or base not in _counted or now >= _counted[base].until:
            told = sum(store.folder_bytes(other.folder) for other in ownership.visitors())
            _counted[base] = _Count(now + COUNTED_S, told)
        return _counted[base].bytes


def check_zip(size: int) -> None:
    """Raises UserError where a visitor's upload of ``size`` bytes is too large."""
    most = value("visitor_zip_mb") * MB
    if ownership.is_visitor() and size > most:
        raise UserError(
            f"This upload has {_mb(size)} MB.",
            f"A visitor's upload has at most {most / MB:,.0f} MB.",
            "Upload a part of it.",
        )


def check_pictures(held: int, more: int) -> None:
    """Whether a visitor with ``held`` pictures in data sets may add ``more``. Raises UserError."""
    most = int(value("visitor_pictures"))
    if ownership.is_visitor() and held + more > most:
        have = f", and you have {held:,} already" if held else ""
        raise UserError(
            f"This has {more:,} picture{'' if more == 1 else 's'}{have}.",
            f"A visitor's data sets have at most {most:,} pictures.",
            "Upload a part of them, or remove a data set first.",
        )


def may(command: str) -> bool:
    """Whether the one who asks may start jobs of this command at all."""
    return (
        not ownership.is_visitor()
        or command in VISITOR_JOBS
        or (command in OPENED and bool(value(OPENED[command])))
    )


def within_reach(state: State) -> State:
    """A state for the one who asks: what a visitor may not download can't be had."""
    if state.kind != "download" or may("download"):
        return state
    return State("unavailable", "Its files are not on this server, and visitors fetch none.")


def require_download(what: str) -> None:
    """Raises UserError where a visitor would fetch ``what`` from the network."""
    if not may("download"):
        raise UserError(
            f"{what} is not on this server.",
            "Visitors of this server fetch nothing from the network.",
            "Choose what is ready here.",
        )


def check_job(command: str, active: int, waiting: int) -> None:
    """Whether a visitor may start a job of this command: ``active`` are the visitor's own that have
    not ended, ``waiting`` those of all visitors that wait for their turn.

    Raises:
        UserError: the command is the operator's, or there are too many jobs.
    """
    if not ownership.is_visitor():
        return
    if not may(command):
        raise UserError(
            f"Visitors of this server can't start this: {command}.",
            f"They can start: {', '.join(VISITOR_JOBS)}.",
        )
    most = int(value("visitor_jobs"))
    if active >= most:
        raise UserError(
            f"{active} of your jobs {'is' if active == 1 else 'are'} running or waiting.",
            f"A visitor has at most {most} at once.",
            "Wait for one to end, or cancel one.",
        )
    longest = int(value("queued_jobs"))
    if waiting >= longest:
        raise UserError(
            f"Jobs that wait for their turn on this server: {waiting}.",
            f"At most {longest} wait.",
            "Try again in a few minutes.",
        )


def evict() -> int:
    """Delete what was built for the operator's data sets, the least recently used first, until it
    takes no more than its share of the disk; returns the bytes freed. On a public server only, and
    seldom: it walks through the cache."""
    now = time.monotonic()
    if not hosted() or now - _swept[0] < SWEPT_S:
        return 0
    _swept[0] = now
    most, freed = value("cache_gb") * GB, 0
    with store.in_layer(store.base()):
        entries = sorted(store.entries(), key=lambda entry: entry.used)
        total = sum(entry.bytes for entry in entries)
        for entry in entries:
            if total - freed <= most:
                break
            try:
                freed += store.delete(entry.kind, entry.key)
            except UserError as error:  # it is being built just now
                log.info("kept: %s", error)
    if freed:
        log.warning("deleted %.0f MB of caches, the least recently used first", freed / MB)
    return freed


def _mb(count: float) -> str:
    return f"{count / MB:,.1f}" if count < 10 * MB else f"{count / MB:,.0f}"
