"""Library: what there is, what it costs, and what is at work."""

from __future__ import annotations

import streamlit as st

from pages.parts import (
    cached,
    jobs_view,
    library_add,
    library_build,
    library_caches,
    library_lists,
    mine,
)
from pages.parts.guard import run
from pages.parts.shell import shell
from pages.parts.words import quiet

PLACES = ("panel_build", "panel_add", "answer")
TABS = ("Data sets", "Encoders", "Caches")
"""Words that never change: a tab whose name changes is another tab, and the page would jump back to
the first."""


def main() -> None:
    shell("Library", "Data sets, encoders and caches, and running jobs")
    with st.container(key="frame"):
        build, add, lists = (st.container(key=place) for place in PLACES)
    with build:
        library_build.panel()
    with add:
        library_add.panel()
        mine.panel()
    with lists:
        jobs_view.show()
        tabs = st.tabs(TABS)
        with tabs[0]:
            quiet(_ready(cached.dataset_rows()))
            library_lists.datasets()
        with tabs[1]:
            quiet(_ready(cached.encoder_rows()))
            library_lists.encoders()
        with tabs[2]:
            library_caches.show(may_delete=True)


def _ready(rows: list[dict]) -> str:
    return f"{sum(row['state'] == 'ready' for row in rows)} of {len(rows)} ready"


run(main, "Library")
