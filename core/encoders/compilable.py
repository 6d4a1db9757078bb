"""Encoders whose networks can be compiled for this processor (:mod:`core.weights.compiled`)."""

from __future__ import annotations

from abc import abstractmethod
from typing import cast

import numpy as np

from core.encoders.base import Encoder
from core.types import Progress
from core.weights import compiled
from core.weights.compiled import Graph, Source


class Compilable(Encoder):
    """An encoder whose network can be compiled."""

    _graphs: dict[str, Graph]

    @property
    @abstractmethod
    def form(self) -> str:
        """The number format that it encodes in."""

    def compile(self, progress: Progress | None = None) -> None:
        """The graph of this network, made once a machine (some seconds)."""
        if (
            self.graph is None
            and self.form in compiled.HINTS
            and (made := compiled.make(cast(Source, self), progress))
        ):
            self._graphs[self.form] = made

    @property
    def graph(self) -> Graph | None:
        """What encodes in place of torch, where there is something."""
        return self._graphs.get(self.form)

    @property
    def graphs(self) -> list[Graph]:
        """All that are in memory, in every number format."""
        return list(self._graphs.values())

    @property
    def one_core(self) -> bool:  # type: ignore[override]
        return self.graph is not None

    def comparable(self, made: np.ndarray) -> np.ndarray:
        """Unit vectors, as those that are compared with each other."""
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def find_graph(self) -> bool:
        """Whether there is a graph for the number format, read from the disk where need be."""
        if (
            self.graph is None
            and self.form in compiled.HINTS
            and (known := compiled.found(cast(Source, self)))
        ):
            self._graphs[self.form] = known
        return self.graph is not None

    def graph_seconds(self) -> float | None:
        """Seconds of processor time that its graph takes for a picture, where that was measured."""
        return compiled.graph_seconds(cast(Source, self))
