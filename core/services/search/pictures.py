"""Small pictures for showing, never the originals but where they are as small and hold nothing but
pixels."""

import functools

import numpy as np

from core import images
from core.datasets.base import Dataset
from core.errors import UserError
from core.fileformats import webp_pixels
from core.services.search.request import Query, item_of
from core.services.search.subject import picture_of

SIDE = 224
Edges = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of the picture, origin top left."""


def thumbnail(dataset: Dataset, item_id: str, side: int = SIDE, box: Edges | None = None) -> bytes:
    """WebP bytes of an item, or of the part of it inside ``box``, at most ``side`` pixels on the
    long side; a grey tile where the picture can't be shown.

    Raises:
        UserError: no such item.
    """
    item = item_of(dataset, item_id)
    try:
        data = dataset.read(item)
        if box is None and max(webp_pixels(data) or (side + 1,)) <= side:
            return data  # as small and better than encoded once more
        return thumbnail_of(data, side, box)
    except UserError:
        return _blank(side)


def thumbnail_of_query(data: bytes, side: int, box: Edges | None = None) -> bytes:
    """:func:`thumbnail_of` for a picture that encoders and a detector are asked with: it is decoded
    once for all of them."""
    if box is not None:
        return thumbnail_of(data, side, box)
    image, _ = picture_of(Query(data=data), None).image(-(-side // 2))
    return images.thumbnail(image, side)


def thumbnail_of(data: bytes, side: int = 2 * SIDE, box: Edges | None = None) -> bytes:
    """WebP bytes of any picture, or of the part of it inside ``box``.

    Raises:
        UserError: not a picture.
    """
    if box is None:
        return images.thumbnail(images.decode(data, -(-side // 2)), side)
    return images.thumbnail(images.crop(images.decode(data), box), side)


@functools.lru_cache(maxsize=8)
def _blank(side: int) -> bytes:
    return images.thumbnail(np.full((side, side, 3), 200, np.uint8), side)
