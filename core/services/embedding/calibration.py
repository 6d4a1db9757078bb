"""What a score is worth: where it lies among the scores of one encoder in one gallery.

Cosines of two encoders can't be compared: 0.9 is next to nothing for a colour histogram and a near
copy for a network. Two distributions of the gallery itself say what a score means for one encoder,
whatever the others do: the scores of random pairs of pictures, and the score of each picture with
its nearest true neighbour (the same object, else the same label, else the same category; where
nothing is known of the pictures, simply the nearest other picture).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.items import coded
from core.types import Item

LEVELS = (*range(100), 99.5, 99.9, 100)
"""Percentiles that are kept of each distribution."""
MIN_PICTURES = 10
"""Fewer pictures with a true neighbour say nothing of what is usual."""
PAIRS = 20_000
"""Random pairs that are compared."""
BLOCK = 1024
FIELDS = ("instance", "label", "category")
BOTTOM, MIDDLE, TOP = LEVELS.index(50), LEVELS.index(50), LEVELS.index(95)
"""A bar begins at the median of random pairs and is full at the 95th percentile of true
neighbours."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Percentiles (at ``LEVELS``, rising cosines) of random pairs and of true neighbours; ``by``:
    the field that makes a neighbour a true one, empty where the nearest picture was taken."""

    random: tuple[float, ...]
    near: tuple[float, ...]
    by: str = ""

    @property
    def usual(self) -> float:
        """Where the median of true neighbours lies on a bar, 0 to 1."""
        return self.share(self.near[MIDDLE])

    def share(self, cosine: float) -> float:
        """How much of a bar a cosine fills, 0 to 1: from the median of random pairs to the closest
        true neighbours."""
        return float(np.clip(self.scaled(np.array([cosine])), 0.0, 1.0)[0])

    def scaled(self, cosines: np.ndarray) -> np.ndarray:
        """The same for many, float64 (n,), below 0 and above 1 too."""
        low, high = self.random[BOTTOM], self.near[TOP]
        if high - low < 1e-6:  # this encoder does not tell true neighbours from others
            return (cosines >= high).astype(np.float64)
        return (np.asarray(cosines, np.float64) - low) / (high - low)

    def above_random(self, cosine: float) -> float:
        """The percentage of random pairs that are less similar."""
        return _percent(self.random, cosine)

    def above_near(self, cosine: float) -> float:
        """The percentage of pictures whose nearest true neighbour is less similar."""
        return _percent(self.near, cosine)


def _percent(values: Sequence[float], cosine: float) -> float:
    return float(np.interp(cosine, values, LEVELS))


def percentiles(scores: np.ndarray) -> tuple[float, ...]:
    """``scores`` (n,) at ``LEVELS``."""
    return tuple(round(float(value), 5) for value in np.percentile(scores, LEVELS))


def random_scores(vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of ``PAIRS`` random pairs of different pictures, float32 (PAIRS,); the same pairs
    every time.

    Args:
        vectors: float32 (n, dim) unit rows, memory-mapped or not.
        rows: int64 (g,), the rows of the gallery, two at least.
    """
    rng = np.random.default_rng(1)
    one = rng.integers(0, len(rows), PAIRS)
    other = (one + rng.integers(1, len(rows), PAIRS)) % len(rows)
    starts = range(0, PAIRS, BLOCK)
    return np.concatenate(
        [
            _cosines(vectors, rows[one[at : at + BLOCK]], rows[other[at : at + BLOCK]])
            for at in starts
        ]
    )


def _cosines(vectors: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.einsum(
        "nd,nd->n", np.asarray(vectors[left], np.float32), np.asarray(vectors[right], np.float32)
    )


def true_field(items: Sequence[Item]) -> str:
    """The finest field that enough of these pictures share with another one; empty where there is
    none."""
    return next((name for name in FIELDS if _with_partner(items, name) >= MIN_PICTURES), "")


def _with_partner(items: Sequence[Item], name: str) -> int:
    return sum(count for count in coded(items, name).counts().values() if count > 1)
