"""What the tests of the indexes share: vectors with copies in them, and the definition of the right
answer."""

from __future__ import annotations

import numpy as np

from core.indexes.base import indexes

NAMES = [name for name in indexes.names() if indexes.get(name).state().kind == "ready"]
COSINE = [name for name in NAMES if indexes.get(name).score == "cosine"]
"""Those that rank by cosine, the others having an order of their own."""
EXACT = [name for name in NAMES if indexes.get(name).exact]
N, DIM = 2000, 32


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(n: int = N, dim: int = DIM, seed: int = 0) -> np.ndarray:
    """Unit vectors around 40 centres, every tenth a copy of its forerunner."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, dim))[rng.integers(0, 40, n)] + 0.5 * rng.standard_normal(
        (n, dim)
    )
    vectors[9::10] = vectors[8::10][: len(vectors[9::10])]
    return unit(vectors)


def brute(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: float64 cosine rounded to float32, largest first, ties by id, padded."""
    scores = np.array(
        [[np.dot(q, v) for v in vectors.astype(np.float64)] for q in queries.astype(np.float64)]
    )
    scores = scores.astype(np.float32)
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), scores.shape), -scores), axis=1)[
        :, :k
    ]
    pad = ((0, 0), (0, max(0, k - len(vectors))))
    best = np.take_along_axis(scores, order, axis=1)
    return np.pad(order, pad, constant_values=-1), np.pad(best, pad, constant_values=-np.inf)
