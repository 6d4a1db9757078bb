"""One query through one index: sliders that move its recall, its time and its pictures."""

from html import escape

import streamlit as st

from core.services.index_lab.point import Point, speed
from core.services.index_lab.view import QueryView
from pages.parts import builds, cached, cached_lab, press, watching
from pages.parts.guard import guarded
from pages.parts.lab import measuring, rows, state
from pages.parts.lab.chart import ms
from pages.parts.lab.live import live
from pages.parts.lab.panel import field
from pages.parts.lab.state import LabView
from pages.parts.words import caption, note, quiet, size

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def knob_panel(index: str, dim: int) -> None:
    """Search knobs, free at query time, then build knobs, each of which makes another index."""
    row = state.index_row(index)
    groups = (
        ("search_knobs", "Search parameters"),
        ("build_knobs", "Build parameters: another value builds the index again"),
    )
    for group, words in groups:
        if row.get(group):
            caption(words)
            with st.container(horizontal=True, key=f"lab_{group}"):
                for name, knob in row[group].items():
                    _slider(index, name, knob, dim)
    if not row.get("search_knobs") and not row.get("build_knobs"):
        quiet("This index has no parameters: it compares the query with every vector.")


def _slider(index: str, name: str, knob: dict, dim: int) -> None:
    key = state.setting_key(index, name)
    st.session_state.setdefault(key, knob["default"])
    options = values(knob, st.session_state[key])
    if name == "m" and dim:  # sub-vectors divide the dimensions
        options = [
            one for one in options if one == st.session_state[key] or not one or dim % one == 0
        ]
    about = knob["about"][0].upper() + knob["about"][1:] if knob["about"] else None
    if len(options) > 1:
        st.select_slider(
            name, options, key=key, help=about, width=190, format_func=lambda one: _said(one, knob)
        )


def _said(value: float, knob: dict) -> str:
    return "auto" if value == 0 and "0 =" in knob["about"] else f"{value:g}"


def values(knob: dict, chosen: float) -> list[float]:
    """The slider's places: what the index says is worth trying, and doublings around."""
    worth = {knob["default"], chosen, *knob["values"]}
    if not isinstance(knob["default"], int):
        low, high = max(knob["low"], 0.0), min(knob["high"], 1.0)
        return sorted(worth | {round(low + (high - low) * step / 10, 3) for step in range(1, 10)})
    known = knob["values"] or (knob["default"],)
    if knob["more"] == 0 or max(known) <= 1:
        return sorted(worth)
    low, high = max(knob["low"], 1), min(knob["high"], 2 * max(known))
    if min(known) < 8:
        more = {step for step in STEPS if low <= step <= high}
    else:
        more = {step for step in STEPS if max(low, min(known) // 4) <= step <= high}
    return sorted(worth | (more if max(known) <= STEPS[-1] else set()))


MOST_SHOWN = 20


def show(now: LabView) -> None:
    live(_live, now)


def _live(now: LabView) -> None:
    """On its own: a slider moves this part of the page alone."""
    names = state.index_names(*state.value("indexes"), state.value("try"))
    with st.container(key="panel_lab_knobs"):
        left, right = st.columns((4, 7), gap="medium")
        with left:
            index = st.selectbox("Index", names, key=state.key("try"), format_func=state.title)
            quiet(state.index_row(index).get("about", ""))
            field("try")
        with right:
            knob_panel(index, int((cached.encoder_row(now.encoder) or {}).get("dim") or 0))
    state.publish()
    row = state.index_row(index)
    if row.get("state", "ready") != "ready":
        note(f"{state.title(index)} can't be used here.", row.get("detail", ""), tone="bad")
        return
    spec = state.spec(index)
    if not guarded(lambda: measuring.index_ready(now, spec), "Looking for the index"):
        return
    view = guarded(
        lambda: cached_lab.one_query(*now.key, spec, now.base.query, min(now.base.k, MOST_SHOWN)),
        "The search",
    )
    _figures(now, view, _mean(now, spec))
    _pictures(now, view)


def _figures(now: LabView, view: QueryView, mean: Point | None) -> None:
    found = sum(one.state == "found" for one in view.exact)
    pairs = [
        (f"{view.recall:.0%}", f"recall of this query: {found} of {len(view.exact)}"),
        (
            (f"{mean.recall:.1%}", f"mean recall over {mean.queries} queries")
            if mean
            else ("–", "mean recall: not measured")
        ),
        (ms(view.p50), f"this query, p50 of {view.runs} runs (p95 {ms(view.p95)})"),
        (
            ms(view.exact_p50),
            f"exact search, in turn; the index is {speed(view.p50, view.exact_p50)} that",
        ),
        (
            size(view.ram_bytes),
            f"in memory; {size(view.disk_bytes)} on disk; built in {view.build_s:.2f} s",
        ),
    ]
    cells = "".join(
        f"<div><b>{escape(value)}</b><span>{escape(words)}</span></div>" for value, words in pairs
    )
    st.html(f'<div class="lab-figures">{cells}</div>')
    if mean is None:
        _offer(now, view.text)


def _mean(now: LabView, spec: str) -> Point | None:
    """This setting over all queries, where it was measured."""
    plan = cached_lab.found(
        *now.key, spec if "=" in spec else _at_defaults(spec), now.base.k, 0, False
    )
    return plan.found[0] if plan.found else None


def _at_defaults(index: str) -> str:
    """A name alone means every setting; with a knob said, even at its default, it is this."""
    first = next(iter(state.knob_rows(index).items()), None)
    return state.joined(index, f"{first[0]}={first[1]['default']:g}") if first else index


def _offer(now: LabView, spec: str) -> None:
    wanted = measuring.arguments(now, (spec if "=" in spec else _at_defaults(spec),), 0, False)
    job = watching.active(wanted)
    if job is not None:
        live(_watch, wanted, every=0.8)
    elif last := _failed(wanted):
        note("The mean could not be measured.", last, tone="bad")
    elif press.button("Measure the mean over all queries", key="lab_mean"):
        measuring.start(f"Mean recall of {spec}", wanted)
        st.rerun()


def _failed(wanted: list[str]) -> str:
    last = watching.ended(wanted)
    return last.message if last is not None and last.state == "failed" else ""


def _watch(wanted: list[str]) -> None:
    job = watching.active(wanted)
    if job is None:
        cached.forget_builds()
        cached_lab.forget()
        st.rerun()
    quiet(f"Measuring: {builds.progress_words(job)}")


def _pictures(now: LabView, view: QueryView) -> None:
    locator, version, _ = now.key
    caption(
        f"Above: the {len(view.exact)} nearest by exact search. Below: what"
        f" {state.title(view.index)} found and missed"
    )
    rows.grid(locator, version, view.merged)
    st.html(rows.KEY)
    quiet(reading(view))


def reading(view: QueryView) -> str:
    """The two rows in a sentence."""
    missed = [one.true_rank for one in view.ghosts]
    extra = sum(one.state == "extra" for one in view.merged)
    own = " The query itself is left out of both." if view.left_out is not None else ""
    if not missed:
        return f"No neighbour is missed: this setting answers this query as exact search does.{own}"
    ranks = ", ".join(str(rank) for rank in missed[:8]) + ("…" if len(missed) > 8 else "")
    first = " The best hit is among them." if 1 in missed else ""
    instead = (
        f"; {extra} {'others take their places' if extra > 1 else 'other takes its place'}"
        if extra
        else ""
    )
    where = f"exact rank{'s' if len(missed) > 1 else ''} {ranks}"
    return f"{len(missed)} of {len(view.exact)} missed, at {where}{instead}.{first}{own}"
