"""How the rows of a gallery are looked through: the nearest by the index, the least similar by
comparing every one, and where a score has to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.indexes.base import Index
from core.neighbours import nearest
from core.services.search.request import SearchRequest
from core.services.search.reranking import Pair, SecondLook
from core.types import Where

Pairs = list[tuple[int, float]]
"""Rows of the gallery with their scores, in the order of the answer."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is searched: bool (n,) or None for all, the rows of what is asked with, how many rows
    those are, how many of them are looked for, and what looks at these a second time."""

    allowed: np.ndarray | None
    asked: frozenset[int]
    size: int
    wanted: int
    second: SecondLook | None = None
    where: Where = ()
    """The filter that ``allowed`` was made of."""

    @classmethod
    def of(
        cls,
        request: SearchRequest,
        size: int,
        allowed: np.ndarray | None,
        asked: frozenset[int],
        second: SecondLook | None = None,
        where: Where = (),
    ) -> Scope:
        """``size`` rows, of which those of ``asked`` are left out. Where a score has to be
        reached, one more is looked for: it says whether ``k`` are all."""
        more = len(asked) + (request.threshold is not None)
        depth = max(request.k, second.depth if second else 0) + more
        return cls(allowed, asked, size, max(1, min(depth, size)), second, where)

    def others(self, pairs: Pairs) -> Pairs:
        """Without what is asked with."""
        return [pair for pair in pairs if pair[0] not in self.asked]


def most_similar(
    index: Index, vector: np.ndarray, scope: Scope, knobs: Mapping[str, float]
) -> Pairs:
    """The nearest of float32 (1, dim) by the index, best first."""
    hits = index.search(vector, scope.wanted, allowed=scope.allowed, where=scope.where, **knobs)
    pairs = zip(hits.ids[0], hits.scores[0], strict=True)
    return [(int(row), float(score)) for row, score in pairs if row >= 0]


def least_similar(vectors: np.ndarray, rows: np.ndarray, vector: np.ndarray, scope: Scope) -> Pairs:
    """The rows with the smallest cosines to float32 (1, dim), the smallest first. Every one is
    compared: an index knows what is near.

    Args:
        vectors: float32 (m, dim), of which the gallery holds ``rows`` (n).
    """
    place = np.arange(len(rows)) if scope.allowed is None else np.flatnonzero(scope.allowed)
    if not len(place):
        return []
    hits = nearest(-vector, vectors.__getitem__, rows[place], scope.wanted)
    found = np.searchsorted(rows, hits.ids[0])
    return [(int(row), -float(score)) for row, score in zip(found, hits.scores[0], strict=True)]


def reaching(pairs: list[Pair], request: SearchRequest) -> list[Pair]:
    """Those whose score reaches the threshold of the request, or stays at or below it where the
    least similar are wanted."""
    if request.threshold is None:
        return pairs
    way = -1 if request.least else 1
    return [pair for pair in pairs if way * pair[1] >= way * request.threshold]
