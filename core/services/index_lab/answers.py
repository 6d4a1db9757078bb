"""What an index answers to many queries, without the queries themselves, scored by the vectors
alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from core.indexes.base import Index
from core.metrics import table
from core.neighbours import rank, rows_without_own
from core.services.index_lab.space import Space
from core.types import Hits

STEP = 256


def answers(index: Index, space: Space, k: int, knobs: Mapping[str, Any]) -> Hits:
    """The ``k`` best of each query other than itself. A score is the cosine of the space's own
    vectors, so that answers of any index, which may score by codes or bits, can be compared."""
    wanted = depth(space, k)
    found = [
        index.search(space.queries[at : at + STEP], wanted, **knobs).ids
        for at in range(0, len(space.queries), STEP)
    ]
    return scored(space, rows_without_own(np.concatenate(found), space.own, k))


def depth(space: Space, k: int) -> int:
    """How many hits are asked for to have ``k`` besides the query."""
    return min(k + int((space.own >= 0).any()), space.size)


def scored(space: Space, ids: np.ndarray) -> Hits:
    """Rows (q, k) as hits in the one order: by exact cosine, ties by id."""
    return rank(space.queries, space.vectors.__getitem__, ids, ids.shape[1])


def recall(found: Hits, truth: Hits) -> np.ndarray:
    """Share of the exact top k that was found, float64 (q,): what is as similar as the exact k-th
    counts."""
    return table.index_recall(found.scores, truth.scores)
