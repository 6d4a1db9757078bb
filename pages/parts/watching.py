"""A job on a page: found by its arguments, its progress with a button, and its end."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus
from pages.parts import builds, cached, press
from pages.parts.words import quiet, row_html

T = TypeVar("T")
STARTED = "jobs_started"
"""Jobs that this session started, by their arguments, so that it can tell how they ended."""


def _nothing() -> None:
    pass


def start(title: str, arguments: Sequence[str]) -> str:
    """Start a job and note it for :func:`ended`; empty where it was refused."""
    job = builds.begin(title, list(arguments))
    if job is None:
        return ""
    st.session_state.setdefault(STARTED, {})[tuple(arguments)] = job
    cached.forget_builds()
    return job


def started(arguments: Sequence[str]) -> str | None:
    """The id of the last job that this session started with these arguments."""
    return st.session_state.get(STARTED, {}).get(tuple(arguments))


def active(arguments: Sequence[str]) -> JobStatus | None:
    """The running job with these arguments, whoever started it."""
    return next(
        (job for job in cached.active_jobs() if tuple(job.arguments) == tuple(arguments)), None
    )


def ended(arguments: Sequence[str]) -> JobStatus | None:
    """How the last one that this session started ended; None where none did."""
    return builds.over(started(arguments))


def bar(
    job: JobStatus, name: str, said: str = "", about: str = "", then: Callable[[], None] = _nothing
) -> None:
    """Title, how far (``said``), a button that stops the job, and a line ``about`` it; ``then`` is
    called after a stop.

    ``name`` tells the bars of one page apart.
    """
    with st.container(key=f"panel_job_{name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            row_html(job.title, said or builds.progress_words(job))
            if press.button("Cancel", key=f"cancel_{name}"):
                builds.stop(job.id)
                then()
                st.rerun()
        st.progress(builds.share(job) or 0.0)
        if about:
            quiet(about)


def follow(
    look: Callable[[], T], draw: Callable[[T], None], ended: Callable[[], None], every: float = 1.0
) -> None:
    """``draw(look())``, again every so many seconds while ``look`` finds a job at work. When one
    begins or ends, whoever began it, the page runs again; at an end ``ended`` is called first."""
    working = bool(look())
    st.fragment(_follow, run_every=every if working else None)(look, draw, ended, working)


def _follow(
    look: Callable[[], T], draw: Callable[[T], None], ended: Callable[[], None], was_working: bool
) -> None:
    found = look()
    if bool(found) != was_working:
        if was_working:
            ended()
        st.rerun()
    draw(found)


def until_over(job_id: str, then: Callable[[], None]) -> JobStatus:
    """The job at work; once it is over ``then`` is called and the page runs again."""
    try:
        job = jobs.status(job_id)
    except UserError:  # somebody cleared it away
        job = None
    if job is None or not job.active:
        cached.forget_builds()
        then()
        st.rerun()
    return job
