"""The runs so far with their state, and the models that were trained here or imported."""

import time

import streamlit as st

from core.errors import UserError
from core.services.hosting import limits
from core.services.training.runs import RunStatus
from pages.parts import cached_train, press
from pages.parts.train import state
from pages.parts.words import ago, count, duration, heading, note, quiet, row_html

STATES = {
    "running": ("running", ""),
    "done": ("finished", "plain"),
    "stopped": ("stopped", "plain"),
    "failed": ("failed", "bad"),
    "new": ("not started", "plain"),
}
FIRST = 12
HOW = (
    "Choose training data, then start. A run continues when you close this page and after a"
    " restart of the server; when it ends, this page shows what it changed."
)


def show() -> None:
    """Both lists; asked again while a run is at work."""
    working = any(
        _status(run) and _status(run).state == "running" for run in cached_train.run_ids()[:FIRST]
    )
    st.fragment(_runs, run_every=3.0 if working else None)()
    _models()


def _status(run: str) -> RunStatus | None:
    try:
        return cached_train.status(run)
    except UserError:
        return None


def _runs() -> None:
    heading("Runs")
    runs = cached_train.run_ids()
    if not runs:
        note("Nothing has been trained here yet.", HOW if limits.may("train") else "")
        return
    for run in runs[:FIRST]:
        _row(run)
    if len(runs) > FIRST:
        with st.expander(count(len(runs) - FIRST, "older run")):
            for run in runs[FIRST:]:
                _row(run)


def _row(run: str) -> None:
    found = _status(run)
    if found is None:
        return
    with st.container(key=f"row_run_{run}", horizontal=True, vertical_alignment="center"):
        row_html(
            found.model, words(found), *STATES[found.state], more=found.message[:200], hint=run
        )
        if press.button("Open", key=f"open_{run}"):
            state.show(run=run)
            st.rerun()


def words(found: RunStatus, alone: bool = False) -> str:
    """``Classifier · from resnet.lookalike · clothing · learning, step 63 of 315 · 4 min left``;
    ``alone`` leaves out where it stands."""
    told = cached_train.told(found.id)
    begins = told["start_from"] or told["backbone"] + (", pretrained" if told["pretrained"] else "")
    parts = [
        told["title"] or told["recipe"],
        f"from {begins}",
        ", ".join(one.rstrip("/").split("/")[-1] for one in told["datasets"]),
    ]
    if not alone:
        parts += _stands(found)
    if told["created"] and (alone or found.seconds_left is None):
        parts.append(f"started {ago(time.time() - told['created'])}")
    return " · ".join(parts)


def _stands(found: RunStatus) -> list[str]:
    if found.phase:
        parts = [
            found.phase.lower() + (f" {found.done:,} of {found.total:,}" if found.total else "")
        ]
    else:
        parts = [f"step {found.step:,} of {found.steps:,}"] if found.steps else []
        parts += [f"best validation {found.best[1]:.3f}"] if found.best else []
    return parts + (
        [f"{duration(found.seconds_left)} left"] if found.seconds_left is not None else []
    )


def _models() -> None:
    runs = set(cached_train.run_ids())
    others = [card for card in cached_train.cards() if card.get("run") not in runs]
    if not others:
        return
    heading("Models")
    quiet(
        "Networks that came with the code or that you imported: their training data and"
        " capabilities."
    )
    for card in others:
        with st.container(
            key=f"row_model_{card['name']}", horizontal=True, vertical_alignment="center"
        ):
            learned = ", ".join(one["name"] for one in card.get("data", []))
            what = " · ".join(
                part
                for part in (card["name"], f"{card['parameters'] / 1e6:.1f} M parameters", learned)
                if part
            )
            row_html(
                card["title"],
                what,
                "included" if card["tier"] == "bundled" else "imported",
                "plain",
            )
            if press.button("Open", key=f"open_{card['name']}"):
                state.show(model=card["name"])
                st.rerun()


def back() -> None:
    """The way back to the lists."""
    if press.button("All runs", icon=":material/arrow_back:", key="train_back"):
        state.show()
        st.rerun()
