"""HOG: the score is a sum over cells of gradients."""

import numpy as np
from PIL import Image, ImageDraw

from core.explainers.base import (
    Drawings,
    Explainer,
    Explanation,
    Map,
    Pair,
    explainers,
    scaled,
    share,
)

CELLS, ORIENTATIONS = 8, 9
CELL = 28
"""Pixels of a cell in the drawing."""


class Gradients(Explainer):
    """What each of the 8 x 8 cells adds to the cosine, and the gradients in it."""

    name = "gradients"
    title = "Gradient cells"
    about = "Which cells have edges of the same direction in both pictures."
    encoders = ("hog.8x8",)

    def explain(self, pair: Pair) -> Explanation:
        left, right = pair.vectors.reshape(2, CELLS, CELLS, ORIENTATIONS)
        added = (left * right).sum(axis=2)
        strongest = np.sort(added.ravel())[::-1]
        return Explanation(
            self.name,
            "Bright cells have edges of the same direction in both pictures; the score is the sum"
            " over all cells.",
            Map(scaled(added)),
            Map(scaled(added)),
            exact=True,
            facts=(
                ("Sum of all cells", f"{added.sum():.4f}"),
                (
                    "The ten strongest of 64 cells",
                    f"{share(strongest[:10].sum() / max(added.sum(), 1e-9))} of the score",
                ),
            ),
            blocks=(
                Drawings(
                    "Edges of each cell",
                    (
                        ("Query", drawn(left)),
                        ("Hit", drawn(right)),
                        ("In both", drawn(np.sqrt(np.maximum(left * right, 0.0)))),
                    ),
                ),
            ),
        )


def drawn(cells: np.ndarray) -> np.ndarray:
    """Cells (8, 8, 9) as strokes along the edges, darker where stronger: RGB uint8."""
    side = CELLS * CELL
    made = Image.new("L", (side, side), 255)
    pen = ImageDraw.Draw(made)
    most = max(float(cells.max()), 1e-9)
    # an edge runs at a right angle to its gradient, whose bins begin at 0 degrees
    angles = (np.arange(ORIENTATIONS) + 0.5) * np.pi / ORIENTATIONS + np.pi / 2
    reach = CELL / 2 - 2
    strokes = sorted(
        (float(cells[row, column, bin_]) / most, row, column, bin_)
        for row, column, bin_ in np.argwhere(cells > 0.05 * most)
    )
    for strength, row, column, bin_ in strokes:
        x, y = (column + 0.5) * CELL, (row + 0.5) * CELL
        dx, dy = reach * np.cos(angles[bin_]), reach * np.sin(angles[bin_])
        pen.line((x - dx, y + dy, x + dx, y - dy), fill=round(255 * (1 - strength)), width=2)
    return np.repeat(np.asarray(made)[:, :, None], 3, axis=2)


explainers.add(Gradients.name, Gradients)
