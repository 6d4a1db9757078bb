"""k-reciprocal re-ranking: pictures that count each other among their nearest belong together."""

import numpy as np

from core.rerankers.base import Found, Reranker, rerankers

K1, K2 = 20, 6
"""Neighbours that have to be mutual, and neighbours whose sets are averaged."""
LAMBDA = 0.3
"""Share of the plain distance in the final one."""


class KReciprocal(Reranker):
    """Zhong et al., Re-ranking person re-identification with k-reciprocal encoding, CVPR 2017,
    among the query and its first hits: the score is 1 - the final distance, which is
    (1 - lambda) Jaccard + lambda d, with d the squared distance divided by the largest."""

    name = "k-reciprocal"
    title = "k-reciprocal"
    about = (
        "Compares the neighbourhoods of query and hit: hits that share the query's nearest"
        " pictures rise."
    )
    score = "k-reciprocal similarity"
    depth = 200

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "k1": K1, "k2": K2, "lambda": LAMBDA}

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        vectors = np.concatenate([found.query[None], found.vectors(found.rows)])
        return 1.0 - distances(vectors), ""


def distances(vectors: np.ndarray, k1: int = K1, k2: int = K2, share: float = LAMBDA) -> np.ndarray:
    """The final distance of the first of float32 (n, dim) unit rows to each of the others,
    float64 (n - 1,), 0 to 1."""
    wide = vectors.astype(np.float64)
    plain = np.maximum(2.0 - 2.0 * wide @ wide.T, 0.0)
    plain /= np.maximum(plain.max(axis=1, keepdims=True), 1e-12)
    np.fill_diagonal(plain, 0.0)
    order = _order(plain)
    sets = _expanded(order, k1)
    weights = np.where(sets, np.exp(-plain), 0.0)
    weights /= weights.sum(axis=1, keepdims=True)
    if k2 > 1:
        weights = weights[order[:, :k2]].mean(axis=1)
    shared = np.minimum(weights[0], weights[1:]).sum(axis=1)
    jaccard = 1.0 - shared / (2.0 - shared)
    return (1 - share) * jaccard + share * plain[0, 1:]


def _order(plain: np.ndarray) -> np.ndarray:
    """Each row's nearest, itself first even where another is as near: int64 (n, n)."""
    own = plain.copy()
    np.fill_diagonal(own, -1.0)
    return np.argsort(own, axis=1, kind="stable")


def _mutual(order: np.ndarray, k: int) -> np.ndarray:
    """bool (n, n): which are among each other's first ``k`` after themselves."""
    near = np.zeros(order.shape, bool)
    np.put_along_axis(near, order[:, : k + 1], True, axis=1)
    return near & near.T


def _expanded(order: np.ndarray, k1: int) -> np.ndarray:
    """k-reciprocal sets, joined by members' half-sized ones that share two thirds: bool (n, n)."""
    whole, half = _mutual(order, k1), _mutual(order, round(k1 / 2))
    shared = half.astype(np.float32) @ whole.T.astype(np.float32)  # of member c with the set of i
    joins = whole.T & (3 * shared > 2 * half.sum(axis=1, keepdims=True))
    return whole | (joins.T.astype(np.float32) @ half.astype(np.float32) > 0)


rerankers.add(KReciprocal.name, KReciprocal)
