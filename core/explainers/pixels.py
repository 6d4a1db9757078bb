"""Tiny image: what each of 16 x 16 pixels does for the score, and where the pictures differ."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, cast

import numpy as np

from core.explainers.base import (
    Drawings,
    Encoding,
    Explainer,
    Explanation,
    Map,
    Pair,
    explainers,
    scaled,
)
from core.explainers.covering import ground
from core.explainers.regions import Regions

GRID = (16, 16, 3)
DIFFERENCE = "Difference: darker is more"
GREY = 127.0
"""What the encoder takes from each value."""


class Pixels(Explainer):
    """How the score would change without each pixel, and the difference of both small pictures."""

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


STEPS = 5


class Drawing(Protocol):
    """An encoder that draws pictures from codes."""

    def codes(self, images: Sequence[np.ndarray]) -> np.ndarray: ...

    def draw(self, codes: np.ndarray) -> np.ndarray: ...


class Reconstruction(Regions):
    """Both pictures as they are drawn from their codes, where these drawings differ, and drawings
    of codes on the straight line between the two."""

    name = "reconstruction"
    title = "Reconstructions"
    about = "What the codes keep of both pictures, where that differs, and what lies between them."

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return encoder.family == "autoencoder" and hasattr(encoder, "draw")

    def explain(self, pair: Pair) -> Explanation:
        regions = replace(super().explain(pair), method=self.name)
        encoder = cast(Drawing, pair.encoder)
        codes = encoder.codes(pair.images)
        steps = np.linspace(0.0, 1.0, STEPS)
        walk = encoder.draw(codes[0] + steps[:, None] * (codes[1] - codes[0]))
        apart = np.abs(walk[0].astype(np.int16) - walk[-1]).mean(axis=2)
        drawings = Drawings(
            "Drawn from the codes",
            (("Query", walk[0]), ("Hit", walk[-1]), (DIFFERENCE, grey(apart))),
        )
        names = ["Query", *(f"{100 * step:.0f} %" for step in steps[1:-1]), "Hit"]
        line = Drawings("From code to code", tuple(zip(names, walk, strict=True)))
        facts = (
            ("Mean difference of the drawings", f"{apart.mean():.1f} of 255 grey levels"),
            *((name, value) for name, value in regions.facts if name == "Pooling"),
        )
        return replace(
            regions,
            about="Bright regions add most to the score. The drawings below show all that the codes"
            " keep.",
            facts=facts,
            blocks=(drawings, line),
        )


def grey(values: np.ndarray) -> np.ndarray:
    """Values (h, w) of 0..255 -> RGB uint8, dark where they are large."""
    levels = 255 - np.clip(values, 0, 255).astype(np.uint8)
    return np.repeat(levels[:, :, None], 3, axis=2)


explainers.add(Reconstruction.name, Reconstruction)
