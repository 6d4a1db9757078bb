"""What the lasso holds: how many of which class, the pictures, and what to do with them; and what
else a person does on the maps: pick, open a picture on Compare, rest the pointer."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from functools import partial

import numpy as np
import streamlit as st

from core.errors import UserError
from core.services.maps import views as map_views
from pages.parts import cached, cached_maps, components, link, press
from pages.parts.map import view as views
from pages.parts.map.shown import Shown, name_of
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.press import finite, text
from pages.parts.words import count, heading, quiet

PAGE = 48
FAR = 1e9
NAMED = 8


def panel(view: MapView, maps: Sequence[Shown], ids: Sequence[str], rows: np.ndarray) -> None:
    """The pictures of a selection, a query of the most typical, export; nothing without one."""
    if view.lasso is None:
        return
    chosen = [ids[row] for row in rows]
    heading(count(len(chosen), "picture") + f" selected on the map by {title(view.lasso[0])}")
    if not chosen:
        quiet("The lasso contains no picture. Draw it around some dots.")
        return
    quiet(counts(maps[0], rows))
    _actions(view, maps, rows, chosen)
    _grid(view, chosen)


def counts(one: Shown, rows: np.ndarray) -> str:
    """``mug 80 · bowl 12 · 4 other classes 9``, by what decides what is right, or class."""
    own = rows if one.rows is None else one.rows[rows]
    fields = (cached_maps.coded(one.key, field) for field in ("category", "label", "instance"))
    codes, names = next(
        (pair for pair in fields if (pair[0][own] >= 0).any()), cached_maps.coded(one.key, "label")
    )
    held = np.bincount(codes[own] + 1, minlength=len(names) + 1)
    sizes = Counter(
        {name: int(held[at]) for at, name in enumerate(["no class", *names]) if held[at]}
    )
    parts = [f"{name} {number:,}" for name, number in sizes.most_common(NAMED)]
    if len(sizes) > NAMED:
        parts.append(
            f"{len(sizes) - NAMED} other classes"
            f" {sum(sizes.values()) - sum(n for _, n in sizes.most_common(NAMED)):,}"
        )
    return " · ".join(parts)


def _actions(view: MapView, maps: Sequence[Shown], rows: np.ndarray, chosen: Sequence[str]) -> None:
    with st.container(horizontal=True):
        if press.button("Use the most typical as query", key="map_use", type="primary"):
            own = next(one for one in maps if one.encoder == view.lasso[0])
            to_compare(view, f"item:{_middle(view, own, [own.row(int(row)) for row in rows])}")
        made = partial(to_csv, view, maps, rows, chosen)
        press.download("Export (CSV)", made, "selection.csv", key="map_csv")
        if press.button("Clear", key="map_clear"):
            views.select("", [])
            st.rerun()


def _middle(view: MapView, own: Shown, rows: Sequence[int]) -> str:
    """The most typical picture: in the space, or on the map where the embeddings are not here."""
    try:
        return map_views.most_typical(cached.dataset(view.base.dataset), own.found, rows)
    except UserError:
        return map_views.middle(own.found, rows)


def _grid(view: MapView, chosen: Sequence[str]) -> None:
    version = cached.version(view.base.dataset)
    last = (len(chosen) - 1) // PAGE
    page = min(st.session_state.get("map_page", 0), last)
    shown = chosen[page * PAGE : (page + 1) * PAGE]
    items = [
        {
            "id": id,
            "uri": cached.thumbnail(view.base.dataset, version, id, 112),
            "alt": f"{name_of(view, id)} ({id})",
        }
        for id in shown
    ]
    picked = components.picture_grid(
        items, "Selected pictures", "map_selection", side=72, selected=view.picked
    )
    if picked and picked in chosen and picked != view.picked:
        views.pick(picked)
        st.rerun()
    if last:
        with st.container(horizontal=True, vertical_alignment="center"):
            quiet(f"{page * PAGE + 1:,} to {page * PAGE + len(shown):,} of {len(chosen):,}")
            for label, step, off in (("Previous", -1, page == 0), ("Next", 1, page == last)):
                if press.button(label, disabled=off, key=f"map_{label}"):
                    st.session_state["map_page"] = page + step
                    st.rerun()


def to_csv(view: MapView, maps: Sequence[Shown], rows: np.ndarray, chosen: Sequence[str]) -> str:
    """The selection as a table: id, path, class, object, and the place on each map."""
    found, out = cached.dataset(view.base.dataset), io.StringIO()
    table = csv.writer(out)
    axes = [f"{one.encoder} {axis}" for one in maps for axis in "xy"]
    table.writerow(["id", "path", "label", "instance", "category", *axes])
    for row, id in zip(rows, chosen, strict=True):
        item = found.items[found.rows[id]]
        places = [
            f"{value:.5g}" for one in maps for value in one.found.positions[one.row(int(row))]
        ]
        table.writerow(
            [_plain(cell) for cell in (id, item.path, item.label, item.instance, item.category)]
            + places
        )
    return out.getvalue()


def _plain(cell: str | None) -> str:
    """A cell that a spreadsheet does not take for a formula."""
    return "" if cell is None else f"'{cell}" if cell[:1] in "=+-@\t\r" else cell


def to_compare(view: MapView, query: str) -> None:
    """Ask with a picture, on Compare."""
    link.ask(query)
    base = view.base
    encoders = ",".join(base.encoders)
    link.to("compare", dataset=base.dataset, query=query, encoders=encoders, k=str(base.k))


OPEN, ON = "map_open", "map_picked_on"


def enclosed(said: dict) -> dict:
    """A lasso: which map, and its corners. Of what is written by hand errors are raised."""
    corners = [(_near(x), _near(y)) for x, y in said["polygon"][: views.MOST_CORNERS]]
    return {"map": int(said["map"]), "polygon": corners}


def clicked(said: dict) -> dict:
    """The same of a picture by its id, or of a place; below map 0 of no picture."""
    if "id" in said:
        return {"map": int(said.get("map", 0)), "id": text(said["id"])}
    place = int(said["map"])
    return {"map": place} if place < 0 else {"map": place, **_point(said)}


def rested(said: dict) -> dict:
    """The same of where the pointer rests, and how far it reaches."""
    return {"map": int(said["map"]), **_point(said), "reach": _near(said["reach"])}


def _point(said: dict) -> dict:
    return {axis: _near(said[axis]) for axis in "xy"}


def _near(said: object) -> float:
    """No map goes farther than that, and it can be squared."""
    return min(max(finite(said), -FAR), FAR)


def obey(view: MapView, maps: Sequence[Shown], said: dict) -> None:
    """Note what was done and run the page again."""
    state = st.session_state
    if selected := said.get("selected"):
        place = selected["map"]
        there = 0 <= place < len(maps)
        views.select(*((maps[place].encoder, selected["polygon"]) if there else ("", [])))
        state["map_page"] = 0
    if picked := said.get("picked"):
        views.pick("" if picked["map"] < 0 else _nearest(maps, picked))
        state[ON] = max(picked["map"], 0)
    if (opened := said.get("opened")) and opened["map"] >= 0:
        state[OPEN] = opened["id"] if "id" in opened else _nearest(maps, opened)
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
    """The picture nearest to the pointer within ``reach``; else the map's number alone."""
    own = maps[min(max(under["map"], 0), len(maps) - 1)]
    row = map_views.nearest(own.found, under["x"], under["y"])
    x, y = map(float, own.found.positions[row])
    found = {"map": under["map"]}
    if (x - under["x"]) ** 2 + (y - under["y"]) ** 2 > under["reach"] ** 2:
        return found
    id = own.found.ids[row]
    return {**found, "id": id, "x": x, "y": y, "name": name_of(view, id), "uri": _picture(view, id)}


def _nearest(maps: Sequence[Shown], said: dict) -> str:
    own = maps[min(max(said["map"], 0), len(maps) - 1)]
    return own.found.ids[map_views.nearest(own.found, said["x"], said["y"])]


def _picture(view: MapView, id: str) -> str:
    return cached.thumbnail(view.base.dataset, cached.version(view.base.dataset), id, 176)
