"""Diffusion: what is near the query's neighbours, and near theirs, counts as near the query too.

Donoser and Bischof, Diffusion processes for retrieval revisited (2013); for a query that is not in
the gallery, and cut to the rows nearest to it, Iscen et al., Efficient diffusion on region
manifolds (2017): with S the normalised affinities of a graph of mutual neighbours and y the query's
own neighbours, the scores are f = (I - alpha S)^-1 y, found by conjugate gradients.
"""

from typing import Any

import numpy as np

from core.types import Hits

TOLERANCE = 1e-4
ROUNDS = 50
MIN_SHARE = 1e-6
"""A row with less than this share of the best score was not reached."""


def spread(graph: Any, cosine: np.ndarray, start: int, gamma: float, alpha: float) -> np.ndarray:
    """Scores float32 (c) of rows sorted by their ``cosine`` with the query: above 0 what arrived,
    else the cosine less 1.

    Args:
        graph: sparse (c, c) of :func:`normalised`, in the order of the rows.
        start: how many of the first rows the weight starts from.
        alpha: the share that goes on at each step, 0 to below 1.
    """
    from scipy.sparse import identity
    from scipy.sparse.linalg import cg

    weights: Any = graph
    source = np.where(np.arange(len(cosine)) < start, np.maximum(cosine, 0.0) ** gamma, 0.0)
    flow, _ = cg(
        identity(len(cosine), format="csr") - alpha * weights,
        source,
        rtol=TOLERANCE,
        maxiter=ROUNDS,
    )
    reached = flow > MIN_SHARE * max(float(flow.max()), MIN_SHARE)
    return np.where(reached, flow, np.minimum(cosine - 1.0, 0.0)).astype(np.float32)


def normalised(near: Hits, gamma: float) -> object:
    """D^-1/2 W D^-1/2 with W = cosine^gamma between mutual neighbours; float32 CSR (n, n)."""
    from scipy.sparse import csr_matrix

    count, degree = near.ids.shape
    start, end = np.repeat(np.arange(count), degree), near.ids.reshape(-1)
    weight = np.maximum(near.scores, 0.0).reshape(-1) ** gamma
    real = (end >= 0) & (weight > 0)
    one_way = csr_matrix(
        (weight[real].astype(np.float32), (start[real], end[real])), shape=(count, count)
    )
    mutual = one_way.minimum(one_way.T).tocsr()
    spread = np.asarray(mutual.sum(axis=1)).reshape(-1)
    scale = np.divide(1.0, np.sqrt(spread), out=np.zeros(count), where=spread > 0).astype(
        np.float32
    )
    made = mutual.multiply(scale[:, None]).multiply(scale[None, :]).tocsr().astype(np.float32)
    made.sort_indices()
    return made
