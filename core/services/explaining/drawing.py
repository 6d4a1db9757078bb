"""An explanation as one picture: query and hit with maps, figures, and drawings."""

import io
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from core import store
from core.errors import UserError
from core.explainers.base import WHOLE, Bits, Block, Dots, Drawings, Histogram, Lines, Map
from core.services.explaining.explain import Explained

SIDE, GAP, SMALL = 420, 24, 150
WIDTH = 2 * SIDE + 3 * GAP
INK, MUTED, PAPER, LINE = (27, 27, 26), (107, 106, 102), (255, 255, 255), (230, 228, 221)
VEIL = (20, 21, 20)
DARKEST = 0.78
"""How dark the veil is where a map says nothing."""
GROUPS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233))
"""Okabe and Ito's colours, which colour-blind people tell apart."""
KEPT, DROPPED = (0, 158, 115), (160, 158, 152)
SAME, OTHER = (15, 110, 102), (160, 158, 152)


def png(found: Explained) -> bytes:
    """The explanation as the bytes of a PNG."""
    drawn = (_block(one) for one in found.explanation.blocks)
    pieces = [_pair(found), _words(found), *(piece for piece in drawn if piece is not None)]
    height = sum((piece.height + GAP for piece in pieces), GAP)
    sheet, top = Image.new("RGB", (WIDTH, height), PAPER), GAP
    for piece in pieces:
        sheet.paste(piece, (GAP, top))
        top += piece.height + GAP
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def save(found: Explained, path: str) -> None:
    """Write the PNG. Raises UserError where that can't be done, or the name has another ending."""
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"{path!r} is no name of a PNG.", fix="Let it end in .png.")
    try:
        store.write_bytes(Path(path), png(found))
    except OSError as error:
        raise UserError(f"{path!r} can't be written: {error.strerror or error}.") from error


