"""Galleries of several objects a picture: searched by all of them, answered by pictures."""

from typing import Any, cast

import numpy as np

from core.indexes.base import Index
from core.neighbours import dots
from core.types import Hits, Parts, Where

Edges = tuple[float, float, float, float]
BLOCK = 4096
"""Pictures looked at in one go."""


class ObjectIndex:
    """An index whose rows are objects, asked for pictures: each once, by its best object. What else
    is asked of it is asked of the index."""

    def __init__(self, index: Index, of: np.ndarray, pictures: int, places: int) -> None:
        """``of``: int64, the picture of each row of the index; ``places``: so many objects a
        picture has at most."""
        self._index, self._of, self._places = index, of, places
        self.size = pictures

    @classmethod
    def over(cls, index: Index, parts: Parts, rows: np.ndarray) -> tuple[Index, np.ndarray]:
        """The index for pictures, and the embedding row of each of them, ascending.

        Args:
            rows: the embedding row of each row of ``index``.
        """
        pictures = np.unique(rows)
        made = cls(index, np.searchsorted(pictures, rows), len(pictures), parts.places)
        return cast(Index, made), pictures

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_index":
            raise AttributeError(name)
        return getattr(self._index, name)

    def search(
        self,
        queries: np.ndarray,
        k: int,
        *,
        allowed: np.ndarray | None = None,
        where: Where = (),
        **knobs: float,
    ) -> Hits:
        """The ``k`` most similar pictures, as :meth:`core.indexes.base.Index.search` gives rows;
        ``allowed``: bool (pictures,), and ``where`` what it was made of."""
        mask = None if allowed is None else np.asarray(allowed)[self._of]
        wanted = max(k, min(k * self._places, self._index.size))
        hits = self._index.search(queries, wanted, allowed=mask, where=where, **knobs)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        for row, (found, values) in enumerate(zip(hits.ids, hits.scores, strict=True)):
            there = found >= 0
            pictures, first = np.unique(self._of[found[there]], return_index=True)
            order = np.argsort(first)[:k]
            ids[row, : len(order)] = pictures[order]
            scores[row, : len(order)] = values[there][first[order]]
        return Hits(ids, scores)


def nearest_objects(
    parts: Parts, rows: np.ndarray, vector: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each of these pictures the cosine of the object that is nearest to ``vector`` (dim,), and
    its place among them: float32 and int64 (len(rows),)."""
    scores, places = np.empty(len(rows), np.float32), np.empty(len(rows), np.int64)
    for start in range(0, len(rows), BLOCK):
        block = np.asarray(rows[start : start + BLOCK])
        numbers, at = parts.there(block)
        every = np.full((len(block), parts.places), -np.inf, np.float32)
        every[numbers, at] = dots(parts.vectors(block[numbers], at), vector)
        places[start : start + BLOCK] = every.argmax(axis=1)
        scores[start : start + BLOCK] = every.max(axis=1)
    return scores, places


def frames(parts: Parts, rows: np.ndarray, vector: np.ndarray) -> list[Edges | None]:
    """The edges of those objects; None where it is the whole picture."""
    _, places = nearest_objects(parts, rows, vector)
    edges = parts.edges(rows)[np.arange(len(rows)), places]
    found = [tuple(round(float(edge), 4) for edge in four) for four in edges]
    return [None if four == (0.0, 0.0, 1.0, 1.0) else cast(Edges, four) for four in found]
