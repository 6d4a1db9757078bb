"""The answer side of Compare: asks each encoder in turn and draws what is there while the rest is at work."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import streamlit as st

from core.errors import UserError
from core.services.search import Answer
from pages.parts import builds, cached, columns, components
from pages.parts.guard import guarded
from pages.parts.link import View

OUTCOMES = "outcomes"
"""What this session knows of each question: "answered", or the UserError that it ended in."""
MAX_OUTCOMES = 300
AT_ONCE_S = 0.25
"""Bundled encoders answer within this before the first drawing; the others after it, one by one."""


@dataclass
class Gathered:
    """Columns in the order asked; those that have answered; those that still have to; and whether a build runs."""

    columns: list[dict] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    busy: bool = False


def gather(view: View) -> Gathered:
    """Every column's state now."""
    version, found = cached.version(view.dataset), Gathered()
    deadline = time.monotonic() + AT_ONCE_S
    states: dict[str, dict | None] = {}
    for name in view.encoders:
        row = cached.encoder_row(name) or {}
        outcome = _outcome(view, version, name)
        if outcome is None and (blocked := _blocked(view, version, row)) is not None:
            states[name] = blocked
            found.busy |= blocked["state"] == "busy"
            continue
        if outcome is None and row["tier"] in ("bundled", "packaged") and time.monotonic() < deadline:
            outcome = ask(view, name)
        if outcome is None:
            found.waiting.append(name)
            states[name] = columns.waiting(row)
        elif isinstance(outcome, UserError):
            states[name] = columns.failed(row, outcome)
        else:
            found.answers[name] = _answer(view, version, name)
            states[name] = None
    found.columns = _columns(view, found.answers, states)
    return found


def ask(view: View, name: str) -> str | UserError:
    """One encoder's answer, kept; returns how it went."""
    version = cached.version(view.dataset)
    try:
        guarded(lambda: _answer(view, version, name), name)
        outcome: str | UserError = "answered"
    except UserError as error:
        outcome = error
    known = st.session_state.setdefault(OUTCOMES, {})
    known[_key(view, version, name)] = outcome
    while len(known) > MAX_OUTCOMES:
        known.pop(next(iter(known)))
    return outcome


def draw(view: View, found: Gathered, key: str, still: bool = False) -> tuple[str | None, str | None]:
    """The board; returns the picture clicked and the action pressed."""
    version = cached.version(view.dataset)
    shown = dict.fromkeys(hit.id for answer in found.answers.values() for hit in answer.hits)
    pictures = {id: cached.thumbnail(view.dataset, version, id) for id in shown}
    return components.board(found.columns, pictures, view.k, key, still)


def act(view: View, action: str) -> None:
    """Do what a button in a column asks: build, cancel a build, or ask once more."""
    verb, _, name = action.partition(":")
    if name not in view.encoders:
        return
    st.session_state.get(OUTCOMES, {}).pop(_key(view, cached.version(view.dataset), name), None)
    if verb == "build":
        builds.start(view.dataset, [name], view.index)
    elif verb == "cancel" and (job := builds.active(view.dataset, name)):
        builds.stop(job.id)


def _key(view: View, version: str, name: str) -> tuple:
    return view.dataset, version, view.query, name, view.index, view.k, view.where


def _answer(view: View, version: str, name: str) -> Answer:
    return cached.answer(view.dataset, version, view.query, name, view.index, view.k, view.where)


def _outcome(view: View, version: str, name: str) -> str | UserError | None:
    return st.session_state.get(OUTCOMES, {}).get(_key(view, version, name))


def _columns(view: View, answers: dict[str, Answer], states: dict[str, dict | None]) -> list[dict]:
    common, dataset = columns.Common.of(list(answers.values())), cached.dataset(view.dataset)
    return [
        state or columns.done(cached.encoder_row(name), answers[name], dataset, common) for name, state in states.items()
    ]


def _blocked(view: View, version: str, row: dict) -> dict | None:
    """The column of an encoder that can't be asked now: unavailable, being built, or not built yet."""
    if job := builds.active(view.dataset, row["name"]):
        words = {"headline": "Building", "message": builds.progress_words(job), "actions": [["cancel", "Cancel"]]}
        share = job.done / job.total if job.total else None
        return {**columns.head(row), "state": "busy", "progress": share, **words}
    if row["state"] == "unavailable":
        return {**columns.head(row), "state": "failed", "headline": "Not available here", "message": row["detail"]}
    if cached.built(view.dataset, version, row["name"]):
        return None
    return {**columns.head(row), **_offer(view, version, row)}


def _offer(view: View, version: str, row: dict) -> dict:
    """A column that offers a build, with what it would cost and how the last try ended."""
    title = cached.dataset(view.dataset).title or view.dataset
    try:
        estimate = guarded(lambda: cached.estimate(view.dataset, version, row["name"]), f"The estimate for {row['name']}")
    except UserError as error:
        return {"state": "failed", "headline": error.given, "message": f"{error.allowed} {error.fix}".strip()}
    if estimate.missing:
        return {"state": "failed", "headline": "Something is missing", "message": " ".join(estimate.missing)}
    absent = row["state"] == "download"
    label = "Download and build" if absent else "Build"
    last = builds.ended(view.dataset, row["name"])
    headline, message = f"Not built for {title} yet", builds.estimate_words(estimate, absent)
    if last is not None and last.state in ("failed", "cancelled"):
        headline = "The build failed" if last.state == "failed" else "The build was stopped"
        message = f"{last.message} Left to do: {message}"
    return {"state": "unbuilt", "headline": headline, "message": message, "actions": [["build", label]]}
