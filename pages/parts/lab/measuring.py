"""Measurements as jobs: what they would take, started, watched, found again after a reload, and how they ended."""

from __future__ import annotations

import streamlit as st

from core.errors import UserError
from core.services.lab import curves
from core.services.lab.curves import Plan
from pages.parts import builds, cached, cached_lab, watching
from pages.parts.guard import guarded, public
from pages.parts.lab import making
from pages.parts.lab.state import LabView
from pages.parts.words import count, note, quiet, size, trouble

ESTIMATED = "lab_estimated"
COMMAND = "tune"


def arguments(now: LabView, indexes: tuple[str, ...], size: int, full: bool) -> list[str]:
    return curves.job_arguments(cached.dataset(now.base.dataset), now.encoder, indexes, now.base.k, size, full=full)


def start(title: str, wanted: list[str]) -> None:
    watching.start(title, wanted)
    cached_lab.forget()


def panel(now: LabView, plan: Plan, key: tuple, wanted: list[str]) -> None:
    """What is left to measure: at work, or what it would take and a button."""
    if job := watching.active(wanted):
        making.progress(job)
        return
    for name, why in plan.refused.items():
        quiet(f"{name} is left out: {why}")
    last = watching.ended(wanted)
    if last is not None and last.state == "failed":
        trouble(UserError("The measurement did not reach its end.", public(last.message)))
    if not plan.left:
        return
    _offer(now, plan, key, wanted)


def _offer(now: LabView, plan: Plan, key: tuple, wanted: list[str]) -> None:
    others = [job for job in cached.active_jobs() if job.arguments[0] == COMMAND]
    if others:
        note("Another measurement runs.", f"Two at once would spoil each other's times: {others[0].title}, "
             f"{builds.progress_words(others[0])}.")  # fmt: skip
        return
    there = "Nothing is measured yet." if not plan.found else f"{len(plan.found)} of {len(plan.settings)} settings are measured."
    if st.session_state.get(ESTIMATED) != wanted:
        note(there, f"{count(plan.left, 'setting')} to measure; first you see how long that takes, and how much memory.")
        if st.button("Measure" if not plan.found else "Measure the rest", type="primary", key="lab_estimate"):
            st.session_state[ESTIMATED] = wanted
            st.rerun()
        return
    cost = guarded(lambda: cached_lab.estimated(*key, plan.left), "The estimate")
    note(f"{count(plan.left, 'setting')} to measure: {words(cost)}.", cost.basis[:1].upper() + cost.basis[1:] + ".")
    short = cost.free_bytes is not None and cost.ram_bytes > 0.9 * cost.free_bytes
    if short:
        note("Memory will not suffice.", "Choose a smaller gallery, or fewer indexes.", tone="bad")
    with st.container(horizontal=True):
        if st.button("Start", type="primary", key="lab_measure", disabled=short):
            title = cached.dataset(now.base.dataset).title or now.base.dataset
            larger = f", {plan.size:,} vectors" if "--size" in wanted else ""
            start(f"Indexes over {title}{larger}", wanted)
            st.rerun()
        if st.button("Not now", key="lab_not_now"):
            st.session_state.pop(ESTIMATED)
            st.rerun()


def words(cost: Plan) -> str:
    """``about 2 min · 1.2 GB of memory, 30 GB free``."""
    time = "time not known" if cost.seconds is None else builds.about(cost.seconds)
    free = f", {size(cost.free_bytes)} free" if cost.free_bytes is not None else ""
    return f"{time}, {size(cost.ram_bytes)} of memory{free}"
