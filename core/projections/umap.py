"""UMAP by umap-learn, with a fixed seed, exact neighbours, progress for every epoch and a stop.

umap-learn runs all rounds in one call, without a way to watch or stop it, and without a way to hold
the points near another map. So its compiled step (one round over all edges, pinned by the version
in requirements.txt) is called here, round by round.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from core.projections.base import SEED, SETTLED, Projection, Setting, in_space, place, register
from core.types import Progress, Step, doing, report

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
    progress = doing(progress, Step.ROUNDS)
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


@cache
def _compiled() -> Callable[..., None]:
    """One round of umap-learn over all edges. What it compiles for its graph and its rounds is
    kept on disk, which it does not ask for itself: else each process compiles for 4 seconds."""
    from umap import umap_
    from umap.layouts import _get_optimize_layout_euclidean_single_epoch_fn

    move = _get_optimize_layout_euclidean_single_epoch_fn(False)
    for made in (umap_.smooth_knn_dist, umap_.compute_membership_strengths, move):
        with suppress(RuntimeError):  # numba's, where it finds no folder to write to
            made.enable_caching()
    return move


def _unit_box(places: np.ndarray) -> np.ndarray:
    """Scaled to 0..10 on its longer side, as UMAP begins; both axes by one scale."""
    low = places.min(axis=0)
    return np.ascontiguousarray(
        10.0 * (places - low) / max(float((places.max(axis=0) - low).max()), 1e-12),
        dtype=np.float32,
    )


def _step(graph, places: np.ndarray, model, rounds: int):
    """``step(alpha, number)`` moves ``places`` by one round."""
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
    move = _compiled()
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


SPECTRAL_FROM = 20
"""Fewer points than this start from their principal components: the spectral solver needs room."""
READING = (
    "Near on this map usually means near for the encoder; the gaps between groups, and the sizes of"
    " groups, mean little."
)
SETTINGS = MappingProxyType(
    {
        "neighbours": Setting(
            15, 2, 200, (5, 15, 50), "n_neighbors: few keep local detail, many the global shape"
        ),
        "min_dist": Setting(
            0.1,
            0.0,
            0.99,
            (0.0, 0.1, 0.5),
            "min_dist, how close dots may come: small packs groups tightly",
        ),
        "epochs": Setting(
            0,
            0,
            2000,
            (0, 200, 500),
            "rounds of arranging; 0 = 500 up to 10,000 pictures, else 200",
        ),
    }
)


@register
class Umap(Projection):
    """McInnes, Healy and Melville, 2018. New vectors: among their neighbours (:func:`optimise`)."""

    name = "umap"
    version = 2
    title = "UMAP"
    about = (
        "Keeps each picture near its nearest neighbours. Good for groups; distances between groups"
        " mean little."
    )
    reading = READING
    settings = SETTINGS

    def _fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None,
        anchor: np.ndarray | None,
        **params: Any,
    ) -> np.ndarray:
        graph, model = fuzzy_graph(vectors, progress, **params)
        return optimise(graph, start(vectors, graph), model, int(params["epochs"]), progress)

    def _transform(self, vectors: np.ndarray) -> np.ndarray:
        return place(vectors, self._vectors, self.positions, int(self.params["neighbours"]))

    def _settle(self, vectors: np.ndarray) -> np.ndarray:
        k = int(self.params["neighbours"])
        return place(vectors, self._vectors, self.positions, k, SETTLED)


def fuzzy_graph(
    vectors: np.ndarray, progress: Progress | None, neighbours: int, min_dist: float, **rest: float
):
    """UMAP's weighted neighbour graph, and the model that holds its curve (``_a``, ``_b``)."""
    import warnings

    k = min(int(neighbours), len(vectors) - 1)
    rows, distances = in_space(vectors, vectors, k, doing(progress, Step.NEAR), own=True)
    doing(progress, Step.GRAPH)
    import umap

    _compiled()
    with warnings.catch_warnings():
        # remarks on threads, on a graph in pieces and on a search index that none needs
        warnings.simplefilter("ignore")
        model = umap.UMAP(
            n_neighbors=k,
            min_dist=float(min_dist),
            random_state=SEED,
            n_jobs=1,
            transform_mode="graph",
            precomputed_knn=(rows.astype(np.int32), distances),
            force_approximation_algorithm=True,
        )
        model.fit(vectors)
    return model.graph_, model


def start(vectors: np.ndarray, graph) -> np.ndarray:
    """Where UMAP begins: the spectral layout of the graph; of few points principal components."""
    import warnings

    from sklearn.decomposition import PCA
    from umap.spectral import spectral_layout

    random = np.random.RandomState(SEED)
    if len(vectors) >= SPECTRAL_FROM:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = spectral_layout(vectors, graph, 2, random, metric="euclidean")
    else:
        found = PCA(2, random_state=SEED).fit_transform(np.asarray(vectors))
    spread = np.abs(found).max() or 1.0
    return (found * (10.0 / spread) + random.normal(scale=1e-4, size=found.shape)).astype(
        np.float32
    )
