"""Maps as the component draws them: places, colours, query, selection, small pictures."""

from collections.abc import Sequence

import numpy as np

from core.errors import UserError
from core.services.maps import colours as map_colours
from core.services.maps import page as map_page
from core.services.maps.colours import Colouring
from core.services.maps.maps import Map
from pages.parts import cached, cached_maps, gallery, palette
from pages.parts.map.selection import card
from pages.parts.map.shown import Shown
from pages.parts.map.view import MapView
from pages.parts.palette import title
from pages.parts.words import count

MAX_NAMES = 40
NO_SLOT = 65535
CHOSEN = "#1F9E89"
"""What has no colour of its own is selected in this one."""


def colours(view: MapView, one: Shown) -> Colouring:
    return cached_maps.colours(one.key, view.colour, "\n".join(view.classes))


def data(view: MapView, maps: Sequence[Shown], ids: Sequence[str], selection: np.ndarray) -> dict:
    """The whole view of one to four linked maps."""
    together = any(one.found.wanted.anchor for one in maps)
    frames = [cached_maps.frames((one.key,)) for one in maps]  # each cloud fills its own frame
    large = len(ids) > map_page.VECTOR_UP_TO
    rows = overlay(view, maps, ids) if large else np.arange(len(ids))
    hues = [colours(view, one) for one in maps]
    drawn = [
        _map(view, one, hue, both, rows, selection, large)
        for one, hue, both in zip(maps, hues, frames, strict=True)
    ]
    chosen = np.flatnonzero(np.isin(rows, selection)) if len(selection) else None
    return {
        "layout": f"{len(maps)}-{view.base.dataset}",
        "linked": together,
        "pictures": view.pictures,
        "overlay": large,
        "maps": drawn,
        "card": card(view, maps),
        "palette": hues[0].palette,
        "legend": _legend(view, hues),
        "scale": hues[0].scale,
        "atlas": atlas(view, ids, rows),
        "selection": map_page.bits(chosen, len(rows)) if chosen is not None else "",
        **labels(view, [ids[row] for row in rows]),
    }


def _legend(view: MapView, hues: Sequence[Colouring]) -> list:
    """The legend of all maps; where each map has its own counts these stand under it."""
    if len(hues) == 1 or view.colour not in map_colours.OF_MAP:
        return list(hues[0].legend)
    return [(index, name, None) for index, name, _ in max((hue.legend for hue in hues), key=len)]


def _own_counts(view: MapView, hue: Colouring, found: Map) -> str:
    """``relevant 566 of 2,720``, ``48 clusters``: what a map says for itself."""
    if view.colour == "cluster":
        return f" · {count(found.facts['clusters'], 'cluster')}"
    if view.colour != "verdict":
        return ""
    counts = {index: number for index, _, number in hue.legend}
    return f" · relevant {counts.get(0, 0):,} of {counts.get(0, 0) + counts.get(1, 0):,}"


def overlay(view: MapView, maps: Sequence[Shown], ids: Sequence[str]) -> np.ndarray:
    """Of a large set, the pictures that have a small picture: these are dots to hover."""
    locator, version = view.base.dataset, cached.version(view.base.dataset)
    sheet = "" if cached_maps.sheet(locator, version) is None else version
    return cached_maps.overlay(locator, version, sheet, tuple(one.key for one in maps), ids)


def labels(view: MapView, ids: Sequence[str]) -> dict:
    """What each dot is called, as numbers into a list of names."""
    found = cached.dataset(view.base.dataset)
    names = [gallery.name_of(found, id) for id in ids]
    known = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return {
        "labels": list(known)[:NO_SLOT],
        "label": map_page.b64(np.array([min(known[name], NO_SLOT - 1) for name in names], "<u2")),
    }


