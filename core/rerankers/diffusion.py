"""Diffusion among the first hits: what is near the query's neighbours counts as near it too."""

import numpy as np

from core import diffusion
from core.neighbours import nearest, without_own
from core.rerankers.base import Found, Reranker, rerankers

DEGREE, GAMMA, ALPHA, START = 50, 3, 0.99, 10


class Diffusion(Reranker):
    """Donoser and Bischof, CVPR 2013; cut to the first hits as by Iscen et al., CVPR 2017. The
    graph joins mutual neighbours among these hits alone; the index ``diffusion`` joins those of the
    whole gallery."""

    name = "diffusion"
    title = "Diffusion"
    about = (
        "Lets the query's weight spread from hit to similar hit: finds chains of pictures that"
        " lead away from the query."
    )
    score = "diffusion"
    depth = 500

    def fingerprint(self) -> dict:
        knobs = {"degree": DEGREE, "gamma": GAMMA, "alpha": ALPHA, "start": START}
        return {**super().fingerprint(), **knobs}

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        vectors = np.ascontiguousarray(found.vectors(found.rows), dtype=np.float32)
        count = len(vectors)
        near = nearest(vectors, vectors.__getitem__, range(count), min(DEGREE + 1, count))
        graph = diffusion.normalised(without_own(near, np.arange(count), DEGREE), GAMMA)
        return diffusion.spread(graph, found.cosines, START, GAMMA, ALPHA), ""


rerankers.add(Diffusion.name, Diffusion)
