"""Index lab: what does approximation cost?"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from pages.parts import components, link, query, url_state
from pages.parts.choosing import view
from pages.parts.guard import run
from pages.parts.lab import advice, curves, hashing, loss, measuring, one_query, panel, state
from pages.parts.shell import places, shell

WEB = Path(__file__).parent / "parts" / "web"
VIEWS = {
    "Recall and time": curves.show,
    "One query": one_query.show,
    "Approximation loss": loss.show,
    "Buckets": hashing.show,
    "Advice": advice.show,
}


def main() -> None:
    state.restore()
    actions = shell("Index lab", "What approximate search costs: recall, against time and memory")
    st.html(WEB / "metrics.css")
    st.html(WEB / "lab.css")
    asking = state.value("view") in state.ASKING
    chosen, *asked, answer = places(
        "panel_settings", *(["panel_query"] if asking else []), "answer"
    )
    with chosen:
        panel.panel()
    for one in asked:
        with one:
            query.panel(link.current())
    state.publish()
    with actions:
        components.copy_link("copy")
    with answer:
        _answer()


def _answer() -> None:
    url_state.tell(st.session_state.get(link.REMARKS, ()))
    now = state.current()

    def one(show: Callable[[state.LabView], None]) -> None:
        if measuring.ready(now):
            show(now)

    view(state.key("view"), {name: partial(one, show) for name, show in VIEWS.items()})


run(main, "Index lab")
