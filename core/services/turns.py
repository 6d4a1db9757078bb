"""Jobs take turns: so many work at once, in the order in which they were started; the others wait,
and say so.

Each job waits in its own process, so that the queue outlives the server that began it, and a job
that was killed stands in nobody's way.
"""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from core import store
from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus

CORES_EACH = 2
LEAST, MOST = 2, 4
"""At the least two jobs work at once: a training of hours must not keep a build of seconds from
starting."""
LOOK_S = 0.5
SWITCH = "LOOKALIKE_JOBS"
UNCOUNTED = ("download",)
"""Commands that wait for a network, and not for the processor."""


def limit() -> int:
    """How many jobs work at once on this machine: ``LOOKALIKE_JOBS`` where set, else by its
    cores."""
    wanted = os.environ.get(SWITCH, "")
    if wanted.isascii() and wanted.isdigit() and int(wanted):
        return int(wanted)
    return min(max((os.cpu_count() or 1) // CORES_EACH, LEAST), MOST)


@contextmanager
def turn(log: Path | None) -> Iterator[None]:
    """Wait until the command that writes ``log`` may begin. Jobs of the visitors of a public server
    share the slots of that server; those of one's own machine take turns among themselves; what is
    no job begins at once."""
    slots = int(os.environ.get(jobs.SLOTS) or 0)
    with ExitStack() as held:
        while slots and not _took_slot(held, slots):
            if log is not None:
                words = f"Waiting: {slots} job{'s run' if slots > 1 else ' runs'} at a time."
                jobs.write_line(log, state=jobs.QUEUED, message=words)
            time.sleep(LOOK_S)
        if not slots and log is not None:
            wait(log)
        yield


def _took_slot(held: ExitStack, slots: int) -> bool:
    for number in range(slots):
        with suppress(TimeoutError), store.in_layer(store.base()):
            held.enter_context(store.lock(f"turn-{number}", wait_s=0))
            return True
    return False


def wait(log: Path) -> None:
    """Return when the job that writes this log may begin; until then its log says that it waits.
    A log that is no job's does not wait."""
    job = Path(log).parent.name
    if not jobs.ID.fullmatch(job):
        return
    said = None
    while True:
        ahead = _take(job, Path(log))
        if ahead is None:
            return
        if ahead != said:
            said = ahead
            words = f"Waiting for {ahead} other job{'' if ahead == 1 else 's'}"
            jobs.write_line(Path(log), state=jobs.QUEUED, done=0, total=0, message=words)
        time.sleep(LOOK_S)


def _take(job: str, log: Path) -> int | None:
    """Take a turn where there is one (None), else how many jobs have to end before it comes."""
    with store.lock("job-turns"):
        try:
            own = jobs.status(job)
        except UserError:  # its folder was cleared away, or its log is not among the jobs
            return None
        others = [one for one in jobs.listing(active_only=True) if one.id != job]
        counted = [one for one in others if one.arguments[:1] and one.arguments[0] not in UNCOUNTED]
        working = sum(1 for one in counted if one.state == "running")
        before = sum(1 for one in counted if _waits(one) and one.id < job)
        ahead = working + before + 1 - limit()
        if ahead > 0 and own.arguments[0] not in UNCOUNTED:
            return ahead
        jobs.write_line(log, state="running", done=0, total=0, message="Starting")
        return None


def _waits(job: JobStatus) -> bool:
    return job.state in ("starting", jobs.QUEUED)
