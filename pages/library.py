"""Library: what there is, what it costs, and what is at work."""

from __future__ import annotations

import streamlit as st

from pages.parts import cached, jobs_view, library_add, library_build, library_caches, library_lists
from pages.parts.guard import run
from pages.parts.shell import hosted, shell
from pages.parts.words import size

PLACES = ("panel_build", "panel_add", "answer")


def main() -> None:
    shell("Library", "What you have, what it costs, and what is at work")
    with st.container(key="frame"):
        build, add, lists = (st.container(key=place) for place in PLACES)
    with build:
        library_build.panel()
    with add:
        library_add.panel()
    with lists:
        jobs_view.show()
        tabs = st.tabs(_names())
        with tabs[0]:
            library_lists.datasets()
        with tabs[1]:
            library_lists.encoders()
        with tabs[2]:
            library_caches.show(may_delete=not hosted())


def _names() -> list[str]:
    rows = cached.cache_rows()
    sets = sum(row["state"] == "ready" for row in cached.dataset_rows())
    ready = sum(row["state"] == "ready" for row in cached.encoder_rows())
    return [f"Data sets · {sets} ready", f"Encoders · {ready} ready", f"Caches · {size(sum(row['bytes'] for row in rows))}"]


run(main, "Library")
