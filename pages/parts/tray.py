"""The tray of jobs, at the same place on every page: what waits, what is at work, how the last ones
ended, and what to do about each; and where the result of a job is looked at."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core.services import jobs
from core.services.jobs import JobStatus
from pages.parts import builds, cached, given, guard, press, url_state, watching
from pages.parts.guard import hosted
from pages.parts.words import ago, count, quiet, row_html, telling, trouble


@dataclass(frozen=True, slots=True)
class Result:
    """A button's words, and the page with the parameters that it opens."""

    label: str
    page: str
    params: dict[str, str]


_OF = {
    "build": (
        "Compare",
        "compare",
        {"dataset": "--dataset", "encoders": "--encoders", "index": "--index"},
    ),
    "evaluate": ("Open the result", "metrics", {"report": "--name"}),
    "map": ("Open the map", "map", {"dataset": "--dataset", "encoders": "--encoders"}),
    "train": ("Open the run", "train", {"run": "--resume"}),
    "tune": ("Open the lab", "index_lab", {"dataset": "--dataset", "encoder": "--encoder"}),
    "download": ("Library", "library", {}),
}
"""Command of a job -> words, page, and parameters of that page by options of the command."""
OPTIONAL = ("--index", "--encoders")


def of(job: JobStatus) -> Result | None:
    """What a job that ended well has made; None where no page shows it."""
    command = job.arguments[0] if job.arguments else ""
    if command not in _OF:
        return None
    label, page, wanted = _OF[command]
    told = {"--name": "latest", **builds.options(job)}
    params = {name: told[option] for name, option in wanted.items() if option in told}
    needed = [name for name, option in wanted.items() if option not in OPTIONAL]
    ready = {row["locator"] for row in cached.dataset_rows() if row["state"] == "ready"}
    if any(name not in params for name in needed):
        return None
    if "dataset" in params:
        if params["dataset"] not in ready:
            return None
        params["dataset"] = given.public_name(params["dataset"])
    return Result(label, f"pages/{page}.py", params)


RECENT, RECENT_S = 12, 7 * 86400.0
"""So many jobs that have ended are listed, of the last week."""
LOG, TROUBLE = "tray_log", "tray_trouble"
ENDED = "jobs_ended"
"""Session: the jobs that had ended when this tab looked last."""
TAGS = {
    "starting": ("starting", "plain"),
    "queued": ("queued", "plain"),
    "running": ("running", ""),
    "done": ("done", ""),
    "failed": ("failed", "bad"),
    "cancelled": ("stopped", "plain"),
}


def show() -> None:
    """Draw it; asked again every second while a job is at work."""
    _follow_others()
    watching.follow(cached.active_jobs, _tray, cached.forget_all)


def _follow_others() -> None:
    """What a job made that another tab started, or a command line, is asked for anew."""
    ended = {job.id for job in cached.all_jobs() if not job.active}
    before = st.session_state.get(ENDED, ended)
    st.session_state[ENDED] = ended
    if ended - before:
        cached.forget_all()


def _tray(active: list[JobStatus]) -> None:
    listed = {job.id for job in active}  # one may end between two looks
    over = [job for job in ended() if job.id not in listed]
    tray = st.popover(_label(active, over), key="tray_open", icon=_icon(active, over))
    with tray, st.container(key="tray_jobs"):
        _listed(active, over)


def ended() -> list[JobStatus]:
    """Ended jobs that were not dismissed, newest first; of several tries the last."""
    latest = {job.title: job for job in reversed(cached.recent_jobs())}
    since = time.time() - RECENT_S
    over = [
        job for job in latest.values() if not (job.active or job.dismissed) and job.updated > since
    ]
    return sorted(over, key=lambda job: -job.updated)[:RECENT]


def _label(active: list[JobStatus], over: list[JobStatus]) -> str:
    if active:
        running = [far for job in active if (far := builds.share(job)) is not None]
        share = f" · {min(running):.0%}" if running else ""
        return f"{count(len(active), 'job')}{share}"
    for state in ("failed", "done", "cancelled"):  # the first that there is
        if number := sum(job.state == state for job in over):
            return f"Jobs · {number} {TAGS[state][0]}"
    return "Jobs"


def _icon(active: list[JobStatus], over: list[JobStatus]) -> str:
    if active:
        return ":material/progress_activity:"
    failed = any(job.state == "failed" for job in over)
    return ":material/error:" if failed else ":material/task_alt:"


def _listed(active: list[JobStatus], over: list[JobStatus]) -> None:
    if not active and not over:
        quiet("No job is running. Builds, evaluations, maps, trainings and downloads appear here.")
        return
    if error := st.session_state.pop(TROUBLE, None):
        trouble(error)
    for job in sorted(active, key=lambda job: job.id):
        _working(job)
    for job in over:
        _over(job)
    if len(over) > 1 and press.button("Dismiss all", key="tray_dismiss_all", type="tertiary"):
        _try(lambda: [jobs.dismiss(job.id) for job in over])


def _working(job: JobStatus) -> None:
    with st.container(key=f"row_job_{job.id}"):
        row_html(job.title, builds.progress_words(job), *TAGS[job.state])
        if (far := builds.share(job)) is not None:
            st.progress(far)
        with st.container(horizontal=True, gap="small"):
            if press.button("Cancel", key=f"tray_cancel_{job.id}"):
                _try(lambda: builds.stop(job.id))
            _log(job)


def _over(job: JobStatus) -> None:
    """How a job ended; one that ended well leads to what it made."""
    when = ago(time.time() - job.updated)
    said = guard.public(job.message)
    words = f"{said} · {when}" if said else when[:1].upper() + when[1:]
    with st.container(key=f"row_job_{job.id}"):
        row_html(job.title, words, *TAGS[job.state])
        with st.container(horizontal=True, gap="small"):
            made = of(job) if job.state == "done" else None
            if made and press.button(made.label, key=f"tray_open_{job.id}", type="primary"):
                url_state.go(made.page, made.params)
            if job.state != "done" and press.button("Try again", key=f"tray_retry_{job.id}"):
                _try(lambda: jobs.retry(job.id))
            _log(job)
            if press.button("Dismiss", key=f"tray_dismiss_{job.id}"):
                _try(lambda: jobs.dismiss(job.id))
        if st.session_state.get(LOG) == job.id and not hosted():
            st.code(jobs.output(job.id) or "It printed nothing.", language=None, wrap_lines=True)


def _log(job: JobStatus) -> None:
    """What a job printed, on request; it holds paths, which are not for visitors."""
    if hosted() or job.active:
        return
    shown = st.session_state.get(LOG) == job.id
    if press.button("Hide log" if shown else "Log", key=f"tray_log_{job.id}"):
        st.session_state[LOG] = None if shown else job.id
        st.rerun(scope="fragment")


def _try(act: Callable[[], object]) -> None:
    """Do it, then draw the page anew: another list of jobs may be at work."""
    with telling(TROUBLE):
        act()
    cached.forget_builds()
    st.rerun()
