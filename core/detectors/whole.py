"""The whole picture as its one box: what a search without a detector does."""

from collections.abc import Iterable

import numpy as np

from core.detectors.base import WHOLE, Box, Detector, detectors


class Whole(Detector):
    name = "whole"
    title = "Whole picture"
    about = "Looks for nothing: everything in the picture is searched with."

    def detect(self, image: np.ndarray) -> tuple[Box, ...]:
        """The whole of any picture, small and plain ones too."""
        return (WHOLE,)

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        return (WHOLE,)


detectors.add(Whole.name, Whole)
