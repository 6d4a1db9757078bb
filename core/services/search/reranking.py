"""The second look: the first hits of a search get new scores from a re-ranker, or, for an encoder
that matches key points, from these."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.encoders.base import Encoder
from core.errors import UserError
from core.keypoints import KeyPoints
from core.neighbours import Rows
from core.rerankers.base import NONE, Found, Reranker, rerankers
from core.rerankers.geometric import Inliers

__all__ = [
    "NONE",
    "SecondLook",
    "looked_at",
    "names",
    "reranker_rows",
    "second_look",
    "spelt",
    "title_of",
    "unlooked",
]
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


def names() -> list[str]:
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
    made = [rerankers.get(name) for name in names()]
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