def veiled(image: np.ndarray, found: Map | None, side: int = SIDE) -> Image.Image:
    """At most ``side`` pixels, dark where a map says nothing, unchanged where it says most."""
    shown = Image.fromarray(image)
    scale = side / max(shown.size)
    shown = shown.resize([max(1, round(length * scale)) for length in shown.size])
    if found is None:
        return shown
    values = laid(found, shown.size)
    veil = Image.fromarray((255 * DARKEST * (1 - values)).astype(np.uint8))
    shown.paste(Image.new("RGB", shown.size, VEIL), (0, 0), veil)
    return shown


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _pair(found: Explained) -> Image.Image:
    maps = found.explanation.query, found.explanation.hit
    shown = [veiled(image, one) for image, one in zip(found.pictures, maps, strict=True)]
    height = max(one.height for one in shown)
    sheet = Image.new("RGB", (WIDTH - 2 * GAP, height), PAPER)
    for place, one in enumerate(shown):
        sheet.paste(
            one, (place * (SIDE + GAP) + (SIDE - one.width) // 2, (height - one.height) // 2)
        )
    for block in found.explanation.blocks:
        if isinstance(block, Lines | Dots):
            _marks(sheet, shown, block, height)
    return sheet


def _marks(sheet: Image.Image, shown: list[Image.Image], block: Lines | Dots, height: int) -> None:
    pen = ImageDraw.Draw(sheet)

    def at(place: int) -> Callable[[np.ndarray], tuple[float, float]]:
        one = shown[place]
        left, top = place * (SIDE + GAP) + (SIDE - one.width) // 2, (height - one.height) // 2
        return lambda point: (left + point[0] * one.width, top + point[1] * one.height)

    here, there = at(0), at(1)
    if isinstance(block, Lines):
        order = np.argsort(block.kept, kind="stable")  # what was kept lies on top
        for one in order:
            colour, width = (KEPT, 3) if block.kept[one] else (DROPPED, 1)
            pen.line((*here(block.query[one]), *there(block.hit[one])), colour, width)
        return
    for points, groups, to in (
        (block.query, block.query_groups, here),
        (block.hit, block.hit_groups, there),
    ):
        for point, group in zip(points, groups, strict=True):
            x, y = to(point)
            if group >= 0:
                pen.ellipse((x - 5, y - 5, x + 5, y + 5), outline=GROUPS[group], width=3)


def _words(found: Explained) -> Image.Image:
    facts = [f"{name}: {value}" for name, value in found.explanation.facts]
    title = f"{found.encoder}, {found.method}: {found.words}"
    texts = [found.explanation.about, *facts, *found.remarks]
    lines = [line for text in texts for line in textwrap.wrap(text, 125)]
    sheet = Image.new("RGB", (WIDTH - 2 * GAP, 30 + 20 * len(lines)), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((0, 0), title, INK, _font(17))
    for place, line in enumerate(lines):
        pen.text((0, 30 + 20 * place), line, MUTED, _font(14))
    return sheet


def _block(block: Block) -> Image.Image | None:
    if isinstance(block, Drawings):
        return _drawings(block)
    if isinstance(block, Histogram):
        return _histogram(block)
    if isinstance(block, Bits):
        return _bits(block)
    if isinstance(block, Dots):
        return _names(block)
    return _swatches(block) if isinstance(block, tuple) else None


def _sheet(height: int, title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("RGB", (WIDTH - 2 * GAP, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((0, 0), title, INK, _font(15))
    return sheet, pen


def _drawings(block: Drawings) -> Image.Image:
    sheet, pen = _sheet(SMALL + 52, block.title)
    for place, (caption, image) in enumerate(block.pictures):
        left = place * (SMALL + 16)
        kind = Image.Resampling.NEAREST if max(image.shape) <= 32 else Image.Resampling.BICUBIC
        sheet.paste(Image.fromarray(image).resize((SMALL, SMALL), kind), (left, 26))
        pen.text((left, 30 + SMALL), caption, MUTED, _font(13))
    return sheet


def _histogram(block: Histogram) -> Image.Image:
    high, wide = 150, WIDTH - 2 * GAP
    sheet, pen = _sheet(
        high + 60, f"Distances of this gallery's pairs: {block.noun}, and different"
    )
    most = max(block.same.max(), block.different.max(), 1e-9)
    step = wide / len(block.same)
    for values, colour in ((block.different, OTHER), (block.same, SAME)):
        points = [
            ((place + 0.5) * step, 26 + high * (1 - value / most))
            for place, value in enumerate(values)
        ]
        pen.line(points, colour, 3)
    pen.line((0, 26 + high, wide, 26 + high), LINE)
    scale = wide / block.edges[-1]
    for value, name in ((block.value, "this pair"), (block.threshold, "threshold")):
        if value is not None:
            pen.line((value * scale, 26, value * scale, 26 + high), INK, 2)
            said = f"{name} {value:.2f}"
            at = min(value * scale, wide - pen.textlength(said, _font(13)))
            pen.text((at, 30 + high + 14 * (name == "threshold")), said, INK, _font(13))
    return sheet


def _names(block: Dots) -> Image.Image:
    sheet, pen = _sheet(26 + 20 * len(block.names), "Rings: key points of the strongest words")
    for group, name in enumerate(block.names):
        top = 28 + 20 * group
        pen.ellipse((0, top, 10, top + 10), outline=GROUPS[group], width=3)
        pen.text((18, top - 4), name, MUTED, _font(13))
    return sheet


def _bits(block: Bits) -> Image.Image:
    side, across = 16, 48
    count = len(block.equal)
    sheet, pen = _sheet(30 + side * -(-count // across) + 8, "Filled: equal")
    for place in range(count):
        x, y = side * (place % across), 28 + side * (place // across)
        colour = SAME if _met(block, place) else OTHER
        fill = colour if block.equal[place] else None
        pen.rectangle((x, y, x + side - 3, y + side - 3), fill=fill, outline=LINE)
    return sheet


def _met(block: Bits, place: int) -> bool:
    """Whether a bit is equal, or, where there are bands, stands in one that is equal as a whole."""
    if block.bands is None:
        return bool(block.equal[place])
    band = place // block.rows
    return band < len(block.bands) and bool(block.bands[band])


def _swatches(block: tuple) -> Image.Image:
    sheet, pen = _sheet(96, "Shared colours: share of query, of hit, of the score")
    for place, one in enumerate(block):
        left = place * 70
        pen.rectangle((left, 26, left + 58, 58), fill=one.colour, outline=LINE)
        said = f"{100 * one.query:.0f} / {100 * one.hit:.0f} %"
        pen.text((left, 62), said, MUTED, _font(12))
        pen.text((left, 78), f"{100 * one.score:.1f} %", INK, _font(12))
    return sheet


FINE = 8
"""Samples on a side of each cell of a map that is brought onto the whole picture."""


def laid(found: Map, size: tuple[int, int]) -> np.ndarray:
    """A map on a picture of ``size`` (width, height): float32 (height, width), 0..1, smooth."""
    width, height = size
    x0, y0, x1, y1 = found.box
    left, top = round(x0 * width), round(y0 * height)
    inner = max(1, round(x1 * width) - left), max(1, round(y1 * height) - top)
    small = Image.fromarray(found.values, mode="F").resize(inner, Image.Resampling.BICUBIC)
    whole = Image.new("F", size, 0.0)
    whole.paste(small, (left, top))
    return np.clip(np.asarray(whole), 0.0, 1.0)


def whole(found: Map) -> np.ndarray:
    """A map as rows over the whole picture, in cells about as large as its own: float32 (h, w),
    0..1; 0 where the encoder does not look."""
    if found.box == WHOLE:
        return found.values
    x0, y0, x1, y1 = found.box
    height, width = (
        max(1, round(count / length))
        for count, length in zip(found.values.shape, (y1 - y0, x1 - x0), strict=True)
    )
    fine = laid(found, (width * FINE, height * FINE))
    return np.round(fine.reshape(height, FINE, width, FINE).mean(axis=(1, 3)), 4)
