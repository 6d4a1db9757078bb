"""The Export button of Compare: the table, the data and the picture of what is on the board. They
are made when they are asked for."""

from collections.abc import Callable

import streamlit as st

from core.services.library import uploads
from core.services.search import export
from core.services.search.result import SearchResult
from core.services.sharing.comparison import comparison_page
from pages.parts import cached, palette, press
from pages.parts.link import View


def button(
    view: View, answers: dict[str, SearchResult], joined: SearchResult | None = None
) -> None:
    """A popover with report, CSV, JSON and PNG. ``joined``: all columns as one."""
    every = _all(answers, joined)
    files: tuple[tuple[str, str, str, Callable[[], str | bytes]], ...] = (
        ("html", "Report (HTML, works offline)", "description", lambda: _report(view, every)),
        ("csv", "Table (CSV)", "table", lambda: export.to_csv(every, view.query, view.where)),
        ("json", "Data (JSON)", "data_object",
         lambda: export.to_json(every, view.query, view.where)),
        ("png", "Picture (PNG)", "image", lambda: _png(view, answers, joined)),
    )  # fmt: skip
    with st.popover("Export", disabled=not answers):
        for ending, label, icon, make in files:
            file, look = f"lookalike.{ending}", f":material/{icon}:"
            press.download(label, make, file, icon=look, width="stretch", key=ending)


def _report(view: View, every: list[SearchResult]) -> str:
    return comparison_page(cached.dataset(view.dataset), cached.asked(view.query, view.box), every)


def _all(answers: dict[str, SearchResult], joined: SearchResult | None) -> list[SearchResult]:
    return [*answers.values(), *([joined] if joined else [])]


def _png(view: View, answers: dict[str, SearchResult], joined: SearchResult | None) -> bytes:
    kind, _, name = view.query.partition(":")
    titles = [palette.title(encoder) for encoder in answers]
    titles += ["Together"] if joined else []
    data = uploads.read(name) if kind == "up" else None
    item = name if kind == "item" else None
    return export.to_png(
        cached.dataset(view.dataset), _all(answers, joined), titles, item, data, view.where
    )
