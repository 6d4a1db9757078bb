"""From one encoder's map to another's: a slider, and the pictures that go farthest."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import streamlit as st

from core.services.maps import page as map_page
from pages.parts import cached, cached_maps, components
from pages.parts.map import board, component, readings
from pages.parts.map import view as views
from pages.parts.map.shown import Shown, name_of, title
from pages.parts.map.view import MapView
from pages.parts.words import heading, note, quiet

PAIR = "keep_map_pair"


def show(view: MapView, maps: Sequence[Shown]) -> None:
    """The morph of two maps and its movers."""
    if len(maps) < 2:
        note("A morph goes from one map to another.", "Choose two encoders.")
        return
    pairs = [f"{a.encoder} → {b.encoder}" for a in maps for b in maps if a.encoder != b.encoder]
    if st.session_state.get(PAIR) not in pairs:
        st.session_state[PAIR] = pairs[0]
    if len(maps) > 2:
        st.selectbox("From, to", pairs, key=PAIR, format_func=_titles, width=420)
    names = st.session_state[PAIR].split(" → ")
    first, second = (next(one for one in maps if one.encoder == name) for name in names)
    quiet(
        f"Each dot goes from its place on the map by {title(names[0])} to its place on the map by"
        f" {title(names[1])}."
    )
    component.draw(_data(view, first, second), "maps_morph", _keep)
    _movers(view, first, second)


def _keep(said: dict) -> None:
    """How far the morph has gone stands in the link."""
    if said.get("morphed") is not None:
        st.session_state[views.MORPH] = round(float(said["morphed"]), 3)
        views.publish()


def _titles(pair: str) -> str:
    return " → ".join(title(name) for name in pair.split(" → "))


def _data(view: MapView, first: Shown, second: Shown) -> dict:
    ids, a, b = cached_maps.comparable(*first.key, *second.key[2:])
    rows = (
        board.overlay(view, [first, second], ids)
        if len(ids) > map_page.VECTOR_UP_TO
        else np.arange(len(ids))
    )
    frame = map_page.box([SimpleNamespace(positions=a[rows]), SimpleNamespace(positions=b[rows])])
    hue, place = board.colours(view, first), {id: row for row, id in enumerate(first.found.ids)}
    index = hue.index[[place[ids[row]] for row in rows]]
    chosen = [
        np.isin(
            [ids[row] for row in rows],
            [one.id for one in cached_maps.movers(*first.key, *second.key[2:])],
        )
    ]
    note = (
        f"{len(rows):,} of {len(ids):,} pictures"
        if len(rows) < len(ids)
        else f"{len(ids):,} pictures"
    )
    both = f"{title(first.encoder)} → {title(second.encoder)}"
    shared = {
        "box": frame,
        "colour": map_page.b64(index),
        "note": f"{note} · the {int(chosen[0].sum())} that move farthest are highlighted",
    }
    return {
        "morph": {"t": view.morph, "names": [title(first.encoder), title(second.encoder)]},
        "layout": f"morph-{first.encoder}-{second.encoder}",
        "linked": True,
        "pictures": view.pictures,
        "palette": hue.palette,
        "legend": hue.legend,
        "scale": hue.scale,
        "atlas": board.atlas(view, ids, rows),
        "selection": map_page.bits(np.flatnonzero(chosen[0]), len(rows)),
        **board.labels(view, [ids[row] for row in rows]),
        "hint": "Move the slider, or press Play. Drag and scroll as on the maps.",
        "maps": [
            {**shared, "title": both, "xy": map_page.places(side[rows], frame)} for side in (a, b)
        ],
    }


def _movers(view: MapView, first: Shown, second: Shown) -> None:
    found = cached_maps.movers(*first.key, *second.key[2:])
    if not found:
        return
    heading("Largest neighbourhood changes")
    quiet(
        readings.of_movers(first, second, float(np.mean([one.kept for one in found])), found[0].k)
    )
    version = cached.version(view.base.dataset)
    items = [
        {
            "id": one.id,
            "uri": cached.thumbnail(view.base.dataset, version, one.id, 176),
            "caption": f"{one.shift:.1f} · keeps {one.kept}",
            "alt": (
                f"{name_of(view, one.id)}: moves {one.shift:.1f} map radii, keeps {one.kept} of"
                f" {one.k} neighbours"
            ),
        }
        for one in found
    ]
    picked = components.picture_grid(
        items, "Pictures that move most", "map_movers", side=92, selected=view.picked
    )
    if picked and picked in {one.id for one in found}:
        views.pick(picked)
        st.session_state[views.MODE] = views.MODES[0]
        st.rerun()
