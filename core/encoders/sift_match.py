"""Local features, compared point by point: the search that SIFT was made for."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from core import options as opt
from core.encoders.base import Encoder, encoders, register
from core.encoders.vlad import SiftVlad
from core.keypoints import BRUTE, MATCHERS
from core.types import Progress

OPTION = "matcher"


@register
class SiftMatch(Encoder):
    """SIFT key points of the query matched with those of each picture (:mod:`core.keypoints`); the
    score is the number of inliers. ``sift.match:matcher=flann`` finds the nearest descriptors by
    FLANN.

    Its vectors are those of ``sift.vlad32``. No score is made of them: in a large gallery they
    choose which pictures are compared at all.
    """

    name = "sift.match"
    title = "SIFT matching"
    family = "keypoints"
    about = (
        "Counts the corners that two pictures share under one change of view: finds the same"
        " printed thing, and says where."
    )
    dim = SiftVlad.dim
    side = SiftVlad.side
    base = SiftVlad.name
    matches = True
    fitted = False

    def __init__(self, matcher: str = BRUTE) -> None:
        self._vlad, self.matcher = SiftVlad(), matcher
        if matcher != BRUTE:
            self.name = opt.join(self.name, {OPTION: matcher})
            self.title = f"{self.title}, {MATCHERS[matcher]}"

    def fingerprint(self) -> dict:
        """Every cause of the vectors: how key points are matched is none of them."""
        plain = {**super().fingerprint(), "encoder": SiftMatch.name}
        return {**plain, "base": self._vlad.fingerprint()}

    def matchers(self) -> dict[str, str]:
        return {how: SiftMatch(how).name for how in MATCHERS}

    def load(self, progress: Progress | None = None) -> None:
        self._vlad.load(progress)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return self._vlad.prepare(image)

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        return self._vlad.encode_prepared(batch)

    def with_base(self, encoder: Any) -> SiftMatch:
        """The same on this object for its base: one that is fitted."""
        made = copy.copy(self)
        made._vlad, made.fitted = encoder, encoder.fitted
        return made

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors of the base, as they are."""
        return np.asarray(vectors, dtype=np.float32)


def _find(name: str) -> SiftMatch | None:
    """``sift.match:matcher=flann``; with ``pca`` it is not its own."""
    base, options = opt.split(name)
    if base != SiftMatch.name or opt.LAST in options:
        return None
    opt.refuse_unknown(base, options, (OPTION,))
    return SiftMatch(opt.choice(base, OPTION, options.get(OPTION, BRUTE), MATCHERS))


encoders.add_finder(list, _find)
