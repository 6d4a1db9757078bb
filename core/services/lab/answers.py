"""What an index answers to many queries, without the queries themselves, scored by the vectors alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from core.indexes.base import Index
from core.indexes.ranking import cosines
from core.metrics import retrieval
from core.services.lab.space import Space
from core.types import Hits

STEP = 256


def answers(index: Index, space: Space, k: int, knobs: Mapping[str, float]) -> Hits:
    """The ``k`` best of each query other than itself. A score is the cosine of the space's own vectors, so that answers of any
    index, which may score by codes or bits, can be compared."""
    wanted = depth(space, k)
    found = [index.search(space.queries[at : at + STEP], wanted, **knobs).ids for at in range(0, len(space.queries), STEP)]
    return scored(space, without(np.concatenate(found), space.own, k))


def depth(space: Space, k: int) -> int:
    """How many hits are asked for to have ``k`` besides the query."""
    return min(k + int((space.own >= 0).any()), space.size)


def without(ids: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """int64 (q, k): the hits (q, m) in their order, without the row that is the query itself; padded with -1."""
    out = (ids == own[:, None]) | (ids < 0)
    order = np.argsort(out, axis=1, kind="stable")
    kept = np.where(np.take_along_axis(out, order, axis=1), -1, np.take_along_axis(ids, order, axis=1))[:, :k]
    return np.pad(kept, ((0, 0), (0, k - kept.shape[1])), constant_values=-1)


def scored(space: Space, ids: np.ndarray) -> Hits:
    """Rows (q, k) as hits in the one order: by exact cosine, ties by id."""
    which, column = np.nonzero(ids >= 0)
    scores = np.full(ids.shape, -np.inf, np.float32)
    scores[which, column] = cosines(space.queries, space.vectors.__getitem__, which, ids[which, column])
    order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), -scores), axis=1)
    return Hits(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def recall(found: Hits, truth: Hits) -> np.ndarray:
    """Share of the exact top k that was found, float64 (q,): what is as similar as the exact k-th counts."""
    return retrieval.index_recall(found.scores, truth.scores)
