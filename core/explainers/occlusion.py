"""Occlusion: a window is laid on the picture, place by place, and the score is taken again."""

import numpy as np

from core.explainers.base import Encoding, Explainer, Explanation, Map, Pair, explainers, scaled
from core.explainers.covering import covered

GRID = 7
"""Places of the window on a side."""
REACH = 1
"""Cells that the window goes beyond its place on each side, in half cells: it is two cells wide."""

LITTLE = 0.01
"""A fall of the cosine below this says nothing of the place that was covered."""


class Occlusion(Explainer):
    """How far the score falls while a window hides each place (Zeiler and Fergus, Visualizing and
    understanding convolutional networks, ECCV 2014)."""

    name = "occlusion"
    title = "Occlusion"
    about = "What of the hit, covered, lowers the score most; and of the query. For every encoder."
    own = False

    def applies(self, encoder: Encoding, codes: bool = False) -> bool:
        return True

    def explain(self, pair: Pair) -> Explanation:
        falls = [self._falls(pair, side) for side in (0, 1)]
        query, hit = (Map(scaled(fall), box) for fall, box in zip(falls, pair.seen, strict=True))
        sides = [(name, fall.max()) for name, fall in zip(("query", "hit"), falls, strict=True)]
        facts = tuple(
            (f"Largest fall, {name} covered", _said(most, pair.unit)) for name, most in sides
        )
        return Explanation(
            self.name,
            f"Bright is where a cover lowers the score. The cover is a square as wide as two of"
            f" {GRID} cells, in the colour of the picture's edge.",
            query,
            hit,
            facts=facts,
            notes=tuple(
                _little(name, most) for name, most in sides if most < LITTLE and not pair.unit
            ),
        )

    def _falls(self, pair: Pair, side: int) -> np.ndarray:
        """float64 (GRID, GRID): the score without a cover minus the score with one."""
        image, box = pair.copies[side], pair.seen[side]
        scores = pair.scores(1 - side, [image, *(covered(image, one, box) for one in windows())])
        return (scores[0] - scores[1:]).reshape(GRID, GRID)


def _little(name: str, most: float) -> str:
    if most <= 0:
        return f"No cover of the {name} lowers the score: no single place of it counts."
    return (
        f"No single cover of the {name} lowers the score by {LITTLE:g} or more: what is bright"
        " there counts for next to nothing."
    )


def _said(fall: float, unit: str) -> str:
    return f"{fall:.0f} {unit}" if unit else f"{fall:.3f}"


def windows() -> list[np.ndarray]:
    """A cover for each place, row by row: bool (2 GRID, 2 GRID) each, in half cells."""
    made = []
    for row in range(GRID):
        for column in range(GRID):
            cover = np.zeros((2 * GRID, 2 * GRID), bool)
            rows = slice(max(2 * row - REACH, 0), 2 * row + 2 + REACH)
            columns = slice(max(2 * column - REACH, 0), 2 * column + 2 + REACH)
            cover[rows, columns] = True
            made.append(cover)
    return made


explainers.add(Occlusion.name, Occlusion)
