"""Several ranked lists of one query as one list.

Reciprocal rank fusion (Cormack et al., SIGIR 2009) looks at ranks alone; CombSUM and CombMNZ (Fox
and Shaw, TREC-2, 1994) at scores, which have to be on one scale first. What a list does not hold
gets nothing from it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from core.errors import UserError

K = 60
"""The constant of reciprocal rank fusion: larger makes first places count less."""
DEPTH = 100
"""Hits of each list that are fused."""


def rrf(ranks: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of weight / (60 + rank): float64 (n,).

    Args:
        ranks: int (e, n), rank from 1 of each of n pictures in each of e lists, 0 where it is not
            in the list.
        scores: float (e, n), larger is more similar; not looked at here.
        weights: float (e,).
    """
    parts = np.where(ranks > 0, 1.0 / (K + ranks), 0.0)
    return weights @ parts


def comb_sum(ranks: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum of weight x score over a picture's lists, scores below 0 as 0; see :func:`rrf`."""
    return weights @ np.where(ranks > 0, np.maximum(scores, 0.0), 0.0)


def comb_mnz(ranks: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The same, times the number of lists of any weight that hold the picture."""
    held = ((ranks > 0) & (weights[:, None] > 0)).sum(axis=0)
    return comb_sum(ranks, scores, weights) * held


Method = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
METHODS: dict[str, tuple[str, Method]] = {
    "rrf": ("Reciprocal rank fusion", rrf),
    "combsum": ("CombSUM", comb_sum),
    "combmnz": ("CombMNZ", comb_mnz),
}


def method(name: str) -> Method:
    """The function of that name. Raises UserError for a name that is not known."""
    if name not in METHODS:
        raise UserError(f"There is no fusion {name[:40]!r}.", f"Known: {', '.join(METHODS)}.")
    return METHODS[name][1]


def shares(weights: Sequence[float], count: int) -> np.ndarray:
    """Weights of ``count`` lists scaled to the sum 1, float64 (count,); none given = equal ones.

    Raises:
        UserError: not one for each list, one below zero or not finite, or all of them zero.
    """
    given = np.asarray(weights if len(weights) else np.ones(count), np.float64)
    if given.shape != (count,):
        raise UserError(
            f"{len(given)} weights were given for {count} encoders.", "One weight for each encoder."
        )
    if not np.isfinite(given).all() or (given < 0).any():
        raise UserError("A weight is below zero, or no number.", "Weights are 0 or more.")
    if not given.sum() > 0:
        raise UserError(
            "The weights sum to zero: nothing would be ranked.", "At least one is above 0."
        )
    return given / given.sum()
