"""The picture itself, 16 x 16 pixels small: the plainest baseline that knows where things are."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.encoders.base import Encoder, register
from core.images import resize


@register
class TinyImage(Encoder):
    """16 x 16 RGB minus mid-grey (Torralba et al., 80 Million Tiny Images, 2008), by way of
    64 x 64."""

    name = "tiny.16x16"
    title = "Tiny image"
    family = "pixels"
    about = "Compares blurred pixels place by place: sensitive to background, position and light."
    dim = 16 * 16 * 3
    side = 64

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return resize(resize(image, 64, 64), 16, 16, Image.Resampling.BICUBIC)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(batch).reshape(len(batch), -1).astype(np.float32) - 127.0
