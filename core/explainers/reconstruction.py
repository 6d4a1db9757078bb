"""Autoencoders: what the codes keep of both pictures, and the way from one code to the other."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, cast

import numpy as np

from core.explainers.base import Drawings, Encoding, Explanation, Pair, explainers
from core.explainers.regions import Regions

STEPS = 5
DIFFERENCE = "Difference: darker is more"


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
