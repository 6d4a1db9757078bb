"""The queries that separate two encoders, and the worst of each; a click opens one in Compare."""

from __future__ import annotations

from html import escape

import streamlit as st

from core.services.cells import Cell
from core.services.leaderboard import Separation
from pages.parts import cached, components, palette
from pages.parts.metrics.choice import Choice
from pages.parts.words import caption, heading, note, quiet

SHOWN = 12
ONE, OTHER = "keep_metrics_one", "keep_metrics_other"


def show(choice: Choice, cells: list[Cell]) -> None:
    encoders = list(dict.fromkeys(cell.encoder for cell in cells))
    locator = cached.locator_of(choice.dataset, str(cells[0].queries[0]) if len(cells[0].queries) else "")
    if locator is None:
        note(f"The pictures of {choice.dataset} are not in this library.", "Figures come from the report; add the data set on "
             "the Library page to see its queries.")  # fmt: skip
    if len(encoders) > 1:
        _separating(choice, encoders, locator)
    heading("Worst queries")
    names = [one for one in (st.session_state.get(ONE), st.session_state.get(OTHER)) if one in encoders] or encoders[:1]
    for encoder in names:
        worst = cached.worst_queries(*choice.key, encoder, choice.metric, SHOWN)
        caption(f"{palette.title(encoder)} finds least for these")
        _grid([(id, f"{value:.2f}") for id, value in worst], locator, names, f"worst_{encoder}")


def _separating(choice: Choice, encoders: list[str], locator: str | None) -> None:
    heading("Queries that separate two encoders")
    with st.container(horizontal=True):
        for key, first in ((ONE, encoders[0]), (OTHER, encoders[1])):
            if st.session_state.get(key) not in encoders:
                st.session_state[key] = first
        one = st.selectbox("One encoder", encoders, key=ONE, format_func=palette.title)
        other = st.selectbox("and another", encoders, key=OTHER, format_func=palette.title)
    if one == other:
        note("Both are the same encoder.", "Choose another one to compare with.")
        return
    found = cached.separation(*choice.key, one, other, choice.metric)
    st.html(_counts(found))
    quiet(reading(found) + (" A click opens a query in Compare." if locator else ""))
    better, worse = ([(found.ids[at], found.differences[at]) for at in places[:SHOWN]] for places in (found.best, found.least))
    for name, rows in ((one, better), (other, worse)):
        caption(
            f"{palette.title(name)} is better: the largest differences, one query of each object"
            if rows
            else f"{palette.title(name)} is never better"
        )
        _grid([(id, f"{abs(d):+.2f}") for id, d in rows], locator, [one, other], f"apart_{name}")


def reading(found: Separation) -> str:
    """Win, tie, loss and whether the whole is more than chance."""
    total = found.wins + found.ties + found.losses
    one, other = palette.title(found.one), palette.title(found.other)
    p = "< 0.001" if found.p < 0.001 else f"= {found.p:.3f}"
    sure = "more than chance" if found.p < 0.05 else "within chance"
    said = f"{one} answers {found.wins / total:.0%} of {total:,} queries better, {other} {found.losses / total:.0%}."
    return f"{said} The difference of the means is {sure} (paired permutation test, p {p})."


def _counts(found: Separation) -> str:
    total = found.wins + found.ties + found.losses
    parts = (
        (found.wins, f"{found.wins:,} won by {palette.title(found.one)}", "", palette.colour(found.one)),
        (found.ties, f"{found.ties:,} tied", "tie", ""),
        (found.losses, f"{found.losses:,} won by {palette.title(found.other)}", "", palette.colour(found.other)),
    )
    spans = "".join(
        f'<span class="{kind}" style="flex:{number};--c:{colour}" title="{escape(text, quote=True)}">'
        f"{escape(text) if number / total > 0.3 else number}</span>"
        for number, text, kind, colour in parts if number
    )  # fmt: skip
    return f'<div class="ll-wtl" role="img" aria-label="{escape("; ".join(p[1] for p in parts), quote=True)}">{spans}</div>'


def _grid(rows: list[tuple[str, str]], locator: str | None, encoders: list[str], key: str) -> None:
    if locator is None:
        quiet(", ".join(f"{id} ({value})" for id, value in rows))
        return
    if not rows:
        return
    version = cached.version(locator)
    items = [
        {"id": id, "uri": cached.thumbnail(locator, version, id), "alt": f"Open {id} in Compare", "caption": f"{value}  {id}"}
        for id, value in rows
    ]
    picked = components.picture_grid(items, "Queries", f"metrics_{key}", side=92)
    if picked and picked in {id for id, _ in rows}:
        params = {"dataset": locator, "query": f"item:{picked}", "encoders": ",".join(dict.fromkeys(encoders))}
        st.switch_page("pages/compare.py", query_params=params)
