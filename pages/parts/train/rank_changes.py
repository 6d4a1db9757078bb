"""Queries whose ranks a run changed, as picture rows: the query, what it found before, what it
finds now."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.errors import UserError
from core.services.training.effect import Effect, RankChange
from pages.parts import cached, gallery, link
from pages.parts.words import quiet

FIRST, SIDE = 4, 128


def rows(one: Effect, found: Sequence[RankChange], key: str) -> None:
    """A row for each query; the first few at once, the others behind a fold."""
    try:
        version = cached.version(one.locator)
        known = cached.dataset(one.locator).rows
    except UserError:
        quiet(
            f"The pictures of {one.dataset} are not here any more: "
            + ", ".join(query.id for query in found)
        )
        return
    shown = [query for query in found if query.id in known]
    for place, query in enumerate(shown[:FIRST]):
        _row(one, query, version, f"{key}_{place}")
    if len(shown) > FIRST:
        with st.expander(f"{len(shown) - FIRST} more"):
            for place, query in enumerate(shown[FIRST:], FIRST):
                _row(one, query, version, f"{key}_{place}")


def _row(one: Effect, query: RankChange, version: str, key: str) -> None:
    name = gallery.name_of(cached.dataset(one.locator), query.id)
    lists = "".join(
        f'<div class="list"><small>{title} · average precision {value:.2f}</small>'
        f"<div>{_strip(one, version, hits)}</div></div>"
        for title, value, hits in (
            ("Before", query.before, query.hits_before),
            ("After", query.after, query.hits_after),
        )
    )
    uri = cached.thumbnail(one.locator, version, query.id, SIDE)
    asked = (
        f'<figure><img src="{uri}" alt="{escape(name, quote=True)}">'
        f'<figcaption dir="auto">{escape(name)}</figcaption></figure>'
    )
    with st.container(key=f"ranks_{key}", horizontal=True, vertical_alignment="center"):
        st.html(f'<div class="ll-ranks">{asked}{lists}</div>')
        if st.button(
            "Compare",
            key=f"train_ranks_{key}",
            help=f"Open {query.id} in Compare, with both encoders",
        ):
            to_compare(one, query.id)


def _strip(one: Effect, version: str, hits: Sequence[tuple[str, bool]]) -> str:
    """The head of a list; right ones have a solid edge and a tick, others a cross. Pictures that
    went are left out."""
    known = cached.dataset(one.locator).rows
    return "".join(
        _hit(cached.thumbnail(one.locator, version, id, SIDE), id, right)
        for id, right in hits
        if id in known
    )


def _hit(uri: str, id: str, right: bool) -> str:
    name = escape(id, quote=True)
    kind, mark, word = ("yes", "✓", "right") if right else ("no", "✕", "wrong")
    return (
        f'<span class="{kind}"><img src="{uri}" alt="{name}, {word}" title="{name}">'
        f"<b>{mark}</b></span>"
    )


def to_compare(one: Effect, query: str | None) -> None:
    """Open Compare with the encoder as it was and as it is."""
    asked = query or next((change.id for change in (*one.improved, *one.worse)), None)
    params = {
        "dataset": one.locator,
        "encoders": ",".join(one.encoders),
        **({"query": f"item:{asked}"} if asked else {}),
    }
    link.to("compare", **params)
