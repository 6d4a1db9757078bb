"""What every re-ranker promises: the first hits of a search, each with a new score, best first.

To add one, write a file here with a child of :class:`Reranker` and add it to ``rerankers``: the
pages, the command line and the contract tests find it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.keypoints import KeyPoints
from core.neighbours import Rows
from core.registry import Registry

NONE = "none"
rerankers: Registry[Reranker] = Registry("re-ranker", "core.rerankers", first=NONE)


@dataclass(frozen=True)
class Found:
    """One query, and what a search found for it.

    Attributes:
        query: float32 (dim,), unit length.
        rows: int64 (n,), the hits, best first, without the query itself.
        cosines: float32 (n,), their exact cosines with the query.
        vectors: row numbers -> float32 (n, dim), unit rows.
        query_points: the key points of the query.
        points: row numbers -> their key points.
    """

    query: np.ndarray
    rows: np.ndarray
    cosines: np.ndarray
    vectors: Rows
    query_points: Callable[[], KeyPoints]
    points: Callable[[Sequence[int]], list[KeyPoints]]


@dataclass(frozen=True)
class Reranked:
    """``order`` int64 (n,): positions in the hits that were given, best first; ``scores`` float32
    (n,) in that order, falling; ``note``: what is to be said of it, empty where nothing is."""

    order: np.ndarray
    scores: np.ndarray
    note: str = ""


class Reranker(ABC):
    """Gives the first hits of a search new scores. It adds none and drops none."""

    name: str = ""
    title: str = ""
    about: str = ""
    score: str = "cosine"
    """What its scores are."""
    depth: int = 0
    """Of so many hits it looks at the order, or of all that are shown where these are more."""
    sees: str = "vectors"
    """What it compares: ``vectors`` or ``key points``."""
    matcher: str = ""
    """Of key points: how the nearest descriptors are found."""

    def fingerprint(self) -> dict:
        """Every cause of the order but the hits."""
        return {"reranker": self.name, "depth": self.depth, "version": getattr(self, "version", 1)}

    def rerank(self, found: Found) -> Reranked:
        """The hits by their new scores; equal ones keep their order."""
        if not len(found.rows):
            return Reranked(np.zeros(0, np.int64), np.zeros(0, np.float32))
        scores, note = self._scores(found)
        scores = np.asarray(scores, np.float32)
        order = np.argsort(-scores, kind="stable")
        return Reranked(order, scores[order], note)

    @abstractmethod
    def _scores(self, found: Found) -> tuple[np.ndarray, str]:
        """The new score of each hit, larger is better, (n,) with n >= 1; and a note."""
