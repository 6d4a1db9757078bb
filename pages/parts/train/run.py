"""One run: its state, stop, resume, delete; its curves, and what it reached once it is done."""

import shlex
from html import escape

import streamlit as st

from core.errors import UserError
from core.services.hosting import limits
from core.services.training import runs, train
from core.services.training.runs import RunStatus
from pages.parts import cached_train, choosing, guard, press, url_state
from pages.parts.train import capabilities, curves, effects, listing, setup, state
from pages.parts.words import (
    caption,
    duration,
    facts,
    heading,
    listed,
    note,
    per_second,
    quiet,
    size,
    telling,
    trouble,
)

WORDS = {
    "running": "Running",
    "done": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "new": "Not started",
}
ERROR, SEEN = "train_error", "train_seen"
"""``SEEN``: the run drawn last and its state; one ended since opens on what it changed."""


def show(run: str) -> None:
    """The run, drawn again by itself every second while it is at work."""
    try:
        found = cached_train.status(run)
    except UserError as error:
        trouble(error)
        return
    listing.back()
    heading(found.model)
    st.fragment(_progress, run_every=1.0 if found.state == "running" else None)(run, found.state)
    views = {state.CURVES: lambda: _curves(found)}
    if found.state == "done":
        views[state.EFFECT] = lambda: effects.show(run)
        if capabilities.has(found.model):
            views[state.CAPABILITIES] = lambda: capabilities.show(found.model)
    views[state.FACTS] = lambda: _of_run(run)
    ended = found.state == "done" and st.session_state.get(SEEN) == (run, "running")
    st.session_state[SEEN] = run, found.state
    if ended:
        st.session_state.pop(state.VIEW, None)
    first = state.EFFECT if found.state == "done" else state.CURVES
    url_state.heal(state.VIEW, list(views), first)
    url_state.tell(st.session_state[state.REMARKS])
    choosing.view(state.VIEW, views)


def show_model(name: str) -> None:
    """A model without a run: what its card says, and what it can do."""
    listing.back()
    heading(next(card["title"] for card in cached_train.cards() if card["name"] == name))
    if capabilities.has(name):
        capabilities.show(name)
    _of_model(name)


def _progress(run: str, was: str) -> None:
    """State, progress bar, buttons. When the run begins or ends the whole page is drawn again."""
    found = cached_train.status(run)
    if found.state != was:
        cached_train.forget()
        st.rerun()
    quiet(f"{listing.words(found, alone=True)} · {run}")
    with st.container(key="panel_train_progress"):
        with st.container(horizontal=True, vertical_alignment="center", key="train_state"):
            state = f'<div class="ll-row-title"><b>{WORDS[found.state]}</b></div>'
            st.html(f'<div class="ll-row">{state}</div>')
            _buttons(found)
        if found.state != "done":
            st.progress(_share(found))
        if found.phases:
            _phases(found)
        quiet(_reading(found))
        for words in found.notes:
            quiet(words)
    if found.state == "failed":
        note("The run failed.", guard.public(found.message) or "Its log does not say why.", "bad")
    if error := st.session_state.pop(ERROR, None):
        trouble(error)


def _share(found: RunStatus) -> float:
    if found.phase:
        return min(found.done / found.total, 1.0) if found.total else 0.0
    return min(found.step / found.steps, 1.0) if found.steps else 0.0


def _phases(found: RunStatus) -> None:
    """What a run has done, what it does now with its count, and how long the rest takes."""
    cells = []
    for phase in found.phases:
        counted = f"{phase.done:,} of {phase.total:,}" if phase.total else ""
        left = ""
        if phase.seconds:
            left = f"{duration(phase.seconds)}{' left' if phase.state == 'now' else ''}"
        said = (
            "done"
            if phase.state == "done"
            else " · ".join(part for part in (counted, left) if part)
        )
        mark = ' aria-current="step"' if phase.state == "now" else ""
        words = f"<b>{escape(phase.name)}</b><small>{escape(said)}</small>"
        cells.append(f'<div role="listitem" class="{phase.state}"{mark}>{words}</div>')
    st.html(f'<div role="list" class="ll-phases">{"".join(cells)}</div>')


