"""One HTML file that holds maps with hover pictures: it opens without a server, without a network,
for years."""

import html
import json
from collections.abc import Sequence

import numpy as np

from core.datasets.base import Dataset
from core.services.maps import atlas, maps
from core.services.maps import colours as map_colours
from core.services.maps import data as map_data
from core.services.maps.maps import Map
from core.types import Progress

MOST_MAPS = 4
MOST_PICTURES = 50_000


def write(
    dataset: Dataset, found: Sequence[Map], field: str = "", progress: Progress | None = None
) -> tuple[bytes, int]:
    """The page, and how many hover pictures it holds.

    Every dot is drawn as a vector whatever their number; of more than 50,000 pictures a fixed
    sample can be hovered, and the page says so. Pictures shrink as there are more of them (64 to 24
    pixels), so that the file stays within some 20 MB.
    """
    others = [set(one.ids) for one in found[1:]]
    ids = [id for id in found[0].ids if all(id in other for other in others)]
    found = [_only(one, ids) for one in found]
    items = [dataset.items[dataset.rows[id]] for id in ids]
    chosen = np.arange(len(ids))
    if len(ids) > MOST_PICTURES:
        chosen = np.sort(np.random.default_rng(0).choice(len(ids), MOST_PICTURES, replace=False))
    made = atlas.draw(
        dataset, [items[row] for row in chosen], atlas.side_for(len(chosen)), progress
    )
    data = _data(dataset, found, field or next(iter(map_colours.fields(dataset))))
    slots = np.full(len(ids), 65535, "<u2")
    slots[chosen] = np.arange(len(chosen))
    data["atlas"] = {
        "key": "all",
        "side": made.side,
        "columns": made.columns,
        "per": made.per_sheet,
        "slot": map_data.b64(slots),
        "sheets": [map_data.webp_uri(sheet) for sheet in made.sheets],
    }
    return _page(dataset, found, data, len(chosen)).encode(), len(chosen)


def _only(found: Map, ids: Sequence[str]) -> Map:
    """A map of some of its pictures, in the order of ``ids``."""
    from dataclasses import replace

    if list(found.ids) == list(ids):
        return found
    at = {id: row for row, id in enumerate(found.ids)}
    rows = np.array([at[id] for id in ids])
    new = {int(old): row for row, old in enumerate(rows)}
    nearest = np.array([new.get(int(found.nearest[row]), 0) for row in rows])
    layers = {
        name: getattr(found, name)[rows]
        for name in ("positions", "trust", "continuity", "kept", "clusters")
    }
    return replace(found, ids=tuple(ids), nearest=nearest, **layers)


def _data(dataset: Dataset, found: Sequence[Map], field: str) -> dict:
    names = [
        map_colours.words(dataset.items[dataset.rows[id]].value(dataset.protocol().relevant)) or id
        for id in found[0].ids
    ]
    labels = sorted(set(names))[:65535]
    place = {name: number for number, name in enumerate(labels)}
    colours = [map_colours.colour(dataset, one, field) for one in found]
    together = found[-1].wanted.anchor != ""
    return {
        "layout": "file",
        "count": len(found[0].ids),
        "linked": together,
        "names": list(found[0].ids),
        "labels": labels,
        "label": map_data.b64(np.array([place.get(name, 0) for name in names], "<u2")),
        "palette": colours[0].palette,
        "legend": colours[0].legend,
        "scale": colours[0].scale,
        "maps": [_map(one, hue) for one, hue in zip(found, colours, strict=True)],
    }


def _map(found: Map, colours: map_colours.Colouring) -> dict:
    frame, focus = map_data.box([found]), map_data.focus([found])
    far = map_data.outside(found.positions, focus)
    return {
        "title": maps.title(found.wanted.encoder),
        "figures": figures(found),
        "hint": HINT,
        "box": frame,
        "focus": focus,
        "note": note(found) + (f" · {far:,} far out, press Whole map" if far else ""),
        "xy": map_data.places(found.positions, frame),
        "colour": map_data.b64(colours.index),
    }


HINT = (
    "Trustworthiness: are the neighbours on the map neighbours in the space? Continuity: are the"
    " neighbours in the space neighbours on the map? Both from 0 to 1, and 1 is best (Venna and"
    " Kaski, 2001)."
)


def figures(found: Map) -> list[list[str]]:
    """The two figures over a map."""
    return [
        [f"{found.facts['trustworthiness']:.2f}", "trustworthiness"],
        [f"{found.facts['continuity']:.2f}", "continuity"],
    ]


def note(found: Map) -> str:
    """What stands under a map: how it was made, and every sample that was used."""
    facts = found.facts
    title = next(
        row["title"] for row in maps.projection_rows() if row["name"] == found.wanted.projection
    )
    towards = f", drawn towards {maps.title(found.wanted.anchor)}" if found.wanted.anchor else ""
    said = [title + towards, f"{facts['points']:,} pictures"]
    if facts.get("placed"):
        said.append(f"{facts['placed']:,} placed since it was drawn")
    if facts["fitted_on"] < facts["points"] - facts.get("placed", 0):
        said.append(f"arranged by a sample of {facts['fitted_on']:,}, the others placed among them")
    if facts["measured"] < facts["points"]:
        said.append(f"trustworthiness and continuity measured on a sample of {facts['measured']:,}")
    return " · ".join(said)


def _page(dataset: Dataset, found: Sequence[Map], data: dict, pictures: int) -> str:
    script, style = map_data.engine()
    own_style, own_script = (
        map_data.WEB.joinpath(f"map_file.{kind}").read_text("utf-8") for kind in ("css", "js")
    )
    names = ", ".join(maps.title(one.wanted.encoder) for one in found)
    title = html.escape(
        f"{dataset.title or dataset.name}: {'map' if len(found) == 1 else 'maps'} by {names}"
    )
    reading = next(
        row["reading"]
        for row in maps.projection_rows()
        if row["name"] == found[-1].wanted.projection
    )
    some = (
        ""
        if pictures == data["count"]
        else f" {pictures:,} of {data['count']:,} pictures can be hovered."
    )
    text = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{own_style}{style}</style>"
        f"<h1>{title}</h1><p>{html.escape(reading)}{some}</p>"
        '<div id="maps"></div><div id="said" role="status"></div><div id="picked"></div>'
        f'<script type="application/json" id="data">{text}</script>'
        f"<script>{script}\n{own_script}</script></html>"
    )
