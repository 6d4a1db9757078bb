"""What is at work: progress, rate, time left, cancel; and how the last jobs ended."""

from __future__ import annotations

import time

import streamlit as st

from core.services.jobs import JobStatus
from pages.parts import builds, cached, given, guard, watching
from pages.parts.words import ago, note

RECENT = 3
RECENT_S = 3600.0
TONES = {"done": "good", "failed": "bad", "cancelled": ""}
ENDS = {"done": "Done", "failed": "Failed", "cancelled": "Stopped"}


def show() -> None:
    """Jobs of this machine; asked again every second while one runs."""
    running = bool(cached.active_jobs())
    st.fragment(_jobs, run_every=1.0 if running else None)(running)


def _jobs(was_running: bool) -> None:
    active = cached.active_jobs()
    if was_running and not active:
        cached.forget_downloads()
        st.rerun()
    for job in active:
        counting = not job.total and job.arguments[0] == "build"
        about = (
            "Counting what is to do. Finished parts of an earlier build are kept."
            if counting
            else ""
        )
        watching.bar(job, job.id, about=about)
    latest = {
        job.title: job for job in reversed(cached.recent_jobs())
    }  # of one thing tried several times, the last try
    over = [
        job for job in latest.values() if not job.active and time.time() - job.updated < RECENT_S
    ]
    for job in sorted(over, key=lambda job: -job.updated)[:RECENT]:
        _ended(job)


def _ended(job: JobStatus) -> None:
    """How a job ended; a build that ended well leads to what it made."""
    words = f"{guard.public(job.message)} {ago(time.time() - job.updated)}."
    made = builds.what(job) if job.state == "done" else {}
    with st.container(key=f"job_over_{job.id}", horizontal=True, vertical_alignment="center"):
        note(f"{ENDS[job.state]}: {job.title}.", words.strip(), TONES[job.state])
        ready = made and any(
            row["locator"] == made["dataset"]
            for row in cached.dataset_rows()
            if row["state"] == "ready"
        )
        if ready and st.button(
            "Compare", key=f"compare_{job.id}", help="Search with what was built"
        ):
            st.switch_page(
                "pages/compare.py",
                query_params={**made, "dataset": given.public_name(made["dataset"])},
            )
