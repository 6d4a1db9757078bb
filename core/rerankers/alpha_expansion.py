"""Alpha query expansion: the query is moved towards its best hits, and they are scored again."""

import numpy as np

from core.neighbours import dots
from core.rerankers.base import Found, Reranker, rerankers

NEIGHBOURS, ALPHA = 10, 3.0


class AlphaExpansion(Reranker):
    """Radenovic et al., Fine-tuning CNN image retrieval with no human annotation, TPAMI 2019: the
    query plus its first ten hits, each weighted by its cosine to the power of 3, scaled to unit
    length; the score is the cosine with that."""

    name = "alpha-qe"
    title = "Alpha query expansion"
    about = "Searches again with the mean of the query and its best hits; near hits weigh more."
    score = "cosine with the expanded query"
    depth = 1000

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "neighbours": NEIGHBOURS, "alpha": ALPHA}

    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        vectors = found.vectors(found.rows)
        first = slice(0, NEIGHBOURS)
        return dots(vectors, expanded(found.query, vectors[first], found.cosines[first])), ""


def expanded(
    query: np.ndarray, vectors: np.ndarray, cosines: np.ndarray, alpha: float = ALPHA
) -> np.ndarray:
    """``query`` (dim,) and ``vectors`` (m, dim) with weights 1 and max(cosine, 0)^alpha, summed and
    scaled to unit length: float64 (dim,). A sum of zero leaves the query."""
    weights = np.maximum(cosines.astype(np.float64), 0.0) ** alpha
    total = query.astype(np.float64) + weights @ vectors.astype(np.float64)
    length = np.linalg.norm(total)
    return total / length if length > 1e-12 else query.astype(np.float64)


rerankers.add(AlphaExpansion.name, AlphaExpansion)
