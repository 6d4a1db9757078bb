"""Sliders for the settings of an index, made from what the index declares."""

import streamlit as st

from pages.parts.lab import state
from pages.parts.words import caption, quiet

STEPS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


def panel(index: str, dim: int) -> None:
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
    """Where the slider can stand: what the index says is worth trying, with steps of two between
    and around."""
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
