"""Colour alone: how much of each hue, saturation and value a picture has, wherever it is."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.encoders.base import Encoder, register
from core.images import resize

BINS = (12, 4, 4)


@register
class HSVHistogram(Encoder):
    """Joint histogram of Pillow's HSV at 64 x 64, square-rooted (Hellinger kernel)."""

    name = "hsv.12x4x4"
    title = "HSV histogram"
    family = "colour"
    about = "Counts colours and forgets where they are: finds the same palette, not the same thing."
    dim = BINS[0] * BINS[1] * BINS[2]
    side = 64

    def prepare(self, image: np.ndarray) -> np.ndarray:
        hsv = np.asarray(
            Image.fromarray(resize(image, 64, 64)).convert("HSV"), dtype=np.int32
        ).reshape(-1, 3)
        bins = [hsv[:, channel] * count // 256 for channel, count in enumerate(BINS)]
        return np.bincount(np.ravel_multi_index(bins, BINS), minlength=self.dim).astype(np.float32)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.sqrt(np.stack(batch))
