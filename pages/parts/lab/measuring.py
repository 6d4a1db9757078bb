"""Measurements as jobs: estimated, started, watched, found again, and how they ended."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from core.services.index_lab import curves
from core.services.index_lab.curves import Plan
from core.services.jobs import JobStatus
from pages.parts import builds, cached, cached_lab, palette, press, watching
from pages.parts.guard import guarded, public
from pages.parts.lab import state
from pages.parts.lab.live import live
from pages.parts.lab.state import LabView
from pages.parts.words import count, note, quiet, size, trouble

AT_ONCE = 20_000
"""In galleries up to this size indexes are built and stages measured unasked, in seconds."""


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
        _offer_missing(now, absent=row.get("state") == "download")
    return False


def _offer_missing(now: LabView, absent: bool) -> None:
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
    if press.button("Download and build" if absent else "Build", type="primary", key="lab_build"):
        builds.start(now.base.dataset, [now.encoder])
        st.rerun()


def index_ready(now: LabView, spec: str) -> bool:
    """Whether a setting can be asked or quickly built; else the page offers to build it."""
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
    if press.button("Build the index", type="primary", key="lab_build_index"):
        watching.start(f"Build {spec}", wanted)
        st.rerun()
    return False


def _ending(last: JobStatus | None) -> None:
    """How the last try ended, where it did not end well."""
    if last is not None and (said := builds.ending(last)):
        note(f"{said}.", public(last.message), tone="bad" if last.state == "failed" else "")


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


ESTIMATED = "lab_estimated"
COMMAND, AGAIN = "tune", "--again"


def arguments(
    now: LabView, indexes: Sequence[str], size: int, full: bool, **more: bool
) -> list[str]:
    return curves.job_arguments(
        cached.dataset(now.base.dataset), now.encoder, indexes, now.base.k, size, full=full, **more
    )


def _same(wanted: Sequence[str], given: Sequence[str]) -> bool:
    """Whether a job measures what is wanted, for the first time or again."""
    return [one for one in given if one != AGAIN] == list(wanted)


def active(wanted: Sequence[str]) -> JobStatus | None:
    """The running job that measures this, whoever started it."""
    return next((job for job in cached.active_jobs() if _same(wanted, job.arguments)), None)


def ended(wanted: Sequence[str]) -> JobStatus | None:
    """How the last one that this session started ended."""
    known = [
        job
        for given, job in st.session_state.get(watching.STARTED, {}).items()
        if _same(wanted, given)
    ]
    return builds.over(max(known, default=None))  # an id begins with its time


def start(title: str, wanted: list[str]) -> None:
    watching.start(title, wanted)
    cached_lab.forget()


def panel(now: LabView, plan: Plan, key: tuple, wanted: list[str]) -> None:
    """What is left to measure: at work, or what it would take and a button."""
    if job := active(wanted):
        progress(job)
        return
    for line in left_out(plan):
        quiet(line)
    last = ended(wanted)
    if last is not None and last.state == "failed":
        trouble(UserError("The measurement failed.", public(last.message)))
    stopped = last is not None and last.state == "cancelled"
    if plan.left:
        _offer(now, plan, key, wanted, _there(plan, stopped))
    elif stopped:
        note(_there(plan, stopped), "What was not measured again keeps its older times.")


def left_out(plan: Plan) -> list[str]:
    """What can't hold this gallery, by reason: the settings of one build share theirs."""
    lines = []
    for why in dict.fromkeys(plan.refused.values()):
        own = [spec for spec in plan.settings if plan.refused.get(spec.text) == why]
        names = list(dict.fromkeys(state.title(spec.name) for spec in own))
        many = f" ({len(own)} settings)" if len(own) > 1 else ""
        lines.append(
            f"{', '.join(names)}{many} {'is' if len(names) == 1 else 'are'} left out: {why}"
        )
    return lines


