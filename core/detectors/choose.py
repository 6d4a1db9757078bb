"""Which box is the subject, and how much around it is searched with."""

import inspect
import math
from collections.abc import Sequence

from core.detectors.base import Box

Edges = tuple[float, float, float, float]
"""x0, y0, x1, y1 in fractions of the picture."""
MARGIN, SQUARE = 0.15, 0.75
"""What is searched with: the shorter side of the box is at least this share of the longer, then
each grows by the margin at both ends. Encoders look at the square in the middle of a picture, and
cut off what lies at its edge. Both were chosen on training products of the catalogue
(tools/measure_subject.py)."""


def main_box(boxes: Sequence[Box]) -> Box | None:
    """The main box is large, near the middle and sure: the one with the largest √area × (1 − ½ ·
    distance) × score.

    ``area`` is its share of the picture; ``distance`` is that of its centre from the picture's, 0
    in the middle and 1 in a corner; ``score`` is the detector's. Of equal ones the first; None
    where there are none.
    """
    return max(boxes, key=weight, default=None)


def weight(box: Box) -> float:
    """√area x (1 - distance / 2) x score, see :func:`main_box`."""
    away = math.hypot((box.x0 + box.x1) / 2 - 0.5, (box.y0 + box.y1) / 2 - 0.5) / math.hypot(
        0.5, 0.5
    )
    return math.sqrt(box.area) * (1 - away / 2) * box.score


def rule() -> str:
    """How the main box is chosen, in words for a page: the docstring of :func:`main_box` itself."""
    first, terms = (inspect.getdoc(main_box) or "").split("\n\n")
    return " ".join(f"{first} {terms.replace('``', '')}".split())


def with_margin(box: Box, size: tuple[int, int], margin: float = MARGIN) -> Box:
    """The box with a margin and not too slim, see MARGIN; at the edge of the picture it is moved
    inward.

    Args:
        size: width and height of the picture in pixels.
    """
    sides = (box.x1 - box.x0) * size[0], (box.y1 - box.y0) * size[1]
    lows, highs = [], []
    for side, whole, low, high in zip(sides, size, (box.x0, box.y0), (box.x1, box.y1), strict=True):
        share = min(max(side, SQUARE * max(sides)) * (1 + 2 * margin) / whole, 1.0)
        lows.append(min(max((low + high - share) / 2, 0.0), 1.0 - share))
        highs.append(lows[-1] + share)
    return Box(lows[0], lows[1], highs[0], highs[1], box.score, box.label)


def first_boxes(boxes: Sequence[Box], most: int) -> list[Box]:
    """The main box, then the surest others; at most so many."""
    main = main_box(boxes)
    return [main, *(box for box in boxes if box is not main)][:most] if main else []


def part(boxes: Sequence[Box], size: tuple[int, int]) -> Edges | None:
    """The part of a picture of ``size`` (width, height) with these boxes that is searched with: the
    main one with a margin; None = all of it."""
    main = main_box(boxes)
    edges = with_margin(main, size).edges if main else None
    return None if edges == (0.0, 0.0, 1.0, 1.0) else edges
