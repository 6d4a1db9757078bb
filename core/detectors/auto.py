"""Looks twice: ``objects`` where it is sure, ``saliency`` for what stands out otherwise."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from core.detectors.base import Box, Detector, detectors, main_box
from core.detectors.objects import Objects
from core.detectors.saliency import Saliency
from core.types import Progress, State

SURE = 0.7
"""A main box of ``objects`` with at least this score is taken. Chosen on training products and
photographs (tools/measure_subject.py --split train)."""


class Auto(Detector):
    """The boxes of ``objects``, or those of ``saliency`` where the main one of ``objects`` is
    unsure; where one of the two can't be used, those of the other."""

    name = "auto"
    title = "Automatic"
    about = (
        "Things in clutter where it is sure of one (Objects), otherwise what stands out (Saliency)."
    )
    tier = "packaged"
    side = max(Objects.side, Saliency.side)
    forks = False

    def __init__(self) -> None:
        self._objects, self._saliency = Objects(), Saliency()

    @property
    def _usable(self) -> list[Detector]:
        both = self._objects, self._saliency
        return [one for one in both if one.state().kind == "ready"]

    def state(self) -> State:
        return State("ready") if self._usable else self._objects.state()

    def fingerprint(self) -> dict:
        parts = [one.fingerprint() for one in self._usable]
        return {**super().fingerprint(), "parts": parts, "sure": SURE}

    def load(self, progress: Progress | None = None) -> None:
        """Make both ready that can be used. Raises UserError where none can."""
        for one in self._usable or [self._objects]:
            one.load(progress)

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        self.load()
        usable = self._usable
        if self._objects not in usable:
            return self._saliency.detect(image)
        found = self._objects.detect(image)
        if self._saliency not in usable:
            return found
        return settled(found, lambda: self._saliency.detect(image))


def settled(objects: Sequence[Box], saliency: Callable[[], Sequence[Box]]) -> Sequence[Box]:
    """The boxes of ``objects`` where the main one is sure, else those of ``saliency``, which is
    asked then alone; where it has none, those of ``objects`` after all."""
    main = main_box(objects)
    if main is not None and main.score >= SURE:
        return objects
    return saliency() or objects


detectors.add(Auto.name, Auto)
