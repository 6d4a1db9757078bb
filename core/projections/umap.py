"""UMAP by umap-learn, with a fixed seed, exact neighbours, progress for every epoch and a stop."""

from types import MappingProxyType
from typing import Any

import numpy as np

from core.projections.base import SEED, Projection, Setting, in_space, register
from core.projections.layout import SETTLED, optimise, place
from core.types import Progress

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
    """McInnes, Healy and Melville, 2018. New vectors are placed among their neighbours
    (:mod:`core.projections.layout`)."""

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
    """The weighted neighbour graph that UMAP draws, and the model that holds its curve (``_a``,
    ``_b``)."""
    import warnings

    k = min(int(neighbours), len(vectors) - 1)
    rows, distances = in_space(vectors, vectors, k, progress, own=True)
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # remarks on threads, on a graph in pieces and on a search index that none needs
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
    """Where UMAP begins: the spectral layout of the graph; principal components where there are few
    points."""
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
