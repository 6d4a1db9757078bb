"""What a person does on the maps: select, pick, open a picture on Compare, rest the pointer."""

from collections.abc import Sequence

import streamlit as st

from core.services.maps import views as map_views
from pages.parts import cached
from pages.parts.map import view as views
from pages.parts.map.selection import to_compare
from pages.parts.map.shown import Shown, name_of
from pages.parts.map.view import MapView

OPEN, ON = "map_open", "map_picked_on"


def obey(view: MapView, maps: Sequence[Shown], said: dict) -> None:
    """Note what was done and run the page again."""
    state = st.session_state
    if selected := said.get("selected"):
        place = int(selected["map"])
        views.select(maps[place].encoder if 0 <= place < len(maps) else "", selected["polygon"])
        state["map_page"] = 0
    if picked := said.get("picked"):
        views.pick("" if picked["map"] < 0 else _nearest(maps, picked))
        state[ON] = max(int(picked["map"]), 0)
    if opened := said.get("opened"):
        state[OPEN] = str(opened["id"]) if "id" in opened else _nearest(maps, opened)
    st.rerun()


def follow(view: MapView) -> None:
    """Go to Compare where a picture was opened."""
    id = st.session_state.pop(OPEN, None)
    if id is not None and id in cached.dataset(view.base.dataset).rows:
        to_compare(view, f"item:{id}")


def card(view: MapView, maps: Sequence[Shown]) -> dict | None:
    """What stands beside the picked dot, on the map that was clicked."""
    if not view.picked or view.picked not in cached.dataset(view.base.dataset).rows:
        return None
    place = min(int(st.session_state.get(ON, 0)), len(maps) - 1)
    return {
        "id": view.picked,
        "map": place,
        "name": name_of(view, view.picked),
        "uri": _picture(view, view.picked),
    }


def look(view: MapView, maps: Sequence[Shown], under: dict) -> dict:
    """The picture nearest to where the pointer rests, if it is within ``reach``; else only the
    number of the map."""
    own = maps[min(max(int(under["map"]), 0), len(maps) - 1)]
    row = map_views.nearest(own.found, float(under["x"]), float(under["y"]))
    x, y = map(float, own.found.positions[row])
    found = {"map": int(under["map"])}
    if (x - under["x"]) ** 2 + (y - under["y"]) ** 2 > under["reach"] ** 2:
        return found
    id = own.found.ids[row]
    return {**found, "id": id, "x": x, "y": y, "name": name_of(view, id), "uri": _picture(view, id)}


def _nearest(maps: Sequence[Shown], said: dict) -> str:
    own = maps[min(max(int(said["map"]), 0), len(maps) - 1)]
    return own.found.ids[map_views.nearest(own.found, float(said["x"]), float(said["y"]))]


def _picture(view: MapView, id: str) -> str:
    return cached.thumbnail(view.base.dataset, cached.version(view.base.dataset), id, 176)
