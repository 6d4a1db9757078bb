"""Aligned UMAP: maps of the same pictures by several encoders, arranged so that places can be
compared.

umap-learn's AlignedUMAP was tried first. It ties a picture to itself in the next space by how far
its neighbourhoods in both agree; encoders that look at different things agree so little that
nothing was tied (Procrustes disparity 0.998 of 1 between HOG and HSV), and it arranges every map
twice. Here each map is UMAP with one more force: after each round a picture is drawn towards its
place on the anchor's map. So a map depends on its own encoder and on the anchor alone, and any of
them can be set side by side.
"""

from types import MappingProxyType
from typing import Any

import numpy as np

from core.projections.base import Setting, register
from core.projections.umap import SETTINGS, Umap, fuzzy_graph, optimise, start
from core.types import Progress


@register
class AlignedUmap(Umap):
    """UMAP that starts from an anchor's places, if there is one, and is drawn back to them."""

    name = "aligned"
    version = 2
    title = "Aligned UMAP"
    about = (
        "UMAP, with each picture also drawn towards its place on the first encoder's map, so that"
        " maps can be compared."
    )
    reading = (
        "Near usually means near for the encoder. The maps are drawn towards one common"
        " arrangement, so a picture that stands elsewhere on another map has other neighbours"
        " there; the gaps between groups mean little."
    )
    aligns = True
    settings = MappingProxyType(
        {
            **SETTINGS,
            "pull": Setting(
                0.1,
                0.0,
                0.5,
                (0.0, 0.05, 0.1, 0.3),
                "how strongly the maps are aligned: 0 aligns nothing",
            ),
        }
    )

    def _fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None,
        anchor: np.ndarray | None,
        **params: Any,
    ) -> np.ndarray:
        graph, model = fuzzy_graph(vectors, progress, **params)
        begin = start(vectors, graph) if anchor is None else anchor
        found = optimise(
            graph, begin, model, int(params["epochs"]), progress, anchor, params["pull"]
        )
        return found if anchor is None else turned_onto(found, anchor)


def turned_onto(places: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """``places`` (n, 2) turned, mirrored and shifted, never stretched, to lie on ``anchor`` as well
    as they can.

    Orthogonal Procrustes (Schönemann, 1966).
    """
    from scipy.linalg import orthogonal_procrustes

    middle = places.mean(axis=0)
    turn, _ = orthogonal_procrustes(places - middle, anchor - anchor.mean(axis=0))
    return (places - middle) @ turn + anchor.mean(axis=0)
