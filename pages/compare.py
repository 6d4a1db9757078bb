"""Compare: one picture, several encoders, side by side."""

from functools import partial

import streamlit as st

from core.services.search.compare import agreement
from pages.parts import agreement as matrix
from pages.parts import (
    answers,
    cached,
    components,
    detail,
    export,
    key,
    link,
    palette,
    part,
    query,
    refining,
    settings,
    subject,
    url_state,
    why,
    why_panel,
)
from pages.parts.answers import Gathered
from pages.parts.cached import left
from pages.parts.given import opening
from pages.parts.guard import run
from pages.parts.library import path
from pages.parts.link import View
from pages.parts.shell import places, shell
from pages.parts.words import note

BOARD = "board"
PLACES = ("panel_query", "panel_settings", "panel_agreement", "answer")


def main() -> None:
    link.restore()
    found = cached.dataset(st.session_state[link.DATASET])
    actions = shell(
        "Compare",
        f"One picture, several encoders, the nearest of {searched():,} {purpose(found.kind)}",
    )
    asked, chosen, agreed, board = places(*PLACES)
    with chosen:
        settings.panel()
    with asked:
        shown = subject.now()
        query.panel(shown.view, shown)
    view = link.publish()
    gathered = answers.gather(view)
    with actions:
        components.copy_link("copy")
        export.button(view, gathered.answers, gathered.together)
    with board:
        url_state.tell(st.session_state[link.REMARKS])
        path.onward(view.dataset, "Evaluate")
        # Streamlit lets a click inside a fragment wait for the running page, which may be waiting
        # for an encoder to load.
        (st.fragment(_answer, run_every=1.0) if gathered.busy else _answer)(view, gathered)
    with agreed:
        _agreement(view, gathered)
    # No answer shares the processor with a detector: it looks when those that can be asked have
    # answered.
    found = None if gathered.waiting else subject.begin(view, asked)
    answers.finish(view, gathered, more=found)


def searched() -> int:
    """How many pictures are searched."""
    locator = st.session_state[link.DATASET]
    return left(locator, cached.version(locator), part.where())[0]


def purpose(kind: str) -> str:
    return {"rendered": "rendered products", "photographs": "photographs"}.get(kind, "pictures")


def _answer(view: View, gathered: Gathered) -> None:
    """The board; on its own while a build runs, so that its progress moves without the page."""
    gathered = answers.gather(view) if gathered.busy else gathered
    if not view.encoders:
        note(
            "No encoder is chosen.",
            "Choose at least one under Encoders, or start with the suggested ones.",
        )
        st.button("Show the usual encoders", on_click=_usual, key="usual_encoders")
        return
    picked, actions = answers.draw(
        view,
        gathered,
        BOARD,
        on_opened=partial(detail.remember, BOARD),
        on_why=partial(why.remember, BOARD),
        **detail.tools(view, gathered),
    )
    key.under_board(gathered.answers.values())
    if picked and picked in cached.dataset(view.dataset).rows:
        link.ask(f"item:{picked}")
        st.rerun()
    for action in actions:
        if not (refining.voted(view, action) or link.wish(action)):
            answers.act(view, action)
            detail.follow(view, action)
    if actions:
        st.rerun()
    if why_panel.work(view, gathered):
        st.rerun()
    if gathered.busy and subject.came(view):
        st.rerun()
    if gathered.busy and answers.step(view, gathered):  # one that has loaded meanwhile
        st.rerun()
    if st.session_state.get("was_busy") and not gathered.busy:
        st.session_state["was_busy"] = False
        cached.forget_builds()
        st.rerun()
    st.session_state["was_busy"] = gathered.busy


def _usual() -> None:
    """The encoders that the data set opens with."""
    st.session_state[link.ENCODERS] = opening(st.session_state[link.DATASET])


def _agreement(view: View, gathered: Gathered) -> None:
    shown = list(gathered.answers.values())
    if len(shown) > 1:
        titles = [palette.title(answer.encoder) for answer in shown]
        matrix.show(
            agreement(shown, view.most),
            titles,
            [palette.mark_html(answer.encoder) for answer in shown],
        )
    else:
        matrix.empty()


run(main, "Compare")
