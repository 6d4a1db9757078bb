"""Clusters of each map: their most typical pictures, and whether they are the classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import streamlit as st

from core.services.maps import colours as map_colours
from core.services.maps import maps
from pages.parts import cached, components
from pages.parts.map import readings
from pages.parts.map import view as views
from pages.parts.map.shown import Shown, title
from pages.parts.map.view import MapView
from pages.parts.words import caption, quiet

MOST = 40
MIXED = 0.3
"""Where the most frequent class is a smaller share than this, a cluster is called mixed."""


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
    field = (
        view.colour
        if view.colour in map_colours.FIELDS
        else next((f for f in map_colours.FIELDS if _known(found, f)), "label")
    )
    names = [map_colours.words(found.items[found.rows[id]].value(field)) for id in one.found.ids]
    agreement = maps.against_labels(one.found, names)
    caption(title(one.encoder))
    quiet(readings.of_clusters(one, agreement, field))
    if not len(one.found.medoids):
        return
    version = cached.version(view.base.dataset)
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(view.base.dataset, version, id, 112),
            **_said(one, number, names),
        }
        for number, id in enumerate(one.found.ids[row] for row in one.found.medoids[:MOST])
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


def _known(found, field: str) -> bool:
    return any(item.value(field) is not None for item in found.items)


def _said(one: Shown, number: int, names: Sequence[str | None]) -> dict:
    """``60 · mug 95 %``: the size of a cluster and the class that most of it is."""
    rows = np.flatnonzero(one.found.clusters == number)
    sizes = Counter(names[row] for row in rows if names[row] is not None)
    if not sizes:
        return {"caption": f"{len(rows):,}", "alt": f"Cluster {number + 1}: {len(rows):,} pictures"}
    name, most = sizes.most_common(1)[0]
    share = most / len(rows)
    caption = f"{len(rows):,} · {f'{name} {share:.0%}' if share >= MIXED else 'mixed'}"
    return {
        "caption": caption,
        "alt": f"Cluster {number + 1}: {len(rows):,} pictures, {share:.0%} of them {name}",
    }
