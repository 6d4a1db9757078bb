"""Edges and their directions, cell by cell: shape without colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.encoders.base import Encoder, register
from core.images import resize


@register
class HOG(Encoder):
    """Histogram of oriented gradients (Dalal and Triggs 2005): 9 orientations in 8 x 8 cells of 8 x 8 pixels.

    Normalised over the whole picture as one block, so that a cell with strong edges outweighs a flat one; then
    square-rooted (Hellinger kernel).
    """

    name = "hog.8x8"
    title = "HOG"
    family = "gradients"
    about = "Compares outlines place by place, blind to colour: good at the same kind of thing in the same pose."
    dim = 8 * 8 * 9
    side = 64

    def prepare(self, image: np.ndarray) -> np.ndarray:
        from skimage.feature import hog

        grey = np.asarray(Image.fromarray(resize(image, 64, 64)).convert("L"))
        cells = hog(grey, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(8, 8), block_norm="L2")
        return cells.astype(np.float32)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.sqrt(np.stack(batch))
