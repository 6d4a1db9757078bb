"""What a visitor of a public server has here, until the visitor or time deletes it."""

import logging
import shutil
import threading
import time

from core import store
from core.errors import UserError
from core.services import jobs
from core.services.arena import ballots
from core.services.hosting import ownership
from core.services.hosting.ownership import Visitor
from core.services.hosting.settings import hosted, value
from core.services.library import library, uploads
from core.services.search import serving

log = logging.getLogger(__name__)
SWEEP_S, AHEAD_S = 300.0, 3600.0
_sweeping = threading.Lock()


def mine() -> dict:
    """What the visitor who asks has here: ``bytes``, ``uploads``, ``datasets``, ``jobs``, and
    ``hours`` until it expires after the last visit. Raises UserError for who is no visitor."""
    one = _asking()
    return {
        "bytes": store.folder_bytes(one.folder),
        "uploads": len(store.listed(one.folder / uploads.PLACE)),
        "datasets": len(library.own_added()),
        "jobs": len(jobs.listing()),
        "hours": value("visitor_hours"),
    }


def delete_mine() -> int:
    """Stop the visitor's jobs and delete everything of theirs; returns the bytes freed. Nothing is
    left on disk. Raises UserError for who is no visitor."""
    return delete(_asking())


def delete(one: Visitor) -> int:
    """The same for any visitor, for the operator and for what has expired."""
    if not one.folder.is_dir():
        return 0
    with store.in_layer(one.folder):
        for job in jobs.listing(active_only=True):
            jobs.cancel(job.id)
    freed = store.folder_bytes(one.folder)
    library.forget(one.folder)
    serving.forget(one.folder)
    jobs.forget(one.folder)
    ballots.forget(one.folder)
    for entry in store.entries(home=one.folder):
        store.let_go(entry.kind, entry.path)
    store.remove(one.folder)
    shutil.rmtree(one.folder, ignore_errors=True)  # what was being written meanwhile
    log.info("deleted a visitor's %.1f MB", freed / 1e6)
    return freed


def expire(now: float | None = None) -> list[str]:
    """Delete what belongs to visitors who have not been here for so long as the settings say;
    returns their names."""
    now = now or time.time()
    seen = {one: ownership.last_seen(one) for one in ownership.visitors()}
    for one in [one for one, when in seen.items() if when > now + AHEAD_S]:
        # The clock was set back since: what is kept for a day is not kept for a day and a year.
        store.with_suppressed_errors(ownership.mark_seen, one, now)
    gone = [one for one, when in seen.items() if when < now - value("visitor_hours") * 3600]
    for one in gone:
        delete(one)
    for path in store.listed(store.base() / ownership.FOLDER):
        if path.name.startswith(store.NEW):  # a deletion that was killed
            shutil.rmtree(path, ignore_errors=True)
    return [one.name for one in gone]


def start_sweeping() -> threading.Thread | None:
    """Expire things now and then for as long as the process lives; None where nobody is a visitor,
    or it was called before."""
    if not hosted() or not _sweeping.acquire(blocking=False):
        return None
    thread = threading.Thread(target=_sweep, name="expire visitors", daemon=True)
    thread.start()
    return thread


def _sweep() -> None:
    while True:
        try:
            expire()
        except Exception:
            log.exception("expiring failed")
        time.sleep(pause_s())


def pause_s() -> float:
    """Seconds between two looks for what expired: a tenth of the time kept, where short."""
    return min(SWEEP_S, value("visitor_hours") * 360)


def _asking() -> Visitor:
    one = ownership.visitor()
    if one is None:
        raise UserError(
            "Nothing here belongs to a visitor.", "Not hosted, or you are its operator."
        )
    return one
