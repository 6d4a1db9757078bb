"""Nearest neighbours in the space and on the plane, exact, in blocks that a stop button can interrupt."""

from __future__ import annotations

import numpy as np

from core.faiss_door import faiss
from core.types import Progress, report

STEP = 2048


def in_space(
    queries: np.ndarray, vectors: np.ndarray, k: int, progress: Progress | None = None, *, own: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` rows of unit ``vectors`` (n, dim) most similar to each query.

    Args:
        own: the queries are the vectors themselves; each row then comes first in its own list, at distance 0.

    Returns:
        int64 (q, k) rows, nearest first, and float32 (q, k) euclidean distances (cosine has the same order on unit rows).
    """
    index = faiss().IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), 65536):
        index.add(np.ascontiguousarray(vectors[start : start + 65536], dtype=np.float32))
    rows, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), STEP):
        report(progress, start, len(queries))
        block = np.ascontiguousarray(queries[start : start + STEP], dtype=np.float32)
        scores[start : start + STEP], rows[start : start + STEP] = index.search(block, k)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * scores, 0.0)).astype(np.float32)
    if own:
        _own_first(rows, distances)
    report(progress, len(queries), len(queries))
    return rows, distances


def on_map(queries: np.ndarray, positions: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` places of (n, 2) nearest to each of (q, 2): int64 (q, k) rows, nearest first."""
    from scipy.spatial import cKDTree

    return cKDTree(positions).query(queries, k=range(1, k + 1), workers=-1)[1]


def without_own(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """(q, k + 1) lists -> (q, k) lists without the row itself; the last goes where copies pushed the row out of its list."""
    keep = rows != own[:, None]
    keep[keep.all(axis=1), -1] = False
    return rows[keep].reshape(len(rows), -1)


def _own_first(rows: np.ndarray, distances: np.ndarray) -> None:
    """Where copies of a picture come before the picture itself, exchange them."""
    for row in np.flatnonzero(rows[:, 0] != np.arange(len(rows))):
        at = np.flatnonzero(rows[row] == row)
        rows[row, at[0] if len(at) else -1] = rows[row, 0]
        rows[row, 0], distances[row, 0] = row, 0.0
