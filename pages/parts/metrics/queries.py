"""The queries that separate two encoders, and the worst of each; a click opens one in Compare."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.services.cells import Cell
from core.services.leaderboard import Separation
from pages.parts import cached, components, palette
from pages.parts.metrics import duels
from pages.parts.metrics.choice import Choice
from pages.parts.words import caption, heading, note, quiet

SHOWN, ROWS, MOST = 8, 3, 40
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
        worst = cached.worst_queries(*choice.key, encoder, choice.metric, SHOWN, choice.group)
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
    found = cached.separation(*choice.key, one, other, choice.metric, choice.group)
    st.html(_counts(found))
    quiet(reading(found) + (" A click opens a query in Compare." if locator else ""))
    keys = ("metrics_apart_one", "metrics_apart_other")
    parts = [_shown(found, places, key) for key, places in zip(keys, (found.best, found.least), strict=True)]
    lists = duels.found_by(locator, choice.protocol, (one, other), [row[0] for rows in parts for row in rows]) if locator else []
    for name, key, rows, places in zip((one, other), keys, parts, (found.best, found.least), strict=True):
        caption(
            f"{palette.title(name)} is better: the largest differences first, one query of each object"
            if rows
            else f"{palette.title(name)} is never better"
        )
        if locator is None:
            quiet(", ".join(f"{id} ({abs(difference):.2f})" for id, difference, _ in rows))
        elif rows:
            _open(duels.show(locator, (one, other), lists, rows, key), [row[0] for row in rows], locator, (one, other))
            _more(key, len(rows), len(places))


def _shown(found: Separation, places: tuple[int, ...], key: str) -> list[tuple[str, float, tuple[float, ...]]]:
    """The first few queries: id, difference, both scores."""
    wanted = places[: st.session_state.get(f"{key}_count", ROWS)]
    return [(found.ids[at], float(found.differences[at]), tuple(map(float, found.scores[at]))) for at in wanted]


def _more(key: str, shown: int, all_there_are: int) -> None:
    if shown < min(all_there_are, MOST) and st.button("More", key=f"{key}_more"):
        st.session_state[f"{key}_count"] = shown + 2 * ROWS
        st.rerun()


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


def _grid(rows: list[tuple[str, str]], locator: str | None, encoders: Sequence[str], key: str) -> None:
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
    _open(picked, [id for id, _ in rows], locator, encoders)


def _open(picked: str | None, shown: list[str], locator: str, encoders: Sequence[str]) -> None:
    """A query that was clicked, in Compare."""
    if picked in shown:
        params = {"dataset": locator, "query": f"item:{picked}", "encoders": ",".join(dict.fromkeys(encoders))}
        st.switch_page("pages/compare.py", query_params=params)
