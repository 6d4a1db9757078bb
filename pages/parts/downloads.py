"""Downloads as the Library page sees them: a button beside what is not here, its progress in the
same place, and how it ended."""

import streamlit as st

from core.errors import UserError
from core.services import jobs
from core.services.jobs import JobStatus
from pages.parts import builds, cached, press, watching
from pages.parts.guard import public
from pages.parts.words import note, quiet, telling

STARTED = "downloads_started"
"""Jobs that this session started: (kind, name) -> id, so that it can tell how they ended."""
MAX_AT_ONCE = 3


def start(kind: str, name: str, title: str) -> str:
    """Fetch a ``dataset`` or the weights of an ``encoder`` in a process of its own; one that runs
    already is joined.

    Raises:
        UserError: enough downloads run already.
    """
    running = active(kind, name)
    if (
        running is None
        and len([job for job in cached.active_jobs() if job.arguments[0] == "download"])
        >= MAX_AT_ONCE
    ):
        raise UserError(
            f"{MAX_AT_ONCE} downloads run already.", fix="Wait for one to end, or cancel one."
        )
    asked = ["download", f"--{kind}", name]
    job = running.id if running else jobs.start(f"Download {title}", asked)
    st.session_state.setdefault(STARTED, {})[kind, name] = job
    cached.forget_builds()
    return job


def active(kind: str, name: str) -> JobStatus | None:
    """The running job that downloads this, whoever started it."""
    return next(
        (job for job in cached.active_jobs() if job.arguments == ("download", f"--{kind}", name)),
        None,
    )


def ended(kind: str, name: str) -> JobStatus | None:
    """How the last download that this session started of this ended; None where none did."""
    return builds.over(st.session_state.get(STARTED, {}).get((kind, name)))


def offer(kind: str, row: dict) -> None:
    """Beside a row in state ``download``: the button, progress with Cancel, or why it failed."""
    name, title = row["name"], row["title"]
    watching.follow(
        lambda: active(kind, name), lambda job: _offer(kind, name, title, job), cached.forget_all
    )


def _offer(kind: str, name: str, title: str, job: JobStatus | None) -> None:
    if job is not None:
        _running(job, title)
        return
    if press.button("Download", key=f"download_{kind}_{name}", icon=":material/download:"):
        with telling():
            start(kind, name, title)
            st.rerun()
        return
    last = ended(kind, name)
    if last is not None and last.state != "done":
        note(
            f"{builds.ending(last, 'download')}.",
            public(last.message),
            "bad" if last.state == "failed" else "",
        )


def _running(job: JobStatus, title: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        quiet(builds.progress_words(job))
        if press.button(
            "Cancel",
            key=f"cancel_row_{job.id}",
            help=f"Stop the download of {title}; what has come is kept",
        ):
            builds.stop(job.id)
            st.rerun()
    st.progress(builds.share(job) or 0.0)
