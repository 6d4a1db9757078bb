"""Summary of a run before it starts: its cost, what speaks against it, and the two buttons."""

import json
import shlex

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import UserError
from core.services.jobs import JobStatus
from core.services.training import train
from core.services.training.plan import Plan
from pages.parts import builds, cached, cached_train, guard, press
from pages.parts.train import setup, state
from pages.parts.words import (
    count,
    duration,
    facts,
    note,
    per_second,
    quiet,
    size,
    telling,
    trouble,
)


def panel(recipe: str, values: dict, start: DeltaGenerator) -> None:
    """Buttons of a run with these settings in their place, or why it can't be; its facts below."""
    job = _measuring(recipe, values)
    with start:
        found = _offered(recipe, values, job)
    if found is None:
        return
    facts(_facts(found, job))
    quiet(_phases(found))
    for source in found.sources:
        quiet(_source(source))
    # What shows code is 1.6 MB of script: loaded by who opens it.
    with st.expander("As a command", key="train_command", on_change="rerun") as fold:
        if fold.open:
            st.code(
                shlex.join(["python", "-m", "core", *train.arguments(recipe, values)]),
                language="sh",
                wrap_lines=True,
            )


def _offered(recipe: str, values: dict, job: JobStatus | None) -> Plan | None:
    """The plan of a run, with the buttons that begin it; None (told) where there is none."""
    if not values["datasets"]:
        quiet("Choose training data.")
        return None
    try:
        found = guard.guarded(lambda: _planned(recipe, values), "The plan of this run")
    except UserError as error:
        trouble(error)
        return None
    for words in found.notes:
        note("Fitted to your pictures.", words)
    _buttons(recipe, values, found, job)
    return found


def _planned(recipe: str, values: dict) -> Plan:
    versions = tuple(cached.version(locator) for locator in values["datasets"])
    return cached_train.planned(recipe, json.dumps(values, sort_keys=True), versions)


def _facts(found: Plan, job: JobStatus | None) -> list[tuple[str, str]]:
    time = "being measured" if job and job.active else "not measured yet"
    if found.seconds:
        time = (
            builds.about(found.seconds) if _fitted(found) else f"at most {duration(found.seconds)}"
        )
    rows = [
        ("Name", found.settings.name),
        ("Pictures", f"{found.learned:,} + {found.kept_back:,} held out"),
        (
            "Steps",
            (
                f"{found.steps:,} in {count(found.settings.epochs, 'epoch')}"
                if _fitted(found)
                else "fitted when it starts"
            ),
        ),
        ("Batch size", str(found.settings.batch)),
        (
            "Image size",
            f"{found.settings.size} px"
            + (f", crops of {found.settings.crop}" if found.settings.crop else ""),
        ),
        ("Network", f"{found.parameters / 1e6:.1f} M parameters"),
        ("Disk", size(found.disk_bytes)),
        ("Time", time),
    ]
    if found.images_s:
        rows.append(("Throughput", f"{per_second(found.images_s)} pictures per second"))
    return rows + ([("Download first", size(found.download_bytes))] if found.download_bytes else [])


def _fitted(found: Plan) -> bool:
    """Whether the number of steps is known: a time limit waits for the pace of this machine."""
    return bool(found.images_s or not found.settings.minutes)


def _phases(found: Plan) -> str:
    """``Reading pictures 20 s, learning 6 min, comparing before and after 2 min.``"""
    if not _fitted(found):
        return (
            "The throughput of this machine is measured when it starts; the number of steps then"
            " follows from the time."
        )
    if found.seconds is None:
        return "When it ends, before and after are compared automatically."
    parts = [
        f"{name.lower()} {duration(seconds)}"
        for name, seconds in found.phases.items()
        if seconds >= 1
    ]
    return f"{', '.join(parts).capitalize()}."


def _source(source) -> str:
    """``Clothing: 10 classes by label of 87 to 900 pictures; 307 are held out ...``"""
    if not source.field:
        return (
            f"{source.title}: no labels. {count(source.kept_back, 'picture')} held out to choose"
            " the best epoch."
        )
    if source.smallest == source.largest:
        sizes = f"{source.smallest:,}"
    else:
        sizes = f"{source.smallest:,} to {source.largest:,}"
    held = "whole objects" if source.kept_whole else "the same share of every class"
    kept = "none held out"
    if source.kept_back:
        kept = f"{source.kept_back:,} ({held}) held out to choose the best epoch"
    return (
        f"{source.title}: {source.classes:,} classes by {source.field}, {sizes} pictures each;"
        f" {kept}."
    )


def _buttons(recipe: str, values: dict, found: Plan, job: JobStatus | None) -> None:
    if press.button("Start training", type="primary", width="stretch", key="train_start"):
        _start(recipe, values)
    if job is not None and job.active:
        st.fragment(_watch, run_every=1.0)(recipe, values)
    elif found.images_s is None:
        again = "Measure the time again" if job else "Measure the time first"
        if press.button(
            again,
            width="stretch",
            key="train_measure",
            help="Takes a few real steps; nothing is kept of them.",
        ):
            builds.begin(
                f"Estimate {found.settings.name}", [*train.arguments(recipe, values), "--estimate"]
            )
            cached_train.forget()
            st.rerun()
        if job is not None and job.state == "failed":
            note("The time could not be measured.", guard.public(job.message), "bad")


def _start(recipe: str, values: dict) -> None:
    with telling(), st.spinner("Starting"):
        _, run = guard.guarded(lambda: train.start(train.configure(recipe, values)), "The start")
        st.session_state[setup.TAKEN] = True
        cached_train.forget()
        state.show(run=run)
        st.rerun()


def _measuring(recipe: str, values: dict) -> JobStatus | None:
    """The last job that measured such a run."""
    wanted = (*train.arguments(recipe, values), "--estimate")
    return next((job for job in cached.all_jobs() if job.arguments == wanted), None)


def _watch(recipe: str, values: dict) -> None:
    job = _measuring(recipe, values)
    if job is None or not job.active:
        cached_train.forget()
        st.rerun()
    quiet("Training a few steps to measure the throughput.")
    if press.button("Stop measuring", width="stretch", key="train_unmeasure"):
        builds.stop(job.id)
        st.rerun()
