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


MOST_HITS = 10_000


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of an index: its default, the values worth trying and those allowed; ``about`` says what it trades."""

    default: int | float
    values: tuple[int | float, ...] = ()
    about: str = ""
    low: float = 1
    high: float = 1_000_000

    def check(self, name: str, value: object) -> int | float:
        """``value`` as this knob's kind of number. Raises UserError where it is none, or outside ``low`` to ``high``."""
        whole = isinstance(self.default, int)
        right = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and self.low <= value <= self.high
        if not right or (whole and int(value) != value):
            kind = "a whole number" if whole else "a number"
            raise UserError(f"{name} = {value!r} was given.", f"It is {kind} from {self.low:g} to {self.high:g}.")
        return int(value) if whole else float(value)


class Index(ABC):
    """Nearest neighbours by cosine over unit vectors.

    Build knobs are given to :meth:`build` and belong to the cache key; search knobs are given to :meth:`search` and do
    not. Ids are row numbers of what was built, then of what was added.

    Whatever finds the hits, a score is the exact cosine of query and row (:mod:`core.indexes.ranking`), and equal
    scores fall by id: so two indexes that find the same rows give the same answer, and approximation shows in what is
    missing alone.
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
        self.size = self.dim = 0
        self._build(vectors, progress, **settled)
        self.size, self.dim = vectors.shape

    def search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits:
        """The ``k`` most similar rows for each of float32 (q, dim); -1 where fewer exist.

        Raises:
            UserError: nothing was built, a knob is unknown, the dimension is wrong or a value is not finite.
        """
        self._need_built("searched")
        most = max(self.size, MOST_HITS)
        if not 1 <= k <= most:
            raise UserError(f"k = {k} was asked for.", f"k is 1 to {most}.")
        settled = self.settle(self.search_knobs, knobs)
        self._check(queries, self.dim)
        return self._search(np.ascontiguousarray(queries, dtype=np.float32), k, **settled)

    @abstractmethod
    def _build(self, vectors: np.ndarray, progress: Progress | None, **knobs: float) -> None: ...

    @abstractmethod
    def _search(self, queries: np.ndarray, k: int, **knobs: float) -> Hits: ...

    def add(self, vectors: np.ndarray) -> None:
        """Append rows; their ids go on from ``size``. An index that can't grow says so with a UserError."""
        self._need_built("added to")
        self._check(vectors, self.dim)
        self._add(np.ascontiguousarray(vectors, dtype=np.float32))
        self.size += len(vectors)

    def _add(self, vectors: np.ndarray) -> None:
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
        return {name: knob.check(name, given.get(name, knob.default)) for name, knob in known.items()}

    def _need_built(self, what: str) -> None:
        if not self.dim:
            raise UserError(f"The index {self.name} was {what} before it was built.", fix="Build or load it first.")

    def _check(self, vectors: np.ndarray, dim: int | None = None) -> None:
        if vectors.ndim != 2 or not vectors.size:
            raise UserError(f"The index {self.name} was given vectors of shape {vectors.shape}.", "It takes (n, dim), n >= 1.")
        if dim is not None and vectors.shape[1] != dim:
            raise UserError(f"A vector has {vectors.shape[1]} dimensions.", f"The index holds {dim}.")
        if not all(np.isfinite(vectors[start : start + 65536]).all() for start in range(0, len(vectors), 65536)):
            raise UserError("A vector holds NaN or infinity.", fix="Build the embeddings again.")
