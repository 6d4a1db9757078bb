"""Clusters of each map: their most typical pictures, and whether they are the classes."""

from collections.abc import Sequence

import streamlit as st

from core.services.maps import colours as map_colours
from core.services.maps import maps
from core.services.maps.colours import NamedCluster
from pages.parts import cached, cached_maps, components
from pages.parts.map import board, shown
from pages.parts.map import view as views
from pages.parts.map.shown import Shown
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.words import caption, count, quiet

MOST = 40


def show(view: MapView, shown: Sequence[Shown]) -> None:
    """One row of medoids for each map."""
    quiet(
        "A cluster is a dense region of one map, found by HDBSCAN; its picture is its medoid in the"
        " space."
    )
    for one in shown:
        with st.container(key=f"panel_clusters_{one.encoder}"):
            _of(view, one)


def _of(view: MapView, one: Shown) -> None:
    found = cached.dataset(view.base.dataset)
    field = board.field_of(view, one)
    names = [map_colours.words(found.items[found.rows[id]].value(field)) for id in one.found.ids]
    agreement = maps.against_labels(one.found, names)
    caption(title(one.encoder), level=2)
    quiet(shown.of_clusters(one, agreement, field))
    if not len(one.found.medoids):
        return
    version = cached.version(view.base.dataset)
    items = [
        {"id": id, "uri": cached.thumbnail(view.base.dataset, version, id, 112), **_said(cluster)}
        for cluster, id in zip(
            cached_maps.clusters(one.key, field),
            (one.found.ids[row] for row in one.found.medoids[:MOST]),
            strict=False,
        )
    ]
    picked = components.picture_grid(
        items, "The most typical picture of each cluster", f"clusters_{one.encoder}", side=116
    )
    if len(one.found.medoids) > MOST:
        quiet(f"The {MOST} largest of {len(one.found.medoids)} clusters are shown.")
    if picked and picked in {item["id"] for item in items}:
        views.pick(picked)
        st.session_state[views.MODE] = views.MODES[0]
        st.rerun()


def _said(cluster: NamedCluster) -> dict:
    """``60 · mug 95 %``: the size of a cluster and the class that most of it is."""
    words = f" · {cluster.words}" if cluster.words else ""
    most = f", {cluster.share:.0%} of them {cluster.name}" if cluster.name else ""
    return {
        "caption": f"{cluster.size:,}{words}",
        "alt": f"Cluster {cluster.number + 1}: {count(cluster.size, 'picture')}{most}",
    }
