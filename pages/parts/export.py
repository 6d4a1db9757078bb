"""The Export button of Compare: the table, the data and the picture of what is on the board. They
are made when they are asked for."""

from __future__ import annotations

import streamlit as st

from core.services.library import uploads
from core.services.search import export
from core.services.search.result import SearchResult
from core.services.sharing.comparison import comparison_page
from pages.parts import cached
from pages.parts.link import View


def button(
    view: View, answers: dict[str, SearchResult], joined: SearchResult | None = None
) -> None:
    """A popover with report, CSV, JSON and PNG; the files are made on the click. ``joined``: all
    columns as one."""
    with st.popover("Export", disabled=not answers):
        st.download_button(
            "Report (HTML, works offline)",
            lambda: _report(view, answers),
            "lookalike.html",
            "text/html",
            icon=":material/description:",
            width="stretch",
            on_click="ignore",
            key="report",
        )
        st.download_button(
            "Table (CSV)",
            lambda: export.to_csv(_all(answers, joined), view.query, view.where),
            "lookalike.csv",
            "text/csv",
            icon=":material/table:",
            width="stretch",
            on_click="ignore",
            key="csv",
        )
        st.download_button(
            "Data (JSON)",
            lambda: export.to_json(_all(answers, joined), view.query, view.where),
            "lookalike.json",
            "application/json",
            icon=":material/data_object:",
            width="stretch",
            on_click="ignore",
            key="json",
        )
        st.download_button(
            "Picture (PNG)",
            lambda: _png(view, answers, joined),
            "lookalike.png",
            "image/png",
            icon=":material/image:",
            width="stretch",
            on_click="ignore",
            key="png",
        )


def _report(view: View, answers: dict[str, SearchResult]) -> str:
    return comparison_page(
        cached.dataset(view.dataset), cached.asked(view.query, view.box), list(answers.values())
    )


def _all(answers: dict[str, SearchResult], joined: SearchResult | None) -> list[SearchResult]:
    return [*answers.values(), *([joined] if joined else [])]


def _png(view: View, answers: dict[str, SearchResult], joined: SearchResult | None) -> bytes:
    kind, _, name = view.query.partition(":")
    titles = [cached.encoder_row(encoder)["title"] or encoder for encoder in answers]
    titles += ["Together"] if joined else []
    data = uploads.read(name) if kind == "up" else None
    item = name if kind == "item" else None
    return export.to_png(
        cached.dataset(view.dataset), _all(answers, joined), titles, item, data, view.where
    )
