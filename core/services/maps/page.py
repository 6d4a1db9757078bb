"""A map as a browser gets it: places in two bytes an axis, colours in one, a raster where there are
too many dots; and one HTML file that holds maps with hover pictures, which opens without a server,
without a network, for years."""

import base64
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.datasets.base import Dataset
from core.projections.base import projections
from core.services.maps import atlas, maps
from core.services.maps import colours as map_colours
from core.services.maps.colours import Colouring
from core.services.maps.maps import Map
from core.types import Progress

VECTOR_UP_TO = 20_000
"""More dots than this come as one picture, with a few thousand real dots over it that can be
hovered."""
PIXELS = 1000
WORTH_A_LOOK = 1.15
"""A map opens without its outliers where that lets the rest grow so much."""
WEB = Path(__file__).parent / "web"
Box = tuple[float, float, float, float, float]


def engine() -> tuple[str, str]:
    """The script and the style that draw maps: the same on the page and in the exported file."""
    *scripts, style = (
        (WEB / name).read_text(encoding="utf-8")
        for name in ("map_input.js", "map_pin.js", "map.js", "map.css")
    )
    return "\n".join(scripts), style


def box(found: Sequence[Map]) -> Box:
    """``(x0, y0, span, width, height)``: the corner and the side of the square that holds all maps,
    and what they fill of it."""
    low = np.min([one.positions.min(axis=0) for one in found], axis=0)
    high = np.max([one.positions.max(axis=0) for one in found], axis=0)
    size = np.maximum(high - low, 1e-6)
    return float(low[0]), float(low[1]), float(size.max()), float(size[0]), float(size[1])


def focus_of(found: Sequence[Map]) -> Box:
    """The part of :func:`box` that a map opens with: all of it, or what holds 99 % of each axis
    where a few dots lie far out."""
    whole = box(found)
    ends = np.array([np.percentile(one.positions, (0.5, 99.5), axis=0) for one in found])
    low, high = ends[:, 0].min(axis=0), ends[:, 1].max(axis=0)
    low, high = low - 0.06 * (high - low), high + 0.06 * (high - low)
    corner, far = np.array(whole[:2]), np.array(whole[:2]) + whole[3:]
    low, high = np.maximum(low, corner), np.minimum(high, far)
    size = np.maximum(high - low, 1e-6)
    if (size > np.array(whole[3:]) / WORTH_A_LOOK).all():
        return whole
    return float(low[0]), float(low[1]), float(size.max()), float(size[0]), float(size[1])


def outside(positions: np.ndarray, frame: Box) -> int:
    """How many places (n, 2) lie outside a frame."""
    share = positions - np.array(frame[:2], np.float32)
    return int(((share < 0) | (share > np.array(frame[3:], np.float32))).any(axis=1).sum())


def places(positions: np.ndarray, frame: Box) -> str:
    """Places (n, 2) as base64 of uint16 pairs within the square of ``frame``: a 65,536th of the map
    is finer than any screen."""
    share = (positions - np.array(frame[:2], np.float32)) / np.float32(frame[2])
    return b64(np.clip(np.round(share * 65535), 0, 65535).astype("<u2"))


def b64(values: np.ndarray | bytes) -> str:
    return base64.b64encode(
        values if isinstance(values, bytes) else np.ascontiguousarray(values).tobytes()
    ).decode()


def bits(rows: np.ndarray, count: int) -> str:
    """A set of rows as base64 of one bit a row."""
    flags = np.zeros(count, np.uint8)
    flags[rows] = 1
    return b64(np.packbits(flags, bitorder="little"))


def raster(
    positions: np.ndarray, colours: Colouring, frame: Box, pixels: int = PIXELS, solid: bool = False
) -> str:
    """All dots as one PNG (data URI), ``pixels`` a side: the mean colour of what falls on a pixel,
    denser = more solid.

    The grey of the rest, the last of the palette, shows only where nothing else stands. ``solid``:
    every dot is opaque.
    """
    from PIL import Image

    share = (positions - np.array(frame[:2], np.float32)) / np.float32(frame[2])
    at = np.clip((share * (pixels - 1)).round().astype(np.int64), 0, pixels - 1)
    flat = (pixels - 1 - at[:, 1]) * pixels + at[:, 0]
    cells = pixels * pixels
    counts, seen = np.bincount(flat, minlength=cells), colours.index < len(colours.palette) - 1
    grey = np.bincount(flat[seen], minlength=cells)[flat] == 0
    shown = seen | grey
    flat, index = flat[shown], colours.index[shown]
    parts = np.maximum(np.bincount(flat, minlength=cells), 1)
    table = np.array(
        [[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in colours.palette], np.float64
    )
    out = np.zeros((cells, 4), np.uint8)
    full = counts > 0
    for channel in range(3):
        total = np.bincount(flat, weights=table[index, channel], minlength=cells)
        out[full, channel] = (total[full] / parts[full]).round()
    usual = max(float(np.percentile(counts[full], 90)), 1.0)
    out[full, 3] = (
        255
        if solid
        else (255 * (0.35 + 0.65 * np.minimum(counts[full] / usual, 1.0) ** 0.5)).round()
    )
    file = io.BytesIO()
    Image.fromarray(out.reshape(pixels, pixels, 4)).quantize(255, Image.Quantize.FASTOCTREE).save(
        file, "PNG", compress_level=6
    )
    return "data:image/png;base64," + b64(file.getvalue())


def webp_uri(data: bytes) -> str:
    return "data:image/webp;base64," + b64(data)


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
        "slot": b64(slots),
        "sheets": [webp_uri(sheet) for sheet in made.sheets],
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
        "label": b64(np.array([place.get(name, 0) for name in names], "<u2")),
        "palette": colours[0].palette,
        "legend": colours[0].legend,
        "scale": colours[0].scale,
        "maps": [_map(one, hue) for one, hue in zip(found, colours, strict=True)],
    }


def _map(found: Map, colours: map_colours.Colouring) -> dict:
    frame, focus = box([found]), focus_of([found])
    far = outside(found.positions, focus)
    return {
        "title": maps.title(found.wanted.encoder),
        "figures": figures(found),
        "hint": HINT,
        "box": frame,
        "focus": focus,
        "note": note(found) + (f" · {far:,} far out, press Whole map" if far else ""),
        "xy": places(found.positions, frame),
        "colour": b64(colours.index),
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
    title = projections.get(found.wanted.projection).title
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
    script, style = engine()
    own_style, own_script = (
        WEB.joinpath(f"map_file.{kind}").read_text("utf-8") for kind in ("css", "js")
    )
    names = ", ".join(maps.title(one.wanted.encoder) for one in found)
    title = html.escape(
        f"{dataset.title or dataset.name}: {'map' if len(found) == 1 else 'maps'} by {names}"
    )
    reading = projections.get(found[-1].wanted.projection).reading
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
