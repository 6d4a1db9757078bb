"""Metrics: which encoder is better, and is it certain?"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from core.services.evaluation.cells import Cell
from core.services.evaluation.leaderboard import cells_of, nothing_to_evaluate
from pages.parts import cached_metrics, url_state
from pages.parts.choosing import view
from pages.parts.guard import run
from pages.parts.library import path
from pages.parts.metrics import (
    audit,
    board,
    choice,
    classes,
    cost,
    curves,
    evaluation,
    export,
    factors,
    health,
    panel,
    queries,
    robustness,
    second_look,
    subject,
)
from pages.parts.metrics.choice import Choice, Entry
from pages.parts.shell import places, shell
from pages.parts.words import note, short

STYLE = Path(__file__).parent / "parts" / "web" / "metrics.css"
VIEWS = {
    "Leaderboard": board.show,
    "Cost": cost.show,
    "Curves": curves.show,
    "Classes": classes.show,
    "Queries": queries.show,
    "Re-ranking": second_look.show,
    "Shared factors": factors.show,
    "Robustness": robustness.show,
    "Subject": subject.show,
    "Data health": health.show,
    "Metric audit": audit.show,
}


def main() -> None:
    actions = shell("Metrics", "Which encoder is better, and how certain is that?")
    st.html(STYLE)
    choice.restore()
    evaluation.arrive()
    for name in cached_metrics.damaged_reports():
        note(
            f"The report {short(name)} can\u2019t be read.",
            "Its files are damaged. Evaluate again to have it back.",
        )
    settings, card, answer = places("panel_choice", "panel_card", "answer")
    with settings:
        entry = panel.data_set()
        chosen = panel.panel(entry) if entry and entry.reports else None
        evaluation.panel()
    with answer:
        busy = evaluation.working(entry) if entry else False
    if chosen is None:
        with answer:
            _nothing_yet(entry, busy)
        choice.publish()
        return
    cells = cells_of(
        cached_metrics.report(chosen.report, chosen.stamp), chosen.dataset, chosen.protocol
    )
    with answer:
        remarks = st.container()
        _view(chosen, cells)
        path.onward(entry.locator, "Improve")
    with card:
        panel.protocol_card(chosen, cells)
    with actions:
        export.buttons(chosen, cells)
    with remarks:
        url_state.tell(st.session_state.get(choice.REMARKS, ()))
    choice.publish()


def _nothing_yet(entry: Entry | None, busy: bool) -> None:
    """No report holds the data set, or there is none that could be evaluated."""
    if entry is None:
        note(
            "Nothing has been evaluated yet, and no data set here has labels.",
            "Add pictures in a folder for each class on the Library page.",
        )
    elif not busy:
        evaluation.first(entry)


def _view(chosen: Choice, cells: list[Cell]) -> None:
    def one(show: Callable[[Choice, list[Cell]], None]) -> None:
        if not cells[0].evaluated.any():
            raise nothing_to_evaluate(cells[0])
        show(chosen, cells)

    view(choice.VIEW, {name: partial(one, show) for name, show in VIEWS.items()})


run(main, "Metrics")
