"""Vectors that a student moves: how near by each measure, on the system's own functions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.encoders.base import unit_rows
from core.neighbours import dots


@dataclass(frozen=True, slots=True)
class Nearness:
    """The query against each of n vectors, float64 (n,): inner ``product``, Euclidean ``distance``
    and ``cosine``; and the order of the vectors by each, the nearest first."""

    product: np.ndarray
    distance: np.ndarray
    cosine: np.ndarray

    @property
    def orders(self) -> dict[str, list[int]]:
        return {
            "product": np.argsort(-self.product, kind="stable").tolist(),
            "distance": np.argsort(self.distance, kind="stable").tolist(),
            "cosine": np.argsort(-self.cosine, kind="stable").tolist(),
        }

    @property
    def agree(self) -> bool:
        """Whether all three put the vectors in one order."""
        first, *others = self.orders.values()
        return all(one == first for one in others)


def nearness(query: Sequence[float], others: Sequence[Sequence[float]]) -> Nearness:
    """Compare ``query`` (dim,) with ``others`` (n, dim); vectors of any length, not all zero."""
    one, many = np.asarray(query, float), np.asarray(others, float)
    units = unit_rows(np.vstack([one, many]).astype(np.float32))
    return Nearness(
        dots(many, one), np.sqrt(dots(many - one, many - one)), dots(units[1:], units[0])
    )


def normalised(vectors: Sequence[Sequence[float]]) -> np.ndarray:
    """The vectors at length 1, float32 (n, dim), as every encoder gives them."""
    return unit_rows(np.asarray(vectors, np.float32))
