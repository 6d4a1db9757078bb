"""Vectors and large indexes that are not there yet: offered, watched, and what went wrong said."""

import streamlit as st

from core.services.jobs import JobStatus
from pages.parts import builds, cached, cached_lab, palette, watching
from pages.parts.guard import guarded, public
from pages.parts.lab.live import live
from pages.parts.lab.state import LabView
from pages.parts.words import note

AT_ONCE = 20_000
"""In galleries up to this size indexes are built, and stages measured, without asking: it takes
seconds."""


def ready(now: LabView) -> bool:
    """Whether the vectors are there; where not, the page offers to make them."""
    row = cached.encoder_row(now.encoder) or {}
    if cached.built(*now.key):
        return True
    if job := builds.active(now.base.dataset, now.encoder):
        live(_watch, job.id, every=0.8)
    elif row.get("state") == "unavailable":
        note("This encoder is not available here.", row.get("detail", ""), tone="bad")
    else:
        _offer(now, absent=row.get("state") == "download")
    return False


def _offer(now: LabView, absent: bool) -> None:
    title = cached.dataset(now.base.dataset).title or now.base.dataset
    cost = guarded(lambda: cached.estimate(*now.key), f"The estimate for {now.encoder}")
    if cost.missing:
        note("Something is missing.", " ".join(cost.missing), tone="bad")
        return
    _ending(builds.ended(now.base.dataset, now.encoder))
    note(
        f"{palette.title(now.encoder)} has no vectors of {title} yet.",
        f"Building them: {builds.estimate_words(cost, absent)}.",
    )
    if st.button("Download and build" if absent else "Build", type="primary", key="lab_build"):
        builds.start(now.base.dataset, [now.encoder])
        st.rerun()


def index_ready(now: LabView, spec: str) -> bool:
    """Whether a setting of an index can be asked, or built meanwhile; in a large gallery the page
    offers to build it."""
    if len(cached.dataset(now.base.dataset).items) <= AT_ONCE or cached_lab.index_built(
        *now.key, spec
    ):
        return True
    wanted = ["build", "--dataset", now.base.dataset, "--encoders", now.encoder, "--index", spec]
    if job := watching.active(wanted):
        live(_watch, job.id, every=0.8)
        return False
    _ending(watching.ended(wanted))
    note(
        "This setting is not built yet.",
        "In a gallery this large it takes seconds to minutes, can be stopped, and is kept.",
    )
    if st.button("Build the index", type="primary", key="lab_build_index"):
        watching.start(f"Build {spec}", wanted)
        st.rerun()
    return False


def _ending(last: JobStatus | None) -> None:
    """How the last try ended, where it did not end well."""
    if last is not None and (said := builds.ending(last)):
        note(f"{said}.", public(last.message), tone="bad")


def _watch(job_id: str) -> None:
    progress(watching.until_over(job_id, cached_lab.forget))


def progress(job: JobStatus) -> None:
    """A job at work: how far, how long still, and a button to stop it."""
    first = (
        "The first point takes longest: vectors are read, synthetic ones drawn, exact answers"
        " found, an index built."
    )
    about = first if not job.done and job.arguments[0] == "tune" else ""
    watching.bar(job, "lab", about=about, then=cached_lab.forget)
