"""Maps laid on the pictures that they belong to."""

import numpy as np
from PIL import Image

from core.explainers.base import WHOLE, Map

FINE = 8
"""Samples on a side of each cell of a map that is brought onto the whole picture."""


def laid(found: Map, size: tuple[int, int]) -> np.ndarray:
    """A map on the whole picture of ``size`` (width, height), smooth, 0 outside its box: float32
    (height, width), 0..1."""
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
