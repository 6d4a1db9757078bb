"""Each picture's nearest pictures: exactly, by faiss; for very many by NN-descent (Dong et al., 2011), faiss's too."""

from __future__ import annotations

import numpy as np

from core.faiss_door import faiss
from core.indexes.beside import blocks
from core.types import Progress, report

BLOCK = 512
EXACT_MOST = 100_000
"""Up to so many rows all pairs are compared: minutes at most."""


def knn(vectors: np.ndarray, degree: int, progress: Progress | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The ``degree`` nearest other rows of each of (n, dim) unit rows: ids int32 (n, degree), cosines float32, best first.

    -1 and 0.0 where fewer than ``degree`` other rows exist.
    """
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(vectors) > EXACT_MOST:
        return _descended(vectors, degree, progress)
    flat, found = faiss().IndexFlatIP(vectors.shape[1]), []
    flat.add(vectors)
    for part in blocks(len(vectors), BLOCK, progress):
        scores, ids = flat.search(vectors[part], min(degree + 1, len(vectors)))
        found.append(_without_self(ids, scores, part.start, degree))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def copies_of(vectors: np.ndarray) -> np.ndarray:
    """Pairs (first, copy) of equal rows of float32 (n, dim): int64 (c, 2), sorted. Each copy stands once, beside the first of its
    kind; rows without a copy stand nowhere."""
    words = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    weights = np.random.default_rng(0).integers(1, 2**63, words.shape[1], dtype=np.uint64) | np.uint64(1)
    sums = np.concatenate([_sums(words[part], weights) for part in blocks(len(words), BLOCK, None)])
    _, first, kind = np.unique(sums, return_index=True, return_inverse=True)
    other = np.flatnonzero(first[kind] != np.arange(len(kind)))
    pairs = np.stack([first[kind[other]], other], axis=1)
    same = np.array([(words[one] == words[copy]).all() for one, copy in pairs], bool)
    pairs = pairs[same]
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _sums(words: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A number for each row, uint64 (n): equal for equal rows, by whole numbers, so that no order of adding changes it."""
    return (words.astype(np.uint64) * weights).sum(axis=1, dtype=np.uint64)


def _without_self(ids: np.ndarray, scores: np.ndarray, first: int, degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Drop each row's own id, or the last one where copies of it filled the list."""
    own = ids == np.arange(first, first + len(ids))[:, None]
    own[~own.any(axis=1), -1] = True
    keep = ids[~own].reshape(len(ids), -1), scores[~own].reshape(len(ids), -1)
    pad = ((0, 0), (0, degree - keep[0].shape[1]))
    return np.pad(keep[0], pad, constant_values=-1).astype(np.int32), np.pad(keep[1], pad).astype(np.float32)


def _descended(vectors: np.ndarray, degree: int, progress: Progress | None) -> tuple[np.ndarray, np.ndarray]:
    report(progress, 0, len(vectors))
    index = faiss().IndexNNDescentFlat(vectors.shape[1], degree)
    index.add(vectors)
    ids = faiss().vector_to_array(index.nndescent.final_graph).reshape(len(vectors), degree).astype(np.int32)
    scores = np.empty(ids.shape, np.float32)
    for start in range(0, len(vectors), BLOCK):
        part = slice(start, start + BLOCK)
        scores[part] = np.einsum("nd,nkd->nk", vectors[part], vectors[ids[part]])
    order = np.argsort(-scores, axis=1, kind="stable")
    report(progress, len(vectors), len(vectors))
    return np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
