"""Builds as a page sees them: started as jobs, found again by what they build, told in words."""

import time

import streamlit as st

from core.errors import UserError
from core.services import jobs
from core.services.embedding.build import check_disk
from core.services.jobs import JobStatus
from pages.parts import cached, cached_train, palette
from pages.parts.words import count, duration, per_second, size

STARTED, UNSEEN = "builds_started", "builds_unseen"
"""Jobs that this session started: (locator, encoder) -> id, so that it can tell how they ended; and
the ids of those whose result no page has opened with yet, in the order of their start."""

REFUSED = "job_refused"
"""Why the last job was not started, until it was said."""

MAX_NAMED = 3
"""So many encoders stand in the title of a build by name."""

JUST_S = 3600.0
"""So long a build has only just ended."""


def begin(title: str, arguments: list[str]) -> str | None:
    """Start a job; where that fails, None, and the shell says why above the next page."""
    try:
        return jobs.start(title, arguments)
    except UserError as error:
        st.session_state[REFUSED] = error
        return None


def start(
    locator: str, encoders: list[str], index: str = "exact", *, check_content: bool = False
) -> str:
    """Start a build in a process of its own, of what no other builds already; returns the id of one
    that is waited for, empty where it was refused. ``check_content``: it reads every picture first
    and encodes those again that were changed in place."""
    cached.all_jobs.clear()  # another tab may have started it a moment ago
    jobs_of = {name: job.id for name in encoders if (job := active(locator, name))}
    if left := [name for name in encoders if name not in jobs_of]:
        job = _begin(locator, left, index, check_content)
        jobs_of |= dict.fromkeys(left, job) if job else {}
    for name, job in jobs_of.items():
        st.session_state.setdefault(STARTED, {})[locator, name] = job
    unseen = st.session_state.setdefault(UNSEEN, [])
    unseen += [job for job in dict.fromkeys(jobs_of.values()) if job not in unseen]
    cached.forget_builds()
    return next(reversed(jobs_of.values()), "")


def _begin(locator: str, encoders: list[str], index: str, check_content: bool) -> str | None:
    """A build of its own; None where it was refused."""
    try:
        check_disk(cached.dataset(locator), encoders)
    except UserError as error:
        st.session_state[REFUSED] = error
        return None
    arguments = ["build", "--dataset", locator, "--encoders", ",".join(encoders), "--index", index]
    arguments += ["--check-content"] if check_content else []
    if len(encoders) <= MAX_NAMED:
        made = ", ".join(map(palette.title, encoders))
    else:
        made = count(len(encoders), "encoder")
    made += "" if index == "exact" else f" and {index}"
    return begin(f"Build {made} for {cached.dataset(locator).title or locator}", arguments)


def active(locator: str, encoder: str) -> JobStatus | None:
    """The running job that builds this, whoever started it."""
    return next((job for job in cached.active_jobs() if _builds(job, locator, encoder)), None)


def ended(locator: str, encoder: str) -> JobStatus | None:
    """How the last build that this session started for this ended; None where none did."""
    return over(st.session_state.get(STARTED, {}).get((locator, encoder)))


def ending(last: JobStatus | None, what: str = "build") -> str:
    """``The build failed`` or ``The build was stopped``; empty where none, or it ended well."""
    said = {"failed": "failed", "cancelled": "was stopped"}.get(last.state if last else "")
    return f"The {what} {said}" if said else ""


def over(job: str | None) -> JobStatus | None:
    """How a job ended; None while it runs, and where nothing is known of it."""
    try:
        status = jobs.status(job) if job else None
    except UserError:
        return None
    return status if status and not status.active else None


def _builds(job: JobStatus, locator: str, encoder: str) -> bool:
    made = what(job)
    return bool(made) and made["dataset"] == locator and encoder in made["encoders"].split(",")


def what(job: JobStatus) -> dict[str, str]:
    """What a build makes, as parameters of a link to Compare; empty where it is no build."""
    given = options(job)
    names = {"dataset": "--dataset", "encoders": "--encoders", "index": "--index"}
    if job.arguments[0] == "build":
        return {name: given[option] for name, option in names.items() if option in given}
    return {}


