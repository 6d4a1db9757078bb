"""Perceptual hashes: the few bits that survive rescaling and recompression, for finding copies."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from core.encoders.base import Encoder, register


class _Hash(Encoder):
    """Bits as a vector of -1 and +1, so that cosine = 1 - 2 x (Hamming distance) / bits."""

    family = "hash"
    dim = 16 * 16

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(batch).astype(np.float32) * 2.0 - 1.0


@register
class PerceptualHash(_Hash):
    """The 16 x 16 lowest cosine frequencies of a 64 x 64 grey picture against their median
    (ImageHash ``phash``)."""

    name = "phash.16x16"
    title = "Perceptual hash"
    about = (
        "256 bits of coarse light and dark: finds copies that were resized or recompressed, not"
        " similar things."
    )
    side = 64

    def prepare(self, image: np.ndarray) -> np.ndarray:
        import imagehash

        return imagehash.phash(Image.fromarray(image), hash_size=16).hash.reshape(-1)


@register
class DifferenceHash(_Hash):
    """Whether each of 16 x 16 grey pixels is darker than its right neighbour (ImageHash
    ``dhash``)."""

    name = "dhash.16x16"
    title = "Difference hash"
    about = (
        "256 bits of where it gets lighter from left to right: finds copies, quick and robust to"
        " brightness."
    )
    side = 17

    def prepare(self, image: np.ndarray) -> np.ndarray:
        import imagehash

        return imagehash.dhash(Image.fromarray(image), hash_size=16).hash.reshape(-1)