def _map(
    view: MapView,
    one: Shown,
    hue: Colouring,
    frames: tuple[map_page.Box, map_page.Box],
    rows: np.ndarray,
    selection: np.ndarray,
    large: bool,
) -> dict:
    positions, (frame, focus) = one.positions, frames
    index = hue.index if one.rows is None else hue.index[one.rows]
    made = {
        "title": title(one.encoder),
        "mark": palette.mark(one.encoder),
        "figures": map_page.figures(one.found),
        "hint": map_page.HINT,
        "names": _names(view, one),
        "note": map_page.note(one.found) + _own_counts(view, hue, one.found),
        "box": frame,
        "focus": focus,
        "xy": map_page.places(positions[rows], frame),
        "colour": map_page.b64(index[rows]),
        **_query(view, one),
        **_point(view, one),
    }
    if far := map_page.outside(positions, focus):
        made["note"] += f" · {far:,} far out, press Whole map"
    if view.lasso and view.lasso[0] == one.encoder:
        made["lasso"] = view.lasso[1]
    if large:
        made["raster"] = cached_maps.raster(one.key, view.colour, "\n".join(view.classes), frame)
        made["note"] += f" · drawn as a picture, {len(rows):,} of them as dots"
        if len(selection):
            vivid = Colouring(index[selection], (*hue.palette[:-1], CHOSEN))
            made["chosen"] = map_page.raster(
                positions[selection], vivid, frame, map_page.PIXELS // 4, solid=True
            )
    return made


def _names(view: MapView, one: Shown) -> list[tuple[float, float, str]]:
    """Where the clusters stand and what most of each is, the largest first."""
    found = cached_maps.clusters(one.key, field_of(view, one))
    return [(*cluster.place, cluster.words) for cluster in found[:MAX_NAMES] if cluster.words]


def field_of(view: MapView, one: Shown) -> str:
    """What clusters are named by: the colour where it is a class, else the first that is known."""
    if view.colour in map_colours.FIELDS:
        return view.colour
    known = (name for name in map_colours.FIELDS if cached_maps.coded(one.key, name)[1])
    return next(known, "label")


def _query(view: MapView, one: Shown) -> dict:
    """Where the query and its nearest stand, as far as known without building something."""
    try:
        at = cached_maps.place(one.key, view.base.query)
    except UserError:
        return {}
    try:
        return {
            "query": at,
            "lines": _places(one, cached_maps.hits(one.key, view.base.query, view.base.k)),
        }
    except UserError:
        return {"query": at, "lines": []}


def _point(view: MapView, one: Shown) -> dict:
    """The picked picture and its nearest in the space of this encoder."""
    row = row_of(one, view.picked)
    if row is None:
        return {}
    at = tuple(map(float, one.found.positions[row]))
    try:
        near = cached_maps.neighbourhood(one.key, row, 10).space
    except UserError:  # its embeddings are not here
        near = ()
    return {
        "chosenAt": at,
        "near": [tuple(map(float, one.found.positions[other])) for other in near],
    }


def row_of(one: Shown, id: str) -> int | None:
    """The row of a picture on a map."""
    return cached_maps.row_numbers(one.key).get(id)


def _places(one: Shown, ids: Sequence[str]) -> list[tuple[float, float]]:
    known = cached_maps.row_numbers(one.key)
    rows = [known[id] for id in ids if id in known]
    return [tuple(map(float, one.found.positions[row])) for row in rows]


def atlas(view: MapView, ids: Sequence[str], rows: np.ndarray) -> dict | None:
    """The sheet of small pictures, and which of it belongs to each dot."""
    version = cached.version(view.base.dataset)
    sheet = cached_maps.sheet(view.base.dataset, version)
    if sheet is None:
        return None
    place = {id: number for number, id in enumerate(sheet.ids)}
    slots = np.array([place.get(ids[row], NO_SLOT) for row in rows], "<u2")
    return {
        "key": version,
        "side": sheet.side,
        "columns": sheet.columns,
        "per": sheet.per_sheet,
        "slot": map_page.b64(slots),
        "sheets": [cached_maps.sheet_uri(view.base.dataset, version)],
    }
