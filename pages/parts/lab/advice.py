"""One sentence of advice for a gallery, its memory and the recall that is wanted."""

from html import escape

import streamlit as st

from core.services.index_lab.advice import Advice
from core.services.index_lab.curves import Point
from pages.parts import cached, cached_lab
from pages.parts.guard import guarded
from pages.parts.lab import chart, state
from pages.parts.lab.curves import RECALLS
from pages.parts.lab.live import live
from pages.parts.lab.panel import SIZES as ENLARGED
from pages.parts.lab.state import LabView
from pages.parts.words import caption, facts, quiet, size, text

SIZES = (1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
MEMORY = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)


def show(now: LabView) -> None:
    live(_live, now)


def _live(now: LabView) -> None:
    own = guarded(
        lambda: cached_lab.found(*now.key, "", now.base.k, 0, False), "Reading measurements"
    ).size
    with st.container(key="panel_lab_advice"), st.container(horizontal=True, key="lab_advice"):
        count = state.slider(
            "gallery",
            "Gallery",
            (0, *SIZES),
            lambda many: f"{many:,} vectors" if many else f"this one, {own:,}",
            width=200,
        )
        memory = state.slider("memory", "Memory available", MEMORY, "{:g} GB".format, width=200)
        recall = state.slider("recall", "Target recall", RECALLS, "{:g}".format, width=200)
    state.publish()
    wanted = int(count) or own
    points = guarded(lambda: _measured(now, own, wanted), "Reading measurements")
    dim = int(
        (cached.encoder_row(now.encoder) or {}).get("dim") or (points[0].dim if points else 0)
    )
    said = guarded(
        lambda: cached_lab.advice(wanted, dim, int(memory * 1e9), recall, points, now.base.k),
        "The advice",
    )
    _draw(said, wanted, dim)


def _measured(now: LabView, own: int, wanted: int) -> tuple[Point, ...]:
    """What was measured of a gallery of about this size: as it is, or enlarged."""
    about = {
        size
        for size in (*ENLARGED, int(state.value("size")))
        if size > own and wanted / 2 <= size <= 2 * wanted
    }
    return tuple(
        point
        for size in {0, *about}
        for point in cached_lab.found(*now.key, "", now.base.k, size, False).found
    )


def _draw(said: Advice, count: int, dim: int) -> None:
    st.html(f'<p class="lab-advice">{escape(said.sentence)}</p>')
    if said.exact:
        text(said.exact)
    known = "measured on these vectors" if said.source == "measured" else "a rule of thumb"
    pairs = [
        (
            "Index",
            (
                f"{state.title(said.index)} ({said.text})"
                if said.text != state.title(said.index)
                else said.text
            ),
        ),
        ("Source", known),
        ("Memory", f"{size(said.bytes)} for {count:,} vectors of {dim} dimensions"),
        ("Memory of exact search", size(4.0 * count * dim)),
    ]
    if said.point is not None:
        point = said.point
        pairs.append(
            (
                "Measured",
                (
                    f"recall {point.recall:.3f}, {chart.ms(point.p50)} per query, over"
                    f" {point.size:,} vectors"
                ),
            )
        )
    caption("Why", level=2)
    with st.container(key="lab_why"):
        facts(pairs)
    if said.source != "measured":
        quiet(
            "Measure under Recall and time with a gallery of about this size: the advice then"
            " follows your own vectors."
        )
