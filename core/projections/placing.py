"""Where something new belongs on a finished map: between its nearest neighbours, as UMAP's own
transform begins.

UMAP's transform gives every neighbour a membership (1 for the nearest, falling with distance so
that all of them sum to log2 k) and starts the new point at their weighted mean. Here that mean is
the answer: the map is not moved, nothing has to be unpickled, and the same query always falls on
the same place.
"""

import numpy as np

from core.projections.neighbours import in_space

SETTLED = 0.1
"""Where many points join a map, means would gather them between the groups: each stays near its
nearest neighbour. Measured in docs/maps.md."""
STEPS = 48
TINY = 1e-9


def place(
    vectors: np.ndarray, fitted: np.ndarray, positions: np.ndarray, k: int, away: float = 1.0
) -> np.ndarray:
    """Places float32 (q, 2) of new unit ``vectors`` (q, dim) on the map ``positions`` (n, 2) of
    ``fitted`` (n, dim): ``away`` of the way from the nearest neighbour to their mean."""
    k = min(k, len(fitted))
    rows, distances = in_space(vectors, fitted, k)
    weights = memberships(distances)
    means = (positions[rows] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    if away < 1:
        means = positions[rows[:, 0]] + away * (means - positions[rows[:, 0]])
    return means.astype(np.float32)


def memberships(distances: np.ndarray) -> np.ndarray:
    """Membership of each neighbour, float64 (q, k) in (0, 1], from distances (q, k), nearest first.

    exp(-(d - d_nearest) / sigma), sigma by bisection so that a row sums to log2(k): McInnes, Healy
    and Melville, 2018, algorithm 3 (smooth kNN distances).
    """
    over = np.asarray(distances, np.float64)
    over = over - over[:, :1]
    target = np.log2(max(over.shape[1], 2))
    low, high = np.full(len(over), TINY), np.full(len(over), 64.0)
    for _ in range(STEPS):
        sigma = np.sqrt(low * high)
        too_much = np.exp(-over / sigma[:, None]).sum(axis=1) > target
        high, low = np.where(too_much, sigma, high), np.where(too_much, low, sigma)
    floor = 1e-3 * np.maximum(
        np.asarray(distances).mean(axis=1), TINY
    )  # as UMAP: equal vectors share, none takes all
    return np.exp(-over / np.maximum(sigma, floor)[:, None])
