"""Queries that separate two encoders, and the worst of each; a click opens one in Compare."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.errors import UserError
from core.services.evaluation.cells import Cell
from core.services.evaluation.fused import Beginning
from core.services.evaluation.leaderboard import Separation
from core.services.specs import fused_parts, members_of
from pages.parts import cached, cached_metrics, gallery, link, palette, press, second
from pages.parts.choosing import menu
from pages.parts.components import WEB
from pages.parts.guard import guarded
from pages.parts.metrics.choice import ONE, OTHER, Choice
from pages.parts.metrics.views import encoders_of, place_of
from pages.parts.words import caption, heading, note, quiet

ROWS, MOST, WORST_HITS = 3, 40, 6


def show(shown: Choice, cells: list[Cell]) -> None:
    encoders, locator = encoders_of(cells), place_of(shown, cells)
    if locator is None:
        note(
            f"The pictures of {shown.dataset} are not in this library.",
            "Figures come from the report; add the data set on "
            "the Library page to see its queries.",
        )
    if len(encoders) > 1:
        _separating(shown, encoders, locator)
    heading("Worst queries")
    names = [
        one
        for one in dict.fromkeys((st.session_state.get(ONE), st.session_state.get(OTHER)))
        if one in encoders
    ]
    for encoder in names or encoders[:1]:
        _worst(shown, next(cell for cell in cells if cell.encoder == encoder), locator)


def _worst(shown: Choice, cell: Cell, locator: str | None) -> None:
    """The queries that an encoder answers worst, each with the beginning of its list."""
    encoder, key = cell.encoder, f"metrics_worst_{cell.encoder}"
    worst = cached_metrics.worst_queries(shown.key, encoder, shown.metric, MOST, shown.group)
    wanted = worst[: st.session_state.get(f"{key}_count", ROWS)]
    caption(
        f"Lowest scores of {palette.title(encoder)}: its first {WORST_HITS} hits, one query of each"
        " object"
    )
    if locator is None:
        quiet(", ".join(f"{id} ({value:.2f})" for id, value in wanted))
        return
    ids = [id for id, _ in wanted]
    lists = found_by(locator, shown.protocol, (encoder,), ids, WORST_HITS)
    rows = [
        (id, f"{int(cell.relevant[cell.queries == id][0]):,} relevant", (value,))
        for id, value in wanted
    ]
    _open(
        _rows_of_hits(locator, (encoder,), lists, rows, key, WORST_HITS), ids, locator, (encoder,)
    )
    _more(key, len(wanted), len(worst))


def _separating(shown: Choice, encoders: list[str], locator: str | None) -> None:
    heading("Queries that separate two encoders")
    with st.container(horizontal=True):
        first, second_best = _best(shown, encoders)
        one = menu("Encoder", ONE, encoders, first, format_func=palette.title)
        other = menu("Compared with", OTHER, encoders, second_best, format_func=palette.title)
    if one == other:
        note("Both are the same encoder.", "Choose another one to compare with.")
        return
    found = cached_metrics.separation(shown.key, one, other, shown.metric, shown.group)
    st.html(_counts(found))
    quiet(reading(found) + (" A click opens a query in Compare." if locator else ""))
    keys = ("metrics_apart_one", "metrics_apart_other")
    parts = [
        _shown(found, places, key)
        for key, places in zip(keys, (found.best, found.least), strict=True)
    ]
    lists = (
        found_by(locator, shown.protocol, (one, other), [row[0] for rows in parts for row in rows])
        if locator
        else []
    )
    for name, key, rows, places in zip(
        (one, other), keys, parts, (found.best, found.least), strict=True
    ):
        caption(
            f"{palette.title(name)} is better: the largest differences first, one query of each"
            " object"
            if rows
            else f"{palette.title(name)} is never better"
        )
        if locator is None:
            quiet(", ".join(f"{id} ({words})" for id, words, _ in rows))
        elif rows:
            _open(
                _rows_of_hits(locator, (one, other), lists, rows, key),
                [row[0] for row in rows],
                locator,
                (one, other),
            )
            _more(key, len(rows), len(places))


def _best(shown: Choice, encoders: list[str]) -> tuple[str, str]:
    """The two encoders with the highest means: those that a choice is between."""
    board = cached_metrics.standings(shown.key, shown.metric, shown.group)
    ranked = list(dict.fromkeys(one.encoder for one in board.standings))
    first, second = [name for name in ranked if name in encoders][:2]
    return first, second


def _shown(
    found: Separation, places: tuple[int, ...], key: str
) -> list[tuple[str, str, tuple[float, ...]]]:
    """The first few queries: id, the difference in words, both scores."""
    wanted = places[: st.session_state.get(f"{key}_count", ROWS)]
    return [
        (
            found.ids[at],
            f"difference {abs(found.differences[at]):.2f}",
            tuple(map(float, found.scores[at])),
        )
        for at in wanted
    ]


def _more(key: str, shown: int, all_there_are: int) -> None:
    if shown < min(all_there_are, MOST) and press.button("More", key=f"{key}_more"):
        st.session_state[f"{key}_count"] = shown + 2 * ROWS
        st.rerun()


def reading(found: Separation) -> str:
    """Win, tie, loss and whether the difference of the means is significant."""
    total = found.wins + found.ties + found.losses
    one, other = palette.title(found.one), palette.title(found.other)
    p = "< 0.001" if found.p < 0.001 else f"= {found.p:.3f}"
    sure = "significant" if found.p < 0.05 else "not significant"
    said = (
        f"{one} answers {found.wins / total:.0%} of {total:,} queries better, {other}"
        f" {found.losses / total:.0%}."
    )
    return f"{said} The difference of the means is {sure} (paired permutation test, p {p})."


def _counts(found: Separation) -> str:
    total = found.wins + found.ties + found.losses
    again = "again" if palette.colour(found.one) == palette.colour(found.other) else ""
    parts = (
        (
            found.wins,
            f"{found.wins:,} won by {palette.title(found.one)}",
            "",
            palette.colour(found.one),
        ),
        (found.ties, f"{found.ties:,} tied", "tie", ""),
        (
            found.losses,
            f"{found.losses:,} won by {palette.title(found.other)}",
            again,
            palette.colour(found.other),
        ),
    )
    spans = "".join(
        _share(number, number / total > 0.3, text, kind, colour)
        for number, text, kind, colour in parts
        if number
    )
    said = escape("; ".join(text for _, text, *_ in parts), quote=True)
    return f'<div class="ll-wtl" role="img" aria-label="{said}">{spans}</div>'


def _share(number: int, wide: bool, text: str, kind: str, colour: str) -> str:
    """A stretch of the bar, with its words where they fit."""
    look, said = f"flex:{number};--c:{colour}", escape(text, quote=True)
    shown = escape(text) if wide else number
    return f'<span class="{kind}" style="{look}" title="{said}">{shown}</span>'


def _open(picked: str | None, shown: list[str], locator: str, encoders: Sequence[str]) -> None:
    """A query that was clicked, in Compare; a fusion there is its members, and all together."""
    if picked not in shown:
        return
    names = list(dict.fromkeys(one for name in encoders for one in members_of(name) or (name,)))
    joined = [fused_parts(name) for name in encoders if members_of(name)]
    more = {}
    if len(joined) == 1 and set(joined[0][1]) == set(names):
        method, members, weights = joined[0]
        more["together"], names = method, list(members)
        if weights and not isinstance(weights, str):
            scale = max(1.0, max(weights) / second.MAX_WEIGHT)
            more["weights"] = ",".join(f"{one / scale:.3g}" for one in weights)
    link.to("compare", dataset=locator, query=f"item:{picked}", encoders=",".join(names), **more)


HITS = 5
_duels = st.components.v2.component(
    "lookalike_duels",
    css=(WEB / "duels.css").read_text("utf-8"),
    js=(WEB / "mark.js").read_text("utf-8") + (WEB / "duels.js").read_text("utf-8"),
)


def found_by(
    locator: str, protocol: str, encoders: Sequence[str], ids: Sequence[str], k: int = HITS
) -> list[dict[str, Beginning] | str]:
    """The first ``k`` that each encoder found for some queries, or why that can't be shown."""
    version = cached.version(locator)
    return [_found(locator, version, name, protocol, tuple(ids), k) for name in encoders]


