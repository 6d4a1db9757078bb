"""t-SNE by scikit-learn: keeps most of the nearest neighbours, and takes longest."""

from types import MappingProxyType

import numpy as np

from core.projections.base import SEED, SETTLED, Projection, Setting, place, register
from core.types import Progress, Step, doing, report


@register
class Tsne(Projection):
    """Van der Maaten and Hinton, 2008; Barnes-Hut, 2014. New vectors are placed among their
    neighbours, as on a UMAP.

    scikit-learn's rounds can't be watched: progress says when they begin and end, and a stop ends
    the process that makes the map.
    """

    name = "tsne"
    title = "t-SNE"
    about = (
        "Keeps most of the nearest neighbours, and takes ten times as long as UMAP. Shapes and gaps"
        " mean nothing."
    )
    reading = (
        "Near on this map usually means near for the encoder; the gaps between groups, their sizes"
        " and their places on the map mean nothing."
    )
    fit_up_to = 10_000
    settings = MappingProxyType(
        {
            "perplexity": Setting(
                30.0,
                2.0,
                200.0,
                (10.0, 30.0, 60.0),
                "about how many nearest pictures count for each picture",
            )
        }
    )

    def _fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None,
        anchor: np.ndarray | None,
        **params: float,
    ) -> np.ndarray:
        from sklearn.manifold import TSNE

        progress = doing(progress, Step.FIT)
        report(progress, 0, len(vectors))
        perplexity = min(params["perplexity"], (len(vectors) - 1) / 3)
        places = TSNE(
            2, perplexity=perplexity, init="pca", random_state=SEED, n_jobs=1
        ).fit_transform(np.asarray(vectors))
        report(progress, len(vectors), len(vectors))
        return places

    def _transform(self, vectors: np.ndarray) -> np.ndarray:
        return place(vectors, self._vectors, self.positions, self._near())

    def _settle(self, vectors: np.ndarray) -> np.ndarray:
        return place(vectors, self._vectors, self.positions, self._near(), SETTLED)

    def _near(self) -> int:
        """Neighbours that a place is made of."""
        return max(int(self.params["perplexity"] // 2), 3)
