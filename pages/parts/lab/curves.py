"""Recall against time for the chosen indexes on the user's own vectors, and what each costs at
equal recall.

While a measurement runs its chart is drawn again every second, in the same place, without a
flicker. Streamlit takes a Plotly chart with another dot for another chart and makes it anew, which
leaves the place empty for a moment; this component is one and the same all along. Its dots can't be
clicked: they still move.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import streamlit as st

from core.services.index_lab import advice
from core.services.index_lab.advice import Equal
from core.services.index_lab.curves import Plan, Point
from pages.parts import cached, cached_lab, link, press
from pages.parts.guard import guarded
from pages.parts.lab import chart, measuring, state
from pages.parts.lab.chart import ms, settings
from pages.parts.lab.live import live
from pages.parts.lab.state import LabView, said
from pages.parts.words import caption, count, heading, note, quiet, size, table

WEB = Path(__file__).parent.parent / "web"
HEIGHT = 400
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
_growing = st.components.v2.component(
    "lookalike_growing",
    css=(WEB / "growing.css").read_text("utf-8"),
    js=(WEB / "growing.js").read_text("utf-8"),
)


def draw_growing(
    points: Sequence[Point], time: str, batch: bool, wanted: float, best: Point | None
) -> None:
    """As :func:`pages.parts.lab.chart.draw`."""
    low, high, bottom, top = chart.window(points, time, batch, wanted)

    def across(milliseconds: float) -> float:
        return round(100 * math.log(milliseconds / low) / math.log(high / low), 2)

    def up(recall: float) -> float:
        return round(100 * (recall - bottom) / (top - bottom), 2)

    def place(point: Point) -> list[float]:
        return [across(chart.milliseconds(point, time, batch)), up(point.recall)]

    lines = [
        {
            "colour": state.colour(index),
            "dashed": bool(number) or state.dash(index) != "solid",
            "dots": [[*place(point), f"{point.title} {chart.settings(point)}"] for point in group],
        }
        for index, number, group in chart.lines(points)
    ]
    data = {
        "height": HEIGHT,
        "alt": chart.alt(points, batch),
        "lines": lines,
        "best": place(best) if best else None,
        "wanted": [up(wanted), f"target: {wanted:g}"],
        "across": chart.across(time, batch),
        "up": f"recall@{points[0].k}",
        "columns": [[across(tick), f"{tick:g}"] for tick in chart.ticks(low, high)],
        "rows": [[up(tick), f"{tick:g}"] for tick in _rows(bottom)],
    }
    _growing(key="lab_growing", data=data)


def _rows(bottom: float) -> list[float]:
    """Round shares from the bottom up to 1, at most eight or so."""
    step = next((one for one in STEPS if (1 - bottom) / one <= 8), STEPS[-1])
    first = math.ceil(round(bottom / step, 6))
    return [round(place * step, 4) for place in range(first, round(1 / step) + 1)]


WAS_BUSY = "lab_was_busy"
RECALLS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
TIMES = {"p50": "Median (p50)", "p95": "Tail (p95)"}
ASKED = {"one": "One at a time", "batch": "In batches"}


def show(now: LabView) -> None:
    """Everything; drawn again every second while a measurement runs."""
    indexes = state.wanted_indexes()
    if not indexes:
        note("No index is chosen.", "Choose some under Indexes.")
        return
    size, full = int(state.value("size")), bool(state.value("full"))
    wanted = measuring.arguments(now, tuple(indexes), size, full)
    busy = measuring.active(wanted) is not None
    live(
        _live,
        now,
        (*now.key, ";".join(indexes), now.base.k, size, full),
        wanted,
        every=1.0 if busy else None,
    )


def _live(now: LabView, key: tuple, wanted: list[str]) -> None:
    busy = measuring.active(wanted) is not None
    if st.session_state.get(WAS_BUSY) and not busy:
        st.session_state[WAS_BUSY] = False
        cached.forget_builds()
        cached_lab.forget()
        st.rerun()
    st.session_state[WAS_BUSY] = busy
    plan = guarded(lambda: cached_lab.found(*key), "Reading what was measured")
    place = st.container()
    if plan.found:
        _measured(plan, busy)
        if not busy:
            measuring.again(now, plan, key)
        _tables(plan)
    with place:
        measuring.panel(now, plan, key, wanted)


def _measured(plan: Plan, busy: bool) -> None:
    """The chart and what it says. During a measurement it grows in place, without clicks."""
    verdict = st.container()  # above what it is read from, at every width
    with st.container(horizontal=True, vertical_alignment="bottom", key="lab_switches"):
        time = state.switch("time", "Time", TIMES)
        asked = state.switch("asked", "Asked", ASKED)
        wanted = state.slider("recall", "Target recall", RECALLS, "{:g}".format, width=200)
    state.publish()
    batch = asked == "batch"
    equal = advice.equal_recall(plan.found, wanted, batch=batch)
    with verdict:
        said(equal.sentence)
    st.html(chart.legend(plan.found))
    draw = draw_growing if busy else chart.draw
    clicked = draw(plan.found, time, batch, wanted, equal.best[0] if equal.best else None)
    if clicked is not None:
        state.go(state.VIEWS[1], clicked.index, {**clicked.build, **clicked.search})
    _facts(plan, busy)


def _facts(plan: Plan, busy: bool) -> None:
    one = plan.found[0]
    if one.size > one.real:
        made = f"{one.real:,} real and {one.size - one.real:,} synthetic vectors"
    else:
        made = f"{one.size:,} vectors"
    quiet(
        f"{made} of {one.dim} dimensions; {count(one.queries, 'query', 'queries')}. Recall@{one.k}:"
        f" the share of the exact {one.k} nearest that was found; equal distances count as found."
        " Up and left is better"
        + ("." if busy else f"; a click on a dot opens it under {state.VIEWS[1]}.")
    )


def _tables(plan: Plan) -> None:
    equal = advice.equal_recall(
        plan.found, state.value("recall"), batch=state.value("asked") == "batch"
    )
    heading(f"At a recall of at least {equal.recall:g}")
    with st.container(key="lab_table"):
        table([row(point) for point in equal.best] + _short(plan, equal))
    with st.container(horizontal=True):
        file = f"indexes-{plan.dataset}-{plan.encoder}-{plan.size}.csv"
        press.download("Every setting as CSV", as_csv(plan.found), file, key="lab_csv")
    with (
        st.expander(f"Every setting: {len(plan.found)} measured"),
        st.container(key="lab_all_table"),
    ):
        table([row(point) for point in sorted(plan.found, key=lambda p: (p.title, p.recall))])
    if plan.found[0].size > plan.found[0].real:
        _likeness(plan)


def _short(plan: Plan, equal: Equal) -> list[dict[str, str]]:
    """Indexes that stay below the target recall, with the best that they reach."""
    found = []
    for index, best in equal.short.items():
        own = [
            point for point in plan.found if point.index == index and point.recall >= best - 1e-9
        ]
        if own:
            cells = row(own[0])
            found.append(cells | {"Recall": f"{cells['Recall']} at most"})
    return found


def row(point: Point) -> dict[str, str]:
    return {
        "Index": point.title,
        "Setting": settings(point),
        "Recall": f"{point.recall:.3f}",
        "One query p50 / p95": f"{ms(point.p50)} / {ms(point.p95)}",
        "In a batch p50": ms(point.batch_p50),
        "Memory": size(point.ram_bytes),
        "Disk": size(point.disk_bytes),
        "Build": f"{point.build_s:.2f} s",
    }


def as_csv(points: Sequence[Point]) -> str:
    """Every figure of every point, one line each; settings as ``name=value``."""
    rows = [asdict(point) for point in points]
    for one in rows:
        one |= {
            name: " ".join(f"{knob}={number:g}" for knob, number in one[name].items())
            for name in ("build", "search")
        }
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _likeness(plan: Plan) -> None:
    """How like the real vectors the synthetic ones are: measured, not promised."""
    locator = st.session_state[link.DATASET]
    with st.expander("How similar are the synthetic vectors to the real ones?"):
        like = guarded(
            lambda: cached_lab.likeness(locator, cached.version(locator), plan.encoder),
            "The comparison",
        )
        caption(
            "All within tolerance"
            if like.alike
            else "Not all within tolerance: read the times with care"
        )
        table(
            [
                {
                    "Statistic": name,
                    "Real": f"{real:.3f}",
                    "Synthetic": f"{made:.3f}",
                    "Tolerance": f"± {allowed:.0%}",
                    "Within": "yes" if kept else "no",
                }
                for name, real, made, allowed, kept in like.rows
            ]
        )
        quiet(like.about)