def _found(
    locator: str, version: str, encoder: str, protocol: str, ids: tuple[str, ...], k: int
) -> dict[str, Beginning] | str:
    if not all(cached.built(locator, version, one) for one in members_of(encoder) or (encoder,)):
        return "Its hits can be shown once it is built for this data set, on the Library page."
    try:
        return guarded(
            lambda: cached_metrics.first_hits(locator, version, encoder, protocol, ids, k),
            f"The hits of {encoder}",
        )
    except UserError as error:
        return str(error)


def _rows_of_hits(
    locator: str,
    encoders: Sequence[str],
    lists: Sequence[dict[str, Beginning] | str],
    rows: Sequence[tuple[str, str, Sequence[float]]],
    key: str,
    places: int = HITS,
) -> str | None:
    """Draw ``rows`` of (query id, words under its name, the score by each encoder) with what
    :func:`found_by` gave; returns the id of the query clicked."""
    version, ids = cached.version(locator), [id for id, _, _ in rows]
    begun = [
        found[id] for found in lists if not isinstance(found, str) for id in ids if id in found
    ]
    shown = {*ids, *(hit for one in begun for hit, _ in one.hits)}
    data = {
        "sides": [{"title": palette.title(name), "mark": palette.mark(name)} for name in encoders],
        "rows": [_hits_row(locator, one, lists, encoders) for one in rows],
        "pictures": {id: cached.thumbnail(locator, version, id, 112) for id in sorted(shown)},
        "places": places,
    }
    _duels(key=key, data=data, on_picked_change=press.noting(key, "picked"))
    return press.said(key, "picked")


def _hits_row(locator: str, row: tuple, lists: Sequence, encoders: Sequence[str]) -> dict:
    id, words, scores = row
    name = gallery.name_of(cached.dataset(locator), id)
    said = ", ".join(
        f"{palette.title(one)} {score:.2f}" for one, score in zip(encoders, scores, strict=True)
    )
    sides = [_hits_side(found, id, score) for found, score in zip(lists, scores, strict=True)]
    label = f"Open {name} in Compare. {said}."
    return {"id": id, "name": name, "words": words, "label": label, "sides": sides}


def _hits_side(found: dict[str, Beginning] | str, id: str, score: float) -> dict:
    begun = None if isinstance(found, str) else found.get(id)
    if begun is None:
        return {
            "score": f"{score:.2f}",
            "why": found if isinstance(found, str) else "Its hits are not here.",
            "hits": [],
        }
    late = begun.first is not None and not any(right for _, right in begun.hits)
    note = f"first relevant hit at rank {begun.first:,}" if late else ""
    hits = [{"id": hit, "right": right} for hit, right in begun.hits]
    return {"score": f"{score:.2f}", "why": "", "hits": hits, "note": note}
