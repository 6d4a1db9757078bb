"""The rounds in which UMAP arranges its points: umap-learn's own step, called round by round.

umap-learn runs all rounds in one call, without a way to watch or stop it, and without a way to hold
the points near another map. So its compiled step (one round over all edges, pinned by the version
in requirements.txt) is called here.

And where something new belongs on a finished map (:func:`place`): between its nearest neighbours,
as UMAP's own transform begins. That gives every neighbour a membership (1 for the nearest, falling
with distance so that all of them sum to log2 k) and starts the new point at their weighted mean.
Here that mean is the answer: the map is not moved, nothing has to be unpickled, and the same query
always falls on the same place.
"""

import numpy as np

from core.projections.base import SEED, in_space
from core.types import Progress, report

FEW, ROUNDS_FEW, ROUNDS_MANY = 10_000, 500, 200
REPULSION = 5


def optimise(
    graph,
    start: np.ndarray,
    model,
    rounds: int = 0,
    progress: Progress | None = None,
    anchor: np.ndarray | None = None,
    pull: float = 0.0,
) -> np.ndarray:
    """Arrange the points of a fuzzy ``graph`` (sparse (n, n)), beginning at float32 (n, 2)
    ``start``.

    Args:
        anchor: places (n, 2) on another map; each point is drawn there after each round, by
            ``pull`` times the step.
    """
    rounds = rounds or (ROUNDS_FEW if len(start) <= FEW else ROUNDS_MANY)
    graph = graph.tocoo()
    graph.sum_duplicates()
    graph.data[graph.data < graph.data.max() / float(max(rounds, 10))] = 0.0
    graph.eliminate_zeros()
    places = _unit_box(start)
    goal = None if anchor is None else _unit_box(anchor)
    step = _step(graph, places, model, rounds)
    for number in range(rounds):
        report(progress, number, rounds)
        alpha = 1.0 - max(number - 1, 0) / rounds  # as umap-learn counts
        step(alpha, number)
        if goal is not None:
            places += np.float32(pull * alpha) * (goal - places)
    report(progress, rounds, rounds)
    return places


def _unit_box(places: np.ndarray) -> np.ndarray:
    """Scaled to 0..10 on its longer side, as UMAP begins; one scale for both axes, so that shapes
    stay."""
    low = places.min(axis=0)
    return np.ascontiguousarray(
        10.0 * (places - low) / max(float((places.max(axis=0) - low).max()), 1e-12),
        dtype=np.float32,
    )


def _step(graph, places: np.ndarray, model, rounds: int):
    """``step(alpha, number)`` moves ``places`` by one round."""
    from umap.layouts import _get_optimize_layout_euclidean_single_epoch_fn
    from umap.umap_ import make_epochs_per_sample

    every = make_epochs_per_sample(graph.data, rounds)
    apart = every / REPULSION
    next_apart, next_near = apart.copy(), every.copy()
    seed = (
        np.random.RandomState(SEED)
        .randint(np.iinfo(np.int32).min + 1, np.iinfo(np.int32).max - 1, 3)
        .astype(np.int64)
    )
    seeds = np.tile(seed, (len(places), 1)) + places[:, :1].astype(np.float64).view(np.int64)
    move = _get_optimize_layout_euclidean_single_epoch_fn(False)
    none = np.zeros(1, np.float32)

    def step(alpha: float, number: int) -> None:
        move(
            places,
            places,
            graph.row,
            graph.col,
            len(places),
            every,
            model._a,
            model._b,
            seeds,
            1.0,
            2,
            True,
            alpha,
            apart,
            next_apart,
            next_near,
            number,
            False,
            none,
            none,
            0,
            0,
            0,
            0,
            none,
            none,
            0,
        )

    return step


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
