"""Evaluations as a page starts them: jobs whose result is opened when they end."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services import jobs, journey
from core.services.jobs import JobStatus
from pages.parts import builds, cached, cached_library, watching
from pages.parts.words import count

PENDING = "evaluations_pending"
"""Ids of the jobs that this session started and whose end no page has told yet."""


def start(locator: str, encoders: Sequence[str]) -> None:
    """Evaluate encoders on a data set; an evaluation of it that runs already is joined. Its report
    has one name for each set, so that the next takes its place."""
    if (job := running(locator)) is not None:
        st.session_state.setdefault(PENDING, []).append(job.id)
        return
    title = cached.dataset(locator).title or locator
    name = journey.report_name(cached.dataset(locator))
    told = ["evaluate", "--datasets", locator, "--encoders", ",".join(encoders), "--name", name]
    begin(f"Evaluate {count(len(encoders), 'encoder')} on {title}", told)


def begin(title: str, arguments: Sequence[str]) -> None:
    """Start an evaluation with these arguments, and wait for its end."""
    if job := watching.start(title, arguments):
        st.session_state.setdefault(PENDING, []).append(job)


def running(locator: str) -> JobStatus | None:
    """The evaluation of a data set that is at work, whoever started it."""
    return next(
        (
            job
            for job in cached.active_jobs()
            if job.arguments[:1] == ("evaluate",)
            and locator in builds.options(job).get("--datasets", "").split(",")
        ),
        None,
    )


def started() -> JobStatus | None:
    """One that this session started and that is at work."""
    known = st.session_state.get(PENDING, ())
    return next((job for job in cached.active_jobs() if job.id in known), None)


def finished() -> JobStatus | None:
    """How an evaluation ended that this session started; told once."""
    for job in list(st.session_state.get(PENDING, ())):
        try:
            status = jobs.status(job)
        except UserError:  # somebody cleared it away
            st.session_state[PENDING].remove(job)
            continue
        if not status.active:
            st.session_state[PENDING].remove(job)
            return status
    return None


def retry(job: JobStatus) -> None:
    """Start an evaluation that did not end well once more, and wait for its end."""
    try:
        st.session_state.setdefault(PENDING, []).append(jobs.retry(job.id))
    except UserError as error:
        st.session_state[builds.REFUSED] = error
    cached.forget_builds()


def report_of(job: JobStatus) -> str:
    """The name of the report that an evaluation wrote."""
    return builds.options(job).get("--name", "latest")


def words(locator: str, version: str, encoders: Sequence[str]) -> str:
    """``Evaluate, about 20 s``."""
    seconds = cached_library.evaluation_seconds(locator, version, tuple(encoders))
    return "Evaluate" + ("" if seconds is None else f", {builds.about(seconds)}")
