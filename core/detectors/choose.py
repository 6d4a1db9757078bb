"""Which box is the subject, and how much around it is searched with."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence

from core.detectors.base import Box

MARGIN = 0.1
"""Share of a box's width and height that is added on each side: encoders cut off what lies at the edge."""


def main_box(boxes: Sequence[Box]) -> Box | None:
    """The main box is large, near the middle and sure: the one with the largest √area × (1 − ½ · distance) × score.

    ``area`` is its share of the picture; ``distance`` is that of its centre from the picture's, 0 in the middle and 1 in a
    corner; ``score`` is the detector's. Of equal ones the first; None where there are none.
    """
    return max(boxes, key=weight, default=None)


def weight(box: Box) -> float:
    """√area x (1 - distance / 2) x score, see :func:`main_box`."""
    away = math.hypot((box.x0 + box.x1) / 2 - 0.5, (box.y0 + box.y1) / 2 - 0.5) / math.hypot(0.5, 0.5)
    return math.sqrt(box.area) * (1 - away / 2) * box.score


def rule() -> str:
    """How the main box is chosen, in words for a page: the docstring of :func:`main_box` itself."""
    first, terms = inspect.getdoc(main_box).split("\n\n")
    return f"{first} {' '.join(terms.replace('``', '').split())}"


def with_margin(box: Box, margin: float = MARGIN) -> Box:
    """The box with ``margin`` of its width and height added on each side, as far as the picture goes."""
    wide, high = margin * (box.x1 - box.x0), margin * (box.y1 - box.y0)
    edges = max(box.x0 - wide, 0.0), max(box.y0 - high, 0.0), min(box.x1 + wide, 1.0), min(box.y1 + high, 1.0)
    return Box(*edges, box.score, box.label)
