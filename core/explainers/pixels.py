"""Tiny image: what each of 16 x 16 pixels does for the score, and where the pictures differ."""

import numpy as np

from core.explainers.base import Drawings, Explainer, Explanation, Map, Pair, explainers, scaled
from core.explainers.covering import ground
from core.explainers.reconstruction import DIFFERENCE, grey

GRID = (16, 16, 3)
GREY = 127.0
"""What the encoder takes from each value."""


class Pixels(Explainer):
    """How the score would change without each pixel, and the difference of the two small
    pictures."""

    name = "pixels"
    title = "Pixels"
    about = "Both pictures as the encoder compares them, and where they differ."
    encoders = ("tiny.16x16",)

    def explain(self, pair: Pair) -> Explanation:
        query, hit = (
            np.asarray(pair.encoder.prepare(image)).reshape(GRID) for image in pair.images
        )
        left, right = (one.astype(np.float64) - GREY for one in (query, hit))
        grounds = [ground(image).astype(np.float64) - GREY for image in pair.images]
        maps = falls(right, left, grounds[0]), falls(left, right, grounds[1])
        apart = np.abs(query.astype(np.int16) - hit).mean(axis=2)
        return Explanation(
            self.name,
            "Bright pixels raise the score: it would fall if they had the colour of their picture's"
            " edge. All pixels of the ground together may count for more.",
            Map(scaled(maps[0])),
            Map(scaled(maps[1])),
            facts=(
                ("Mean difference", f"{apart.mean():.1f} of 255 levels"),
                ("The ground alone would score", f"{_ground_score(left, grounds[1]):.3f}"),
            ),
            blocks=(
                Drawings(
                    "What is compared, 16 x 16 pixels",
                    (("Query", query), ("Hit", hit), (DIFFERENCE, grey(apart))),
                ),
            ),
        )


def falls(query: np.ndarray, hit: np.ndarray, plain: np.ndarray) -> np.ndarray:
    """How far the cosine of two vectors falls when a pixel of the hit takes the colour ``plain``
    (3,), for each pixel by itself: float64 (16, 16). Query and hit are (16, 16, 3), minus
    mid-grey."""
    product = (query * hit).sum() - (query * (hit - plain)).sum(axis=2)
    square = (hit**2).sum() - (hit**2).sum(axis=2) + (plain**2).sum()
    length = max(np.linalg.norm(query), 1e-9)
    before = (query * hit).sum() / max(np.linalg.norm(hit), 1e-9)
    return (before - product / np.sqrt(np.maximum(square, 1e-9))) / length


def _ground_score(query: np.ndarray, plain: np.ndarray) -> float:
    """The cosine of the query with a picture of one colour."""
    empty = np.broadcast_to(plain, query.shape)
    lengths = np.linalg.norm(query) * np.linalg.norm(empty)
    return float((query * empty).sum() / max(lengths, 1e-9))


explainers.add(Pixels.name, Pixels)
