"""Each picture's nearest: exact, or for very many by NN-descent (Dong et al., 2011)."""

from typing import Any

import numpy as np

from core.faiss_loader import faiss
from core.indexes.base import blocks
from core.neighbours import nearest, rank, without_own
from core.types import Hits, Progress, report

BLOCK = 512
EXACT_MOST = 100_000
"""Up to so many rows all pairs are compared: minutes at most."""


def knn(vectors: np.ndarray, degree: int, progress: Progress | None = None) -> Hits:
    """The ``degree`` nearest other rows of each of (n, dim) unit rows; -1 = fewer exist."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(vectors) > EXACT_MOST:
        return _descended(vectors, degree, progress)
    found = nearest(vectors, vectors.__getitem__, range(len(vectors)), degree + 1, progress)
    return without_own(found, np.arange(len(vectors)), degree)


def copies_of(vectors: np.ndarray) -> np.ndarray:
    """Pairs (first, copy) of equal rows of float32 (n, dim): int64 (c, 2), sorted. Each copy stands
    once, beside the first of its kind; rows without a copy stand nowhere."""
    words: Any = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    weights = np.random.default_rng(0).integers(
        1, 2**63, words.shape[1], dtype=np.uint64
    ) | np.uint64(1)
    sums = np.concatenate([_sums(words[part], weights) for part in blocks(len(words), BLOCK, None)])
    _, first, kind = np.unique(sums, return_index=True, return_inverse=True)
    other = np.flatnonzero(first[kind] != np.arange(len(kind)))
    pairs = np.stack([first[kind[other]], other], axis=1)
    same = np.array([(words[one] == words[copy]).all() for one, copy in pairs], bool)
    pairs = pairs[same]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _sums(words: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A number for each row, uint64 (n): equal for equal rows, by whole numbers, so that no order
    of adding changes it."""
    return (words.astype(np.uint64) * weights).sum(axis=1, dtype=np.uint64)


def _descended(vectors: np.ndarray, degree: int, progress: Progress | None) -> Hits:
    report(progress, 0, len(vectors))
    index = faiss().IndexNNDescentFlat(vectors.shape[1], degree)
    index.add(vectors)
    ids = (
        faiss()
        .vector_to_array(index.nndescent.final_graph)
        .reshape(len(vectors), degree)
        .astype(np.int64)
    )
    parts = [
        rank(vectors[part], vectors.__getitem__, ids[part], degree)
        for part in blocks(len(vectors), BLOCK, None)
    ]
    report(progress, len(vectors), len(vectors))
    return Hits(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.scores for part in parts]),
    )
