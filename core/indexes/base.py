"""What every index promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from core.errors import UserError
from core.registry import Registry
from core.types import Cost, Hits, Progress

indexes: Registry[Index] = Registry("index", "core.indexes")


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of an index: its default and the values worth trying; ``about`` says what it trades."""

    default: int | float
    values: tuple[int | float, ...] = ()
    about: str = ""


class Index(ABC):
    """Nearest neighbours by cosine over unit vectors.

    Build knobs are given to :meth:`build` and belong to the cache key; search knobs are given to :meth:`search` and do
    not. Ids are row numbers of what was built, then of what was added.
    """

    name: str = ""
    title: str = ""
    about: str = ""
    exact: bool = False
    build_knobs: Mapping[str, Knob] = MappingProxyType({})
    search_knobs: Mapping[str, Knob] = MappingProxyType({})
    size: int = 0
    dim: int = 0

    def fingerprint(self, **knobs: float) -> dict:
        """Every cause of the built index but the vectors."""
        return {"index": self.name, "knobs": self.settle(self.build_knobs, knobs), "version": getattr(self, "version", 1)}

    def build(self, vectors: np.ndarray, progress: Progress | None = None, **knobs: float) -> None:
        """Index float32 (n, dim) unit rows."""
        settled = self.settle(self.build_knobs, knobs)
        self._check(vectors)
        self.size, self.dim = vectors.shape
        self._build(vectors, progress, **settled)

    def search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        """The ``k`` most similar rows for each of float32 (q, dim); -1 where fewer exist.

        Raises:
            UserError: nothing was built, a knob is unknown, the dimension is wrong or a value is not finite.
        """
        if not self.dim:
            raise UserError(f"The index {self.name} was searched before it was built.")
        if k < 1:
            raise UserError(f"k = {k} was asked for.", "k is 1 or more.")
        settled = self.settle(self.search_knobs, knobs)
        self._check(queries, self.dim)
        return self._search(np.ascontiguousarray(queries, dtype=np.float32), k, **settled)

    @abstractmethod
    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None: ...

    @abstractmethod
    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits: ...

    def add(self, vectors: np.ndarray) -> None:
        """Append rows. An index that can't says so with a UserError: build it again."""
        raise UserError(f"The index {self.name} can't grow.", fix="Build it again with all vectors.")

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write into an existing, empty folder."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read what :meth:`save` wrote, by memory map where possible."""

    @abstractmethod
    def cost(self) -> Cost:
        """Bytes and build seconds, measured."""

    def settle(self, known: Mapping[str, Knob], given: Mapping[str, float]) -> dict[str, float]:
        """Defaults, overridden by what was given; an unknown knob is a UserError."""
        for knob in given:
            if knob not in known:
                allowed = f"It has: {', '.join(known)}." if known else "It has none here."
                raise UserError(f"The index {self.name} has no knob {knob!r}.", allowed)
        return {name: given.get(name, knob.default) for name, knob in known.items()}

    def _check(self, vectors: np.ndarray, dim: int | None = None) -> None:
        if vectors.ndim != 2 or not vectors.size:
            raise UserError(f"The index {self.name} was given vectors of shape {vectors.shape}.", "It takes (n, dim), n >= 1.")
        if dim is not None and vectors.shape[1] != dim:
            raise UserError(f"A query has {vectors.shape[1]} dimensions.", f"The index holds {dim}.")
        if not np.isfinite(vectors).all():
            raise UserError("A vector holds NaN or infinity.", fix="Build the embeddings again.")


def best_first(ids: np.ndarray, scores: np.ndarray, k: int) -> Hits:
    """Candidates (q, m) -> Hits (q, k): sorted by (score, id), id -1 last and padded."""
    scores = np.where(ids < 0, -np.inf, scores).astype(np.float32)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    ids, scores = np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1)
    short = k - ids.shape[1]
    if short > 0:
        ids = np.pad(ids, ((0, 0), (0, short)), constant_values=-1)
        scores = np.pad(scores, ((0, 0), (0, short)), constant_values=-np.inf)
    return Hits(ids.astype(np.int64), scores)
