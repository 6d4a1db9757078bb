"""Small pictures for showing, never the originals."""

from __future__ import annotations

import functools

import numpy as np

from core import images
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.search.search import item_of

SIDE = 224


def thumbnail(dataset: Dataset, item_id: str, side: int = SIDE) -> bytes:
    """WebP bytes of an item, at most ``side`` pixels on the long side; a grey tile where the picture can't be shown.

    Raises:
        UserError: no such item.
    """
    item = item_of(dataset, item_id)
    try:
        return thumbnail_of(dataset.read(item), side)
    except UserError:
        return _blank(side)


def thumbnail_of(data: bytes, side: int = 2 * SIDE) -> bytes:
    """WebP bytes of any picture.

    Raises:
        UserError: not a picture.
    """
    return images.thumbnail(images.decode(data, side), side)


@functools.lru_cache(maxsize=8)
def _blank(side: int) -> bytes:
    return images.thumbnail(np.full((side, side, 3), 200, np.uint8), side)
