"""Hashing in a lesson: few pictures, and the chance at a similarity that is chosen."""

import numpy as np

from core.datasets.base import Dataset
from core.services.index_lab.buckets import Buckets, agree, buckets, meet

SHOWN = 3
"""So many nearest pictures, and as many far ones, show their bits."""


def hashed(
    dataset: Dataset, encoder: str, method: str, query: str, bits: int, rows: int, threshold: float
) -> Buckets:
    """Bits and bands of a query, its nearest and some far pictures. Raises UserError."""
    return buckets(
        dataset, encoder, method, query, bits=bits, rows=rows, threshold=threshold, hits=SHOWN
    )


def chance(found: Buckets, similarity: float) -> tuple[float, float]:
    """How probably one bit (or minimum) agrees, and the pair collides in some band."""
    at = np.asarray(similarity, float)
    return (float(agree(found.method, at)), float(meet(found.method, at, found.rows, found.bands)))
