"""The rounds in which UMAP arranges its points: umap-learn's own step, called round by round.

umap-learn runs all rounds in one call, without a way to watch or stop it, and without a way to hold
the points near another map. So its compiled step (one round over all edges, pinned by the version
in requirements.txt) is called here.
"""

import numpy as np

from core.projections.base import SEED
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