def _there(plan: Plan, stopped: bool) -> str:
    many = f"{len(plan.found)} of {count(len(plan.settings), 'setting')}"
    if stopped:
        return f"Stopped: {many} {'is' if len(plan.settings) == 1 else 'are'} measured and kept."
    return f"{many} are measured." if plan.found else "Nothing is measured yet."


def _spoiling() -> bool:
    """Whether another measurement runs; then the page says so."""
    others = [job for job in cached.active_jobs() if job.arguments[0] == COMMAND]
    if others:
        note(
            "Another measurement runs.",
            f"Two at once would distort each other's times: {others[0].title}, "
            f"{builds.progress_words(others[0])}.",
        )
    return bool(others)


def again(now: LabView, plan: Plan, key: tuple) -> None:
    """How many times are another machine's, or a busy one's, and a button to take them anew."""
    doubt = _doubt(plan)
    if not doubt:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="lab_crowded"):
        note(*doubt)
        if press.button(
            "Measure again",
            key="lab_again",
            help="Times every chosen setting again. Wait until nothing else runs.",
        ):
            indexes, _, size, full = key[3:]
            start(
                f"{_title(now, plan)}, again",
                arguments(now, indexes.split(";"), size, full, again=True),
            )
            st.rerun()


def _doubt(plan: Plan) -> tuple[str, str] | None:
    """What speaks against the times of a plan's points, and how to take them."""
    total = count(len(plan.found), "setting")
    if elsewhere := [point.machine for point in plan.found if point.machine]:
        share = f"{len(elsewhere)} of " if len(elsewhere) < len(plan.found) else ""
        return (
            f"The times of {share}{total} are another machine's ({elsewhere[0]}).",
            "Recall and sizes are the same here; times may differ.",
        )
    crowded = sum(point.crowded for point in plan.found)
    if not crowded:
        return None
    load = max(point.busy or 0.0 for point in plan.found)
    return (
        f"{crowded} of {total} {'was' if crowded == 1 else 'were'} timed on a busy machine.",
        f"Up to {load:.1f} processes per core ran at once: compare with care.",
    )


def _title(now: LabView, plan: Plan) -> str:
    larger = f", {plan.size:,} vectors" if state.value("size") else ""
    return f"Indexes over {cached.dataset(now.base.dataset).title or now.base.dataset}{larger}"


def _offer(now: LabView, plan: Plan, key: tuple, wanted: list[str], there: str) -> None:
    if _spoiling():
        return
    if st.session_state.get(ESTIMATED) != wanted:
        note(
            there,
            f"{count(plan.left, 'setting')} to measure; first you see how long that takes, and how"
            " much memory.",
        )
        if press.button(
            "Measure" if not plan.found else "Measure the rest", type="primary", key="lab_estimate"
        ):
            st.session_state[ESTIMATED] = wanted
            st.rerun()
        return
    cost = guarded(lambda: cached_lab.estimated(*key, plan.left), "The estimate")
    before = f"{there} " if there.startswith("Stopped") else ""
    note(
        f"{before}{count(plan.left, 'setting')} to measure: {words(cost)}.",
        cost.basis[:1].upper() + cost.basis[1:] + ".",
    )
    short = cost.free_bytes is not None and cost.ram_bytes > 0.9 * cost.free_bytes
    if short:
        note(
            "There is not enough memory.", "Choose a smaller gallery, or fewer indexes.", tone="bad"
        )
    with st.container(horizontal=True):
        if press.button("Start", type="primary", key="lab_measure", disabled=short):
            start(_title(now, plan), wanted)
            st.rerun()
        if press.button("Not now", key="lab_not_now"):
            st.session_state.pop(ESTIMATED)
            st.rerun()


def words(cost: Plan) -> str:
    """``about 2 min · 1.2 GB of memory, 30 GB free``."""
    time = "time not known" if cost.seconds is None else builds.about(cost.seconds)
    free = f", {size(cost.free_bytes)} free" if cost.free_bytes is not None else ""
    return f"{time}, {size(cost.ram_bytes)} of memory{free}"
