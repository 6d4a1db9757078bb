"""The report for other programs."""

import streamlit as st

from core.services.evaluation import report_files
from core.services.evaluation.cells import Cell
from core.services.sharing.standings import leaderboard_page
from pages.parts import cached, cached_metrics, components, palette, press
from pages.parts.metrics.choice import Choice
from pages.parts.metrics.views import built_of, place_of
from pages.parts.words import quiet

MOST_LINES = 2_000_000
"""Lines of a TREC run from a page: lists are cut then; the command line's are whole."""


def buttons(shown: Choice, cells: list[Cell]) -> None:
    """The link of this view, and the figures as files, large ones made when pressed."""
    components.copy_link("metrics_copy")
    with st.popover("Export"):
        name = f"{shown.report}-{shown.dataset}-{shown.protocol}"
        figures = cached_metrics.report_csv(shown.report, shown.stamp)
        board = cached_metrics.report_latex(shown.key)
        label = "This board as a report (HTML, works offline)"
        _button(label, lambda: _page(shown), f"{name}.html", "html")
        _button("This board as Markdown", lambda: _markdown(shown), f"{name}.md", "md")
        _button("Every figure as CSV", figures, f"{shown.report}.csv", "csv")
        _button("This board as LaTeX", board, f"{name}.tex", "latex")
        label = "Every query's scores as CSV"
        _button(label, lambda: _scores(shown), f"{name}-queries.csv", "scores")
        _trec(shown, cells, name)


def _button(label: str, data: object, file: str, key: str) -> None:
    press.download(label, data, file, key=f"metrics_{key}", width="stretch")


def _page(shown: Choice) -> str:
    report = cached_metrics.report(shown.report, shown.stamp)
    return leaderboard_page(report, shown.metric, (shown.dataset, shown.protocol))


def _markdown(shown: Choice) -> str:
    report = cached_metrics.report(shown.report, shown.stamp)
    return report_files.markdown(report, shown.dataset, shown.protocol)


def _scores(shown: Choice) -> str:
    return report_files.scores_csv(
        cached_metrics.report(shown.report, shown.stamp), shown.dataset, shown.protocol
    )


def _trec(shown: Choice, cells: list[Cell], name: str) -> None:
    """Ranked lists and judgements need the vectors: they are offered for what is built here."""
    locator = place_of(shown, cells)
    built = built_of(locator, cells)
    if not built:
        quiet("TREC run and qrels: once the pictures and an encoder's vectors are in this library.")
        return
    encoder = st.selectbox(
        "For trec_eval", built, key="metrics_trec_encoder", format_func=palette.title
    )
    depth = max(10, min(1000, MOST_LINES // len(cells[0].queries)))
    asked, file = (locator, shown.protocol, encoder), f"{name}-{encoder}.run"
    _button(f"TREC run, {depth:,} deep", lambda: _run(*asked, depth), file, "run")
    _button("TREC qrels", lambda: _qrels(*asked), f"{name}.qrels", "qrels")


def _run(locator: str, protocol: str, encoder: str, depth: int) -> str:
    return "".join(report_files.trec_run(cached.dataset(locator), encoder, protocol, depth))


def _qrels(locator: str, protocol: str, encoder: str) -> str:
    return "".join(report_files.trec_qrels(cached.dataset(locator), encoder, protocol))
