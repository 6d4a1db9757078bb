"""Key points of two pictures, one of which a student turns, shrinks and moves."""

from dataclasses import dataclass

import numpy as np

from core import keypoints
from core.datasets.base import Dataset
from core.services.evaluation.distortions import distort
from core.services.search.request import item_of
from core.services.teaching import pictures
from core.types import Item


@dataclass(frozen=True, slots=True)
class Matched:
    """Two pictures as WebP, ``left`` and ``right``; the key points of each, float32 (n, 2) in
    fractions; the matches as rows (x, y, x, y) float32 (m, 4) and ``kept`` bool (m,), those that
    one homography explains; ``reason`` where there are none."""

    left: bytes
    right: bytes
    counts: tuple[int, int]
    pairs: np.ndarray
    kept: np.ndarray
    reason: str


def other_view(dataset: Dataset, item_id: str) -> str:
    """The next view of the same product. Raises UserError."""
    own = item_of(dataset, item_id)
    return _after(dataset, own, lambda item: item.instance == own.instance)


def other_product(dataset: Dataset, item_id: str) -> str:
    """A view of another product of the category. Raises UserError."""
    own = item_of(dataset, item_id)
    return _after(
        dataset, own, lambda item: item.category == own.category and item.instance != own.instance
    )


def _after(dataset: Dataset, own: Item, fits) -> str:
    ids = sorted(item.id for item in dataset.items if item.id != own.id and fits(item))
    return next((id for id in ids if id > own.id), ids[0] if ids else own.id)


def matched(
    dataset: Dataset,
    item_id: str,
    other: str,
    turn: float,
    smaller: float,
    move: float,
    ratio: float,
) -> Matched:
    """The key points of a picture matched with those of ``other``, which is turned (0 to 180
    degrees), made ``smaller`` (percent) and moved (percent of the width). Raises UserError."""
    left = pictures.image_of(dataset, item_id)
    right = pictures.image_of(dataset, other)
    right = distort(right, "scale", smaller) if smaller else right
    right = distort(right, "rotate", turn) if turn else right
    right = pictures.moved(right, move)
    points = [keypoints.detect(image) for image in (left, right)]
    found = keypoints.match(points[0], points[1], ratio=ratio)
    kept = found.inliers if len(found.inliers) else np.zeros(len(found.query), bool)
    pairs = np.hstack([points[0].places[found.query], points[1].places[found.hit]])
    return Matched(
        pictures.webp(left, 320),
        pictures.webp(right, 320),
        (len(points[0]), len(points[1])),
        pairs.reshape(-1, 4),
        kept,
        found.reason,
    )
