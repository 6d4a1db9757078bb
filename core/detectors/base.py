"""What every detector promises, and the check that it keeps it; which box is the subject, and how
much around it is searched with.

To add one, write a file here with a child of :class:`Detector` and ``detectors.add(name, maker)``:
the command line, the contract tests and whatever lists detectors find it.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import UserError
from core.registry import Registry
from core.types import Progress, State

detectors: Registry[Detector] = Registry("detector", "core.detectors", first="whole")
READY = State("ready")
MAX_BOXES = 30
"""So many boxes a picture are kept, the best."""
MIN_SIDE = 32
"""A picture with fewer pixels on a side shows nothing that could be told from what surrounds it."""
EVEN = 2
"""Grey levels by which every channel of a picture may vary and still count as one colour."""
SKIPPED = 16
"""Of a picture that is not of one colour, every such row and column mostly shows it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a picture: edges in fractions of its width and height, origin top left; ``score`` 0
    to 1, larger is surer.

    ``label`` is what the detector calls it, None where it names nothing.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    score: float = 1.0
    label: str | None = None

    @property
    def edges(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1

    @property
    def area(self) -> float:
        """Share of the picture; 0 where an edge passes its opposite."""
        return max(self.x1 - self.x0, 0.0) * max(self.y1 - self.y0, 0.0)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class NothingToFind(UserError):
    """A picture in which no detector can find anything."""


class Detector(ABC):
    """RGB picture -> boxes, best first.

    A child gives ``name`` and ``_detect``. The base class checks the picture, brings boxes inside
    it, drops those without area and sorts.
    """

    name: str = ""
    title: str = ""
    about: str = ""
    tier: str = "bundled"
    """``bundled``, ``packaged`` (in a pip package), ``pretrained`` (downloads), ``imported``."""
    named: bool = False
    """Whether its boxes bear labels."""
    side: int | None = None
    """Pixels on the short side that suffice; a JPEG may be decoded smaller, down to twice that."""
    forks: bool = True
    """False where it may hang in a process that was forked from one that used it."""
    version: int = 1

    def state(self) -> State:
        return READY

    def fingerprint(self) -> dict:
        """Every cause of the boxes but the picture."""
        return {"detector": self.name, "version": self.version}

    def load(self, progress: Progress | None = None) -> None:
        """Read weights into memory, downloaded first where needed. Cheap to repeat."""

    def detect(self, image: np.ndarray) -> tuple[Box, ...]:
        """Boxes of an RGB uint8 (h, w, 3) picture, best first, ties from left to right; at most
        MAX_BOXES, perhaps none.

        Raises:
            NothingToFind: the picture is too small or of one colour.
            UserError: the detector can't be used here.
            ValueError: a box that is not made of finite numbers: the detector is at fault.
        """
        refuse_empty(image)
        return checked(self._detect(image), self.name)

    @abstractmethod
    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        """Boxes in any order, edges perhaps a little outside."""


def refuse_empty(image: np.ndarray) -> None:
    """Raise :class:`NothingToFind` for a picture that is too small or of one colour."""
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise NothingToFind(
            f"The picture has {width} x {height} pixels: too few to find a part of it.",
            f"A detector needs {MIN_SIDE} x {MIN_SIDE}.",
        )
    # A few pixels mostly tell; going through all took 13 ms of half a million.
    if _is_even(image[::SKIPPED, ::SKIPPED]) and _is_even(image):
        raise NothingToFind("The picture is of one colour: there is nothing to find in it.")


def _is_even(image: np.ndarray) -> bool:
    lows, highs = image.min(axis=(0, 1)).astype(int), image.max(axis=(0, 1)).astype(int)
    return bool((highs - lows <= EVEN).all())


def checked(boxes: Iterable[Box], name: str = "detector") -> tuple[Box, ...]:
    """Boxes with an area, inside the picture, best first. Raises ValueError on NaN or infinity."""
    kept = []
    for box in boxes:
        if not all(map(math.isfinite, (*box.edges, box.score))):
            raise ValueError(f"{name} gave a box that is not finite: {box}")
        inside = inside_picture(box)
        if inside.area > 0:
            kept.append(inside)
    return tuple(sorted(kept, key=lambda box: (-box.score, box.edges))[:MAX_BOXES])


def inside_picture(box: Box) -> Box:
    """The box with its edges in order and inside the picture, the score from 0 to 1."""
    (x0, x1), (y0, y1) = (
        sorted(min(max(float(edge), 0.0), 1.0) for edge in pair)
        for pair in ((box.x0, box.x1), (box.y0, box.y1))
    )
    return Box(x0, y0, x1, y1, min(max(float(box.score), 0.0), 1.0), box.label)


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    shared = max(wide, 0.0) * max(high, 0.0)
    union = a.area + b.area - shared
    return shared / union if union > 0 else 0.0


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
