"""Edges and their directions, cell by cell: shape without colour."""

from collections.abc import Sequence

import numpy as np

from core.encoders.base import Encoder, register
from core.images import resize

POWER = 0.6


@register
class HOG(Encoder):
    """Histogram of oriented gradients (Dalal and Triggs 2005): 9 orientations in 8 x 8 cells of 8 x
    8 pixels.

    The strongest of the three colour channels' gradients counts. The whole picture is one block:
    normalised together, so that a cell with strong edges outweighs a flat one, under a Gaussian
    window, as things stand in the middle; then raised to a power that keeps strong edges from
    ruling alone. Window and power were chosen on photographs.
    """

    version = 2

    name = "hog.8x8"
    title = "HOG"
    family = "gradients"
    about = (
        "Compares outlines place by place, blind to colour: good at the same kind of thing in the"
        " same pose."
    )
    dim = 8 * 8 * 9
    side = 64

    def prepare(self, image: np.ndarray) -> np.ndarray:
        from skimage.feature import hog

        small = resize(image, 64, 64)
        cells = hog(
            small,
            orientations=9,
            pixels_per_cell=(8, 8),
            cells_per_block=(8, 8),
            block_norm="L2",
            channel_axis=-1,
        )
        return cells.astype(np.float32)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return (np.stack(batch) * _window()) ** POWER


def _window(sigma: float = 1.1) -> np.ndarray:
    """A Gaussian over the 8 x 8 cells, ``sigma`` in half widths, for each orientation."""
    at = (np.arange(8) - 3.5) / 4.0
    return np.repeat(
        np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2)).ravel(), 9
    ).astype(np.float32)
