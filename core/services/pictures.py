"""Small pictures for showing, never the originals."""

from __future__ import annotations

import functools

from core import images
from core.datasets.base import Dataset
from core.errors import UserError

SIDE = 224


def thumbnail(dataset: Dataset, item_id: str, side: int = SIDE) -> bytes:
    """WebP bytes of an item, at most ``side`` pixels on the long side; a grey tile where the picture can't be decoded."""
    item = dataset.items[dataset.rows[item_id]]
    return _thumbnail(dataset.read(item), side)


def thumbnail_of(data: bytes, side: int = 2 * SIDE) -> bytes:
    """WebP bytes of any picture.

    Raises:
        UserError: not a picture.
    """
    return images.thumbnail(images.decode(data, side), side)


def _thumbnail(data: bytes, side: int) -> bytes:
    try:
        return thumbnail_of(data, side)
    except UserError:
        return _blank(side)


@functools.cache
def _blank(side: int) -> bytes:
    import numpy as np

    return images.thumbnail(np.full((side, side, 3), 200, np.uint8), side)
