"""Library: what there is, how far each data set has come, and what it costs."""

from pathlib import Path

import streamlit as st

from core import store
from pages.parts import cached, components, visitors
from pages.parts.guard import run
from pages.parts.library import add, caches, cards, one_set, place
from pages.parts.shell import shell
from pages.parts.words import count, quiet

STYLE = Path(__file__).parent / "parts" / "web" / "library.css"
"""Words never change: a tab of another name is another, and the first would open."""


def main() -> None:
    actions = shell(
        "Library", "Data sets, encoders and caches: add pictures, build, evaluate, delete"
    )
    st.html(STYLE)
    place.restore()
    with actions:
        add.button()
    with store.looking():  # to be listed is no use: what is unused for longest goes first
        row = place.row()
        components.from_the_top(f"Library {row and row['locator']}")
        if row is not None:
            one_set.show(row)
        else:
            _all()
    place.publish()


def _all() -> None:
    tabs = st.tabs(place.TABS, key=place.TAB, on_change="rerun")
    with tabs[0]:
        quiet(f"{count(_ready(cached.dataset_rows()), 'data set')} here.")
        cards.show()
        visitors.panel()
    with tabs[1]:
        rows = cached.encoder_rows()
        quiet(f"{_ready(rows)} of {len(rows)} encoders can be used now.")
        cards.encoders()
    with tabs[2]:
        caches.show(may_delete=True)


def _ready(rows: list[dict]) -> int:
    return sum(row["state"] == "ready" for row in rows)


run(main, "Library")
