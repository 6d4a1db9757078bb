"""How the rows of a gallery are looked through: the nearest by the index, the least similar by
comparing every one, and where a score has to be reached; and the second look, in which the first
hits get new scores from a re-ranker, or, for an encoder that matches key points, from these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.encoders.base import Encoder
from core.errors import UserError
from core.indexes.base import Index
from core.keypoints import KeyPoints
from core.neighbours import Rows, nearest
from core.rerankers.base import NONE, Found, Reranker, rerankers
from core.rerankers.geometric import Inliers
from core.services.search.request import SearchRequest
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


COMPARED_ALL, PRESELECTED = 2000, 500
"""An encoder that matches key points compares the query with every picture of a gallery up to so
many; of a larger one with so many that its vectors find nearest."""
PAIR_MS = 1.0
"""About how many milliseconds the key points of two pictures take."""
Pair = tuple[int, float, int | None]
"""Row, score, and the rank from 1 that a re-ranker found it at; None where none looked."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A re-ranker, the ``stage`` that its time belongs to, and how many hits it takes at least."""

    reranker: Reranker
    stage: str
    depth: int


def second_look(encoder: Encoder, name: str, size: int) -> SecondLook | None:
    """What follows a search by this encoder in ``size`` pictures; ``name`` is the re-ranker that
    was chosen, empty or ``none`` where none was.

    Raises:
        UserError: no such re-ranker, or an encoder that can't be re-ranked.
    """
    made = rerankers.get(name) if name and name != NONE else None
    if not encoder.matches:
        return None if made is None else SecondLook(made, "rerank", made.depth)
    if made is not None:
        raise UserError(
            f"{encoder.name} ranks by matched key points already.",
            fix="Choose no re-ranking for it, or another encoder.",
        )
    return SecondLook(
        Inliers(encoder.matcher), "search", size if size <= COMPARED_ALL else PRESELECTED
    )


def unlooked(encoder: Encoder, name: str) -> str:
    """What is to be said where the least similar are asked for, which no second look reorders;
    empty where none was to come."""
    if encoder.matches:
        return "The least similar are ranked by vectors: no key points are matched."
    return "" if not name or name == NONE else "The least similar are not re-ranked."


def looked_at(
    look: SecondLook,
    pairs: Sequence[tuple[int, float]],
    query: np.ndarray,
    vectors: Rows,
    query_points: Callable[[], KeyPoints],
    points: Callable[[Sequence[int]], list[KeyPoints]],
) -> tuple[list[Pair], str]:
    """Pairs of row and score, best first, in their new order; and what is to be said of it.

    Args:
        query: float32 (dim,), unit length.
        vectors, points: rows -> what is stored of them.
    """
    rows = np.array([row for row, _ in pairs], np.int64)
    cosines = vectors(rows) @ query if len(rows) else np.zeros(0, np.float32)
    made = look.reranker.rerank(Found(query, rows, cosines, vectors, query_points, points))
    ranked = look.stage == "rerank"
    new = zip(made.order.tolist(), made.scores.tolist(), strict=True)
    return [
        (int(rows[place]), score, place + 1 if ranked else None) for place, score in new
    ], made.note


def reranker_names() -> list[str]:
    """Every re-ranker, ``none`` first; one with options stands behind the same without."""
    known = rerankers.names()
    return sorted(known, key=lambda name: known.index(name.partition(":")[0]))


def spelt(name: str) -> str:
    """The one spelling of a re-ranker's name, whatever options were typed. Raises UserError where
    there is none of that name."""
    return rerankers.get(name).name


def title_of(name: str) -> str:
    """What a re-ranker is called; empty for none. Raises UserError where there is none of that
    name."""
    return rerankers.get(name).title if name and name != NONE else ""


def reranker_rows() -> list[dict]:
    """Every re-ranker: name, title, about, what its scores are, what it compares, how many hits it
    takes."""
    made = [rerankers.get(name) for name in reranker_names()]
    return [
        {
            "name": one.name,
            "title": one.title,
            "about": one.about,
            "score": one.score,
            "sees": one.sees,
            "depth": one.depth,
        }
        for one in made
    ]
