"""A map as a browser gets it: places in two bytes an axis, colours in one, a raster where there are
too many dots."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.services.maps.colours import Colouring
from core.services.maps.maps import Map

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


def focus(found: Sequence[Map]) -> Box:
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
