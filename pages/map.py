"""Map: how each encoder arranges the gallery, and how far the map can be trusted."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

from pages.parts import choosing, components, link, query, url_state
from pages.parts.guard import run
from pages.parts.map import board, controls, groups, making, morph, point, selection, shown, view
from pages.parts.map.shown import Shown
from pages.parts.map.view import MapView
from pages.parts.shell import places, shell
from pages.parts.words import note, quiet

STYLE = Path(__file__).parent / "parts" / "web" / "map_page.css"


def main() -> None:
    view.restore()
    actions = shell("Map", "How each encoder arranges the gallery, and the quality of that map")
    st.html(STYLE)
    asked, chosen, answer = places("panel_query", "panel_settings", "answer")
    with chosen:
        controls.panel()
    with asked:
        query.panel(link.current())
    now = view.current()
    view.publish()
    with actions:
        components.copy_link("copy")
    with answer:
        url_state.tell(st.session_state.get(link.REMARKS, ()))
        _answer(now)


def _answer(now: MapView) -> None:
    if not now.encoders:
        note(
            "No encoder is chosen.", "Choose one to four under Encoders: each has a map of its own."
        )
        return
    if len(now.base.encoders) > view.MOST:
        note(
            f"{len(now.base.encoders)} encoders are chosen; the first {view.MOST} have a map here."
        )
    if making.refused(now):
        return
    paths = making.paths(now)
    if None in paths:
        making.panel(now)
        return
    making.pictures(now)
    maps, ids = shown.gather(now, paths)
    making.changed(now, [one.found for one in maps])
    views = {
        "Maps": lambda: _maps(now, maps, ids),
        "Morph": lambda: morph.show(now, maps),
        "Clusters": lambda: groups.show(now, maps),
    }
    choosing.view(view.MODE, views)


def _maps(now: MapView, maps: Sequence[Shown], ids: Sequence[str]) -> None:
    selection.follow(now)
    rows = shown.selected(now, maps)
    quiet(shown.of_maps(now, maps))
    making.missing_vectors(now)
    with st.container(key="map_beside" if now.lasso else "map_alone"):
        with st.container(key="map_board"):
            morph.draw(
                board.data(now, maps, ids, rows),
                "maps",
                partial(selection.obey, now, maps),
                partial(selection.look, now, maps),
            )
        with st.container(key="map_drawer"):
            selection.panel(now, maps, ids, rows)
    point.panel(now, maps)


run(main, "Map")