def options(job: JobStatus) -> dict[str, str]:
    """The options of a job's command that take a value, as ``--dataset``."""
    pairs = zip(job.arguments[1:], job.arguments[2:], strict=False)
    return {name: value for name, value in pairs if name[:1] == "-" and value[:2] != "--"}


def just_built() -> dict[str, str]:
    """What this session's last build has made, once: it ended well, and no page shows it yet."""
    waiting: list[str] = st.session_state.get(UNSEEN, [])
    ends = {id: status for id in waiting if (status := over(id)) is not None}
    st.session_state[UNSEEN] = [id for id in waiting if id not in ends]
    done = [status for status in ends.values() if status.state == "done"]
    return what(done[-1]) if done else {}


def last_of(locator: str) -> dict[str, str]:
    """What the newest build for a data set made; empty where none ended well in the last hour."""
    since = time.time() - JUST_S
    ended = [job for job in cached.recent_jobs() if job.state == "done" and job.updated > since]
    done = [job for job in ended if what(job).get("dataset") == locator]
    return what(max(done, key=lambda job: job.updated)) if done else {}


def failed(locator: str) -> JobStatus | None:
    """The newest build or evaluation of a data set, where it failed and that was not dismissed."""
    tries = [
        job
        for job in cached.recent_jobs()
        if job.arguments[0] in ("build", "evaluate")
        and locator in (options(job).get("--dataset"), options(job).get("--datasets"))
    ]
    last = max(tries, key=lambda job: job.started, default=None)
    return last if last and last.state == "failed" and not last.dismissed else None


def progress_words(job: JobStatus) -> str:
    """``1,200 of 2,720 · 350 per second · 4 s left``; with what it counts where it says so:
    ``Fetching: 12.0 MB of 103 MB · 4.1 MB per second · 22 s left``; of what counts nothing
    ``Loading ... · 40 s left``."""
    parts = [_far(job)]
    unlike = job.arguments[0] in ("evaluate", "tune", "map")  # their parts have no one rate
    if job.rate and job.total and not unlike:
        rate = size(job.rate) if job.bytes else per_second(job.rate)
        parts.append(f"{rate} per second")
    left = _run_left(job) if _trains(job) else job.seconds_left
    if left is not None:
        parts.append(f"{duration(left)} left")
    return " · ".join(parts)


def share(job: JobStatus) -> float | None:
    """How far a job is, 0 to 1; None = unknown. What a training counts is one of its phases: the
    time that has passed and the time left tell more of it."""
    left = _run_left(job) if _trains(job) else None
    if left is None:
        return job.share
    spent = max(time.time() - job.started, 0.0)
    return spent / max(spent + left, 1e-9)


def _trains(job: JobStatus) -> bool:
    return job.arguments[0] == "train" and job.message[:1].isupper()


def _far(job: JobStatus) -> str:
    """How far it is, and at what, as far as a page says that."""
    said = job.message[:1].isupper()  # what a command calls its own work is not for pages
    if not job.total and not job.done:
        return job.message if said else "Starting"
    done, total = (size(one) if job.bytes else f"{one:,}" for one in (job.done, job.total))
    far = f"{done} of {total}" if job.total else f"{done} so far"
    return f"{job.message}: {far}" if said else far


def _run_left(job: JobStatus) -> float | None:
    """Seconds that a training will still take in all: what is counted is one of its phases."""
    try:
        return cached_train.status(options(job).get("--resume", "")).seconds_left
    except UserError:
        return None


def about(seconds: float) -> str:
    """``about 8 s``, ``under 1 s``."""
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def estimate_words(estimate, absent: bool = False) -> str:
    """What a build would cost, in words; ``absent``: its weights are not here."""
    parts = [count(estimate.to_encode, "picture") + " to encode"]
    if estimate.seconds is not None:
        parts.append(about(estimate.seconds))
    parts.append(f"{size(estimate.disk_bytes)} on disk")
    if estimate.ram_bytes:
        parts.append(f"{size(estimate.ram_bytes)} of memory")
    if estimate.download_bytes:
        parts.append(f"{size(estimate.download_bytes)} to download first")
    elif absent:
        parts.append("weights to download first")
    return " · ".join(parts)


def stop(job: str) -> None:
    """Cancel a job; finished parts are kept."""
    jobs.cancel(job)
    cached.forget_builds()
