"""Pictures of the gallery as arrays, changed as a student asks, and as bytes to be shown."""

import io
from collections.abc import Mapping

import numpy as np

from core import images
from core.datasets.base import Dataset
from core.errors import UserError
from core.explainers.base import Map
from core.services.evaluation.distortions import DISTORTIONS, distort
from core.services.explaining.drawing import veiled
from core.services.search.request import item_of

MOVE = "move"
MOST_MOVED = 40.0
"""Percent of the width."""
CHANGES: Mapping[str, tuple[str, str, float, float]] = {
    MOVE: ("Moved sideways", "% of the width", 0.0, MOST_MOVED),
    **{
        name: (
            DISTORTIONS[name].title,
            DISTORTIONS[name].unit,
            DISTORTIONS[name].none,
            DISTORTIONS[name].strengths[-1],
        )
        for name in ("rotate", "scale", "crop", "blur", "darker", "brighter", "occlude")
    },
}
"""Name -> title, unit, the strength that changes nothing, the largest one."""


def image_of(dataset: Dataset, item_id: str) -> np.ndarray:
    """A picture of the data set, RGB uint8 (h, w, 3). Raises UserError."""
    return images.decode(dataset.read(item_of(dataset, item_id)))


def changed(image: np.ndarray, kind: str, share: float) -> np.ndarray:
    """A picture changed by ``share`` (0..1) of a kind's most (``CHANGES``). Raises UserError."""
    if kind not in CHANGES:
        raise UserError(f"There is no change {kind!r}.", f"Known: {', '.join(CHANGES)}.")
    _, _, none, most = CHANGES[kind]
    strength = none + share * (most - none)
    return moved(image, strength) if kind == MOVE else distort(image, kind, strength)


def moved(image: np.ndarray, percent: float) -> np.ndarray:
    """A picture moved to the right; what comes in at the left repeats the edge."""
    by = round(image.shape[1] * percent / 100)
    return np.concatenate([np.repeat(image[:, :1], by, axis=1), image[:, : image.shape[1] - by]], 1)


def webp(image: np.ndarray, side: int = 224) -> bytes:
    """RGB uint8 as WebP of at most ``side`` pixels; a small one is enlarged pixel by pixel."""
    if max(image.shape[:2]) < side:
        scale = max(1, side // max(image.shape[:2]))
        image = np.repeat(np.repeat(image, scale, axis=0), scale, axis=1)
    return images.thumbnail(image, side)


def lit(image: np.ndarray, values: np.ndarray, side: int = 224) -> bytes:
    """WebP of a picture that is dark where ``values`` (h, w), 0..1, are small."""
    out = io.BytesIO()
    veiled(image, Map(values.astype(np.float32)), side).save(out, "WEBP", quality=82, method=2)
    return out.getvalue()
