"""How an index that hashes saw two vectors."""

from typing import cast

import numpy as np

from core.explainers.base import Codes
from core.indexes.base import Index
from core.indexes.minhash import MinHashIndex
from core.services.index_lab import collisions
from core.services.specs import IndexSpec

HASHING = ("lsh", "hamming", "hamming_ivf", "minhash")
"""Indexes that compare bits or minima in place of vectors."""


def of(index: Index, spec: IndexSpec, query: np.ndarray, hit: np.ndarray) -> Codes | None:
    """The codes of two vectors (dim,) in an index; None where it keeps the vectors themselves."""
    made = index.hashed(np.stack([query, hit]))
    if made is None:
        return None
    if index.name != MinHashIndex.name:
        return Codes(index.name, "bits", made[0], made[1])
    index = cast(MinHashIndex, index)  # or one of objects, which answers like it
    threshold = spec.search.get("threshold", index.search_knobs["threshold"].default)
    bands, rows = index.bands(threshold)
    similarity = collisions.jaccard(*index.bits(np.stack([query, hit])))
    chance = float(collisions.meet("minhash", similarity, rows, bands))
    return Codes(index.name, "minima", made[0], made[1], bands, rows, chance)
