"""A picture that changes, and what encoders that look at pixels and colours make of it."""

import colorsys
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.encoders.colour import BINS
from core.neighbours import cosine_matrix
from core.services.embedding.bound import bound
from core.services.search.request import item_of
from core.services.teaching import pictures

TINY, COLOUR = "tiny.16x16", "hsv.12x4x4"
SHOWN_COLOURS = 8


@dataclass(frozen=True, slots=True)
class Kept:
    """How an encoder sees a changed picture: ``cosine`` to the unchanged one, and the ``rank`` of
    that one among all pictures of the gallery."""

    encoder: str
    cosine: float
    rank: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A changed ``picture`` as WebP, the ``tiny`` one that is compared place by place, and its most
    frequent ``colours`` (RGB, share)."""

    picture: bytes
    tiny: bytes
    colours: tuple[tuple[tuple[int, int, int], float], ...]


def kept(
    dataset: Dataset, item_id: str, kind: str, share: float, encoders: tuple[str, ...]
) -> tuple[Kept, ...]:
    """Search with a changed picture by each encoder. Raises UserError."""
    image = pictures.changed(pictures.image_of(dataset, item_id), kind, share)
    made = []
    for name in encoders:
        ready = bound(dataset, name)
        found = ready.vectors()
        scores = cosine_matrix(ready.loaded().encode([image]), found.vectors)[0]
        row = found.ids.index(item_of(dataset, item_id).id)
        better = (scores > scores[row]) | ((scores == scores[row]) & (np.arange(len(scores)) < row))
        made.append(Kept(name, float(scores[row]), 1 + int(better.sum())))
    return tuple(made)


def seen(dataset: Dataset, item_id: str, kind: str, share: float) -> Seen:
    """What two encoders keep of a changed picture, as they prepare it. Raises UserError."""
    image = pictures.changed(pictures.image_of(dataset, item_id), kind, share)
    tiny = bound(dataset, TINY).encoder.prepare(image)
    counts = bound(dataset, COLOUR).encoder.prepare(image)
    shares = counts / counts.sum()
    order = np.argsort(-shares, kind="stable")[:SHOWN_COLOURS]
    colours = tuple((_middle(int(place)), float(shares[place])) for place in order)
    return Seen(pictures.webp(image, 320), pictures.webp(tiny, 192), colours)


def _middle(place: int) -> tuple[int, int, int]:
    """The colour in the middle of a bin of the histogram, RGB."""
    hue, saturation, value = (
        (at + 0.5) / count for at, count in zip(np.unravel_index(place, BINS), BINS, strict=True)
    )
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