def _reading(found: RunStatus) -> str:
    """``Step 120 of 600 · epoch 2 of 10 · 97 pictures per second · 4 min left``"""
    if found.phase:
        of = [f"{found.done:,} of {found.total:,}"] if found.total else []
        if found.seconds_left is not None:
            left = [f"{duration(found.seconds_left)} left in all"]
        else:
            left = []
        return " · ".join([found.phase, *of, *left])
    parts = [f"Step {found.step:,} of {found.steps:,}" if found.steps else "Waiting to begin"]
    if found.epoch_steps:
        epoch = min(found.step // found.epoch_steps + 1, found.steps // found.epoch_steps)
        parts.append(f"epoch {epoch} of {found.steps // found.epoch_steps}")
    if found.state == "running" and found.images_s:
        parts.append(
            f"{per_second(found.images_s)} pictures per"
            f" second{' on the GPU' if found.device == 'cuda' else ''}"
        )
    if found.state == "running" and found.seconds_left is not None:
        parts.append(f"{duration(found.seconds_left)} left in all")
    if found.state in ("stopped", "failed") and found.step:
        parts.append("Resume continues from the last checkpoint")
    if found.best:
        where = f"in epoch {found.best[0]}" if found.best[0] else "of the initial weights"
        parts.append(f"best validation {found.best[1]:.3f} {where}")
    return " · ".join(parts)


def _buttons(found: RunStatus) -> None:
    if not limits.may("train"):
        return
    if found.state == "running":
        _button(
            "Stop",
            "train_stop",
            lambda: train.stop(found.id),
            "Progress is kept: Resume continues from there.",
        )
        return
    if found.state != "done":
        _button("Resume" if found.step else "Start", "train_resume", lambda: train.resume(found.id))
    with st.popover("Delete"):
        quiet("The run, its curves and its checkpoint are deleted.")
        both = found.state == "done" and st.toggle(
            f"The encoder {found.model} too", key="train_delete_model"
        )
        if press.button("Delete", type="primary", width="stretch", key="train_delete"):
            runs.delete(found.id, model=both)
            cached_train.forget()
            state.show()
            st.rerun(scope="app")


def _button(label: str, key: str, act, tip: str = "") -> None:
    if press.button(
        label, key=key, type="primary" if label != "Stop" else "secondary", help=tip or None
    ):
        with telling(ERROR):
            act()
        cached_train.forget()
        st.rerun(scope="app")


def _curves(found: RunStatus) -> None:
    st.fragment(curves.show, run_every=2.0 if found.state == "running" else None)(found.id)


def _of_run(run: str) -> None:
    """Every setting that is not the recipe's, the command for it, and the card if any."""
    told = cached_train.told(run)
    usual = {row["name"]: row["value"] for row in setup.setting_rows(told["recipe"], {})}
    same = {
        name: list(value) if isinstance(value, tuple) else value for name, value in usual.items()
    }
    changed = {name: value for name, value in told.items() if name in usual and value != same[name]}
    caption(f"Settings that are not those of the recipe {told['recipe']}")
    facts([(name.replace("_", " "), listed(value)) for name, value in changed.items()])
    caption("The same from the command line")
    kept = {name: value for name, value in changed.items() if name not in ("precision", "name")}
    st.code(
        shlex.join(["python", "-m", "core", *train.arguments(told["recipe"], kept)]),
        language="sh",
        wrap_lines=True,
    )
    _of_model(told["name"], run)


def _of_model(name: str, run: str = "") -> None:
    """The card of a model; of ``run`` alone where one is named."""
    card = next((card for card in cached_train.cards() if card["name"] == name), None)
    if card is None or (run and card.get("run") != run):
        return
    caption("The model's card")
    facts([(label, value) for label, value in _card(card) if value])
    if card.get("about"):
        quiet(card["about"])
    for one in card.get("data", []):
        quiet(f"{one['name']}: {one['note']}.")


def _card(card: dict) -> list[tuple[str, str]]:
    network, scores = card["network"], card.get("validation", {})
    return [
        ("Name", card["name"]),
        ("Network", f"{network['backbone']}, {network['size']} px, {network['dim']} dimensions"),
        ("Parameters", f"{card['parameters']:,} in {size(card['bytes'])}"),
        ("Initial weights", card.get("starts_from", "")),
        ("Teacher", card.get("teacher", "")),
        (
            "Epochs",
            (
                f"{card['epochs']}, best: {card['best_epoch'] or 'before the first'}"
                if "epochs" in card
                else ""
            ),
        ),
        ("Validation", f"{scores['mean']:.3f}: {scores['metric']}" if "mean" in scores else ""),
        ("Missing keys", str(len(card["missing"])) if card.get("missing") else ""),
        ("Unexpected keys", str(len(card["unused"])) if card.get("unused") else ""),
        ("Created", card.get("created", "")),
        ("sha256", card["sha256"][:16]),
        ("Licence", card.get("licence", "")),
    ]
