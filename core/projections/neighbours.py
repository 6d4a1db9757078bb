"""Nearest neighbours in the space, with distances, and on the plane."""

import numpy as np

from core.neighbours import nearest, without_own
from core.types import Hits, Progress


def in_space(
    queries: np.ndarray,
    vectors: np.ndarray,
    k: int,
    progress: Progress | None = None,
    *,
    own: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` rows of unit ``vectors`` (n, dim) most similar to each query.

    Args:
        own: the queries are the vectors themselves; each row then comes first in its own list, at
            distance 0.

    Returns:
        int64 (q, k) rows, nearest first, and float32 (q, k) euclidean distances (cosine has the
        same order on unit rows).
    """
    plain, asked = np.asarray(vectors), np.ascontiguousarray(queries, dtype=np.float32)
    hits = nearest(asked, plain.__getitem__, range(len(plain)), k, progress)
    return (hits.ids, distances(hits)) if not own else _own_first(hits)


def distances(hits: Hits) -> np.ndarray:
    """Euclidean distances float32 (q, k) of unit vectors, from their cosines."""
    return np.sqrt(np.maximum(2.0 - 2.0 * hits.scores, 0.0)).astype(np.float32)


def _own_first(hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """Each row, and then the others: copies of a picture may come before the picture itself."""
    rows = np.arange(len(hits.ids))
    others = without_own(hits, rows, hits.ids.shape[1] - 1)
    far = np.append(np.zeros((len(rows), 1), np.float32), distances(others), axis=1)
    return np.append(rows[:, None], others.ids, axis=1), far


def on_map(queries: np.ndarray, positions: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` places of (n, 2) nearest to each of (q, 2): int64 (q, k) rows, nearest first."""
    from scipy.spatial import cKDTree

    return cKDTree(positions).query(queries, k=range(1, k + 1), workers=-1)[1]
