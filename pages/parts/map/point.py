"""The picked picture and its place: its nearest in the space and on the map."""

from collections.abc import Sequence

import streamlit as st

from core.errors import UserError
from pages.parts import cached, cached_maps, components, link, press
from pages.parts.map import view as views
from pages.parts.map.board import row_of
from pages.parts.map.selection import to_compare
from pages.parts.map.shown import Shown, name_of
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.words import caption, heading, quiet

K = 8


def panel(view: MapView, maps: Sequence[Shown]) -> None:
    """The picture, what to do with it, and for each map both neighbourhoods."""
    found = cached.dataset(view.base.dataset)
    if not view.picked or view.picked not in found.rows:
        return
    version = cached.version(view.base.dataset)
    heading(f"{name_of(view, view.picked)}: neighbours in the space, neighbours on the map")
    with st.container(key="map_point"):
        with st.container(key="map_point_side"):
            uri = cached.thumbnail(view.base.dataset, version, view.picked, 224)
            st.html(f'<figure class="ll-query"><img src="{uri}" alt="The picked picture"></figure>')
            _buttons(view)
        with st.container(key="map_point_lists"):
            for one in maps:
                if (row := row_of(one, view.picked)) is not None:
                    _lists(view, one, row)


def _buttons(view: MapView) -> None:
    if press.button("Compare with it", type="primary", width="stretch", key="map_compare"):
        to_compare(view, f"item:{view.picked}")
    if press.button(
        "Query of the maps",
        width="stretch",
        key="map_query",
        disabled=view.base.query == f"item:{view.picked}",
    ):
        link.ask(f"item:{view.picked}")
        st.rerun()
    if press.button("Close", width="stretch", key="map_unpick"):
        views.pick("")
        st.rerun()


def _lists(view: MapView, one: Shown, row: int) -> None:
    caption(title(one.encoder), level=2)
    try:
        near = cached_maps.neighbourhood(one.key, row, K)
    except UserError:
        quiet("Its neighbours are shown as soon as the embeddings are there.")
        return
    quiet(
        f"{len(near.shared)} of {len(near.space)} neighbours are the same in the space and on the"
        " map."
    )
    left, right = st.columns(2)
    for place, name, rows in (
        (left, "In the space", near.space),
        (right, "On the map", near.plane),
    ):
        with place:
            _pictures(view, one, name, rows, near.shared)


def _pictures(view: MapView, one: Shown, name: str, rows: Sequence[int], shared: set[int]) -> None:
    version = cached.version(view.base.dataset)
    ids = {one.found.ids[row]: row in shared for row in rows}
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(view.base.dataset, version, id, 112),
            "caption": "✓ both" if both else "✕ only here",
            "alt": f"{name_of(view, id)}, {'in both lists' if both else 'only here'}",
        }
        for id, both in ids.items()
    ]
    quiet(name)
    picked = components.picture_grid(
        items, f"{name}, {title(one.encoder)}", f"near_{one.encoder}_{name}", side=48
    )
    if picked and picked in ids:
        views.pick(picked)
        st.rerun()
