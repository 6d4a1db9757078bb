"""Each picture's nearest pictures: exactly, or for very many by NN-descent (Dong et al., 2011), which is faiss's."""

from __future__ import annotations

import numpy as np

from core.faiss_loader import faiss
from core.indexes.beside import blocks
from core.neighbours import nearest, rank, without_own
from core.types import Hits, Progress, report

BLOCK = 512
EXACT_MOST = 100_000
"""Up to so many rows all pairs are compared: minutes at most."""


def knn(vectors: np.ndarray, degree: int, progress: Progress | None = None) -> Hits:
    """The ``degree`` nearest other rows of each of (n, dim) unit rows; -1 where fewer others exist."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if len(vectors) > EXACT_MOST:
        return _descended(vectors, degree, progress)
    found = nearest(vectors, vectors.__getitem__, range(len(vectors)), degree + 1, progress)
    return without_own(found, np.arange(len(vectors)), degree)


def _descended(vectors: np.ndarray, degree: int, progress: Progress | None) -> Hits:
    report(progress, 0, len(vectors))
    index = faiss().IndexNNDescentFlat(vectors.shape[1], degree)
    index.add(vectors)
    ids = faiss().vector_to_array(index.nndescent.final_graph).reshape(len(vectors), degree).astype(np.int64)
    parts = [rank(vectors[part], vectors.__getitem__, ids[part], degree) for part in blocks(len(vectors), BLOCK, None)]
    report(progress, len(vectors), len(vectors))
    return Hits(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))
