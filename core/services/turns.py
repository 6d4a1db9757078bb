"""Jobs take turns: so many work at once, in the order in which they were started; the others wait,
and say so.

Each job waits in its own process, so that the queue outlives the server that began it, and a job
that was killed stands in nobody's way.
"""

import os
import time
from contextlib import ExitStack
from pathlib import Path

from core import store
from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus

CORES_EACH = 2
LEAST, MOST = 2, 4
"""At the least two jobs work at once: a training of hours must not hold up a build of seconds."""
LOOK_S, LONGEST_LOOK_S = 0.5, 2.0
"""Whoever is next looks again after the first; others need not so often."""
SWITCH = "LOOKALIKE_JOBS"
UNCOUNTED = ("download",)
"""Commands that wait for a network, and not for the processor."""


def limit() -> int:
    """How many jobs work at once here: ``LOOKALIKE_JOBS`` where set, else by its cores."""
    wanted = os.environ.get(SWITCH, "")
    if wanted.isascii() and wanted.isdigit() and int(wanted):
        return int(wanted)
    return min(max((os.cpu_count() or 1) // CORES_EACH, LEAST), MOST)


def wait(log: Path) -> None:
    """Return when the job that writes this log may begin; until then its log says how many have to
    end before. Jobs of the visitors of a public server take turns among all visitors, those of
    one's own machine among themselves. A log that is no job's does not wait."""
    job = log.parent.name
    if not jobs.ID.fullmatch(job):
        return
    said = None
    while True:
        ahead = _take(job, log)
        if ahead is None:
            return
        if ahead != said:
            said = ahead
            words = f"Waiting for {ahead} other job{'' if ahead == 1 else 's'}"
            jobs.write_line(log, state=jobs.QUEUED, done=0, total=0, message=words)
        time.sleep(min(LOOK_S * ahead, LONGEST_LOOK_S))


def _take(job: str, log: Path) -> int | None:
    """Take a turn where there is one (None), else how many jobs have to end before it comes."""
    slots = int(os.environ.get(jobs.SLOTS) or 0)
    with ExitStack() as held:
        with store.in_layer(store.base()):  # one lock for all visitors
            held.enter_context(store.lock("job-turns"))
        try:
            own = jobs.status(job)
        except UserError:  # its folder was cleared away, or its log is not among the jobs
            return None
        active = jobs.of_visitors() if slots else jobs.listing(active_only=True)
        counted = [
            one
            for one in active
            if one.id != job and one.arguments[:1] and one.arguments[0] not in UNCOUNTED
        ]
        working = sum(1 for one in counted if one.state == "running")
        before = sum(1 for one in counted if _waits(one) and one.id < job)
        ahead = working + before + 1 - (slots or limit())
        if ahead > 0 and own.arguments[0] not in UNCOUNTED:
            return ahead
        jobs.write_line(log, state="running", done=0, total=0, message="Starting")
        return None


def _waits(job: JobStatus) -> bool:
    return job.state in ("starting", jobs.QUEUED)
