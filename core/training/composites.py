"""Composites: products cut out of their pictures and pasted into photographs, with their true
boxes.

What a detector learns clutter from, and what it is measured on (tools/measure_subject.py).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from core.images import crop, resize

GOOD, SOLID = 0.9, 0.9
"""A cut-out is used where its box meets the true one so well (IoU), and holds together so far."""
Edges = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of the picture."""


def cut_out(image: np.ndarray, box: Edges, seed: int = 0) -> np.ndarray | None:
    """What is inside ``box`` of an RGB picture without its ground (GrabCut; Rother et al., 2004):
    RGBA uint8, cut to its edges; None where the ground is too much like it."""
    import cv2

    height, width = image.shape[:2]
    mask = np.full((height, width), cv2.GC_BGD, np.uint8)
    rows = slice(int(box[1] * height), int(np.ceil(box[3] * height)))
    columns = slice(int(box[0] * width), int(np.ceil(box[2] * width)))
    mask[rows, columns] = cv2.GC_PR_FGD
    cv2.setRNGSeed(seed)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(image[:, :, ::-1].copy(), mask, None, *models, 5, cv2.GC_INIT_WITH_MASK)
    inside = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(inside)
    if count < 2 or stats[1:, 4].max() < SOLID * inside.sum():
        return None
    found = edges_of(inside)
    if overlap(found, box) < GOOD:
        return None
    return crop(np.dstack([image, cv2.GaussianBlur(inside * 255, (3, 3), 0)]), found)


def edges_of(mask: np.ndarray) -> Edges:
    """The box around what is not zero in a mask (h, w); something has to be."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def overlap(a: Edges, b: Edges) -> float:
    """Intersection over union, 0 to 1."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union if union > 0 else 0.0


def pasted(
    piece: np.ndarray, ground: np.ndarray, size: float, draw: np.random.Generator
) -> tuple[np.ndarray, Edges]:
    """An RGBA cut-out somewhere in an RGB picture, whole; its longer side is ``size`` of the
    picture's shorter one. The new picture and the true box."""
    height, width = ground.shape[:2]
    scale = size * min(height, width) / max(piece.shape[:2])
    wide, high = (max(8, round(length * scale)) for length in piece.shape[1::-1])
    wide, high = min(wide, width), min(high, height)
    small = np.asarray(
        Image.fromarray(piece).resize((wide, high), Image.Resampling.LANCZOS), np.float32
    )
    left, top = int(draw.integers(0, width - wide + 1)), int(draw.integers(0, height - high + 1))
    image, place = ground.copy(), np.s_[top : top + high, left : left + wide]
    alpha = small[..., 3:] / 255.0
    image[place] = (
        (small[..., :3] * alpha + image[place] * (1 - alpha)).round().clip(0, 255).astype(np.uint8)
    )
    seen = np.zeros((height, width), bool)
    seen[place] = small[..., 3] >= 128
    return image, edges_of(seen)


@dataclass(frozen=True, slots=True)
class Mixture:
    """How training pictures are drawn: shares of them, and ranges.

    ``clean`` is the share of pictures of products as they were taken; the others are composites, of
    which ``second`` bear two. ``sizes`` is the longer side of what is pasted, as a share of the
    shorter one of the picture.
    """

    clean: float = 0.2
    second: float = 0.25
    sizes: tuple[float, float] = (0.2, 0.8)


def drawn(
    pieces: Sequence[np.ndarray],
    pictures: Sequence[tuple[np.ndarray, Edges]],
    grounds: Sequence[np.ndarray],
    side: int,
    draw: np.random.Generator,
    mixture: Mixture | None = None,
) -> tuple[np.ndarray, list[Edges]]:
    """One training picture, uint8 (side, side, 3), and the true boxes in it.

    Args:
        pieces: cut-outs, RGBA. pictures: of one product each, with its box. grounds: photographs.
    """
    mixture = mixture or Mixture()
    if draw.random() < mixture.clean:
        image, box = pictures[int(draw.integers(len(pictures)))]
        image, boxes = _part(image, box, draw)
    else:
        image, boxes = _composite(pieces, grounds, draw, mixture)
    if draw.random() < 0.5:
        image = image[:, ::-1]
        boxes = [(1 - x1, y0, 1 - x0, y1) for x0, y0, x1, y1 in boxes]
    return _photographed(resize(np.ascontiguousarray(image), side, side), draw), boxes


def _part(
    image: np.ndarray, box: Edges, draw: np.random.Generator
) -> tuple[np.ndarray, list[Edges]]:
    """A random part of a picture around the whole of its box."""
    x0, y0, x1, y1 = box
    keep = draw.random(4) ** 2
    edges = (x0 * keep[0], y0 * keep[1], 1 - (1 - x1) * keep[2], 1 - (1 - y1) * keep[3])
    if draw.random() < 0.5:
        edges = (0.0, 0.0, 1.0, 1.0)
    wide, high = edges[2] - edges[0], edges[3] - edges[1]
    inside = (
        (x0 - edges[0]) / wide,
        (y0 - edges[1]) / high,
        (x1 - edges[0]) / wide,
        (y1 - edges[1]) / high,
    )
    return crop(image, edges), [inside]


def _composite(
    pieces: Sequence[np.ndarray],
    grounds: Sequence[np.ndarray],
    draw: np.random.Generator,
    mixture: Mixture,
) -> tuple[np.ndarray, list[Edges]]:
    """One or two cut-outs in a photograph, apart from one another."""
    image = _ground(grounds[int(draw.integers(len(grounds)))], draw)
    boxes: list[Edges] = []
    for _ in range(1 + (draw.random() < mixture.second)):
        piece = pieces[int(draw.integers(len(pieces)))]
        piece = _toned(piece, draw) if draw.random() < 0.5 else piece
        if draw.random() < 0.2:
            piece = np.asarray(Image.fromarray(piece).rotate(draw.uniform(-20, 20), expand=True))
            piece = crop(piece, edges_of(piece[..., 3] >= 128))
        made, box = pasted(piece, image, draw.uniform(*mixture.sizes), draw)
        if all(overlap(box, other) == 0 for other in boxes):
            image, boxes = made, [*boxes, box]
    return image, boxes


def _ground(image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A random part of a photograph, of no fewer than half its sides."""
    share = draw.uniform(0.6, 1.0, 2)
    left, top = draw.uniform(0, 1 - share)
    part = crop(image, (left, top, left + share[0], top + share[1]))
    return part if min(part.shape[:2]) >= 128 else _larger(part)


def _larger(image: np.ndarray, side: int = 160) -> np.ndarray:
    scale = side / min(image.shape[:2])
    return resize(image, *(round(length * scale) for length in image.shape[1::-1]))


def _toned(piece: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Another light: gain of each channel and gamma."""
    light = (piece[..., :3] / 255.0) ** draw.uniform(0.7, 1.4) * draw.uniform(0.8, 1.15, 3)
    return np.dstack([(light * 255).clip(0, 255).astype(np.uint8), piece[..., 3]])


def _photographed(image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """As a camera stores it, half the time: a little blurred, compressed."""
    if draw.random() < 0.5:
        return image
    made = Image.fromarray(image).filter(ImageFilter.GaussianBlur(draw.uniform(0.0, 1.0)))
    stream = io.BytesIO()
    made.save(stream, "JPEG", quality=int(draw.integers(50, 96)))
    return np.asarray(Image.open(stream))
