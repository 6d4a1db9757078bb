"""A larger gallery with the structure of the real one: real vectors, and synthetic ones drawn around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.types import Progress


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like the real vectors synthetic ones are. ``rows``: statistic, real value, synthetic value, tolerance, and whether it
    is kept. ``alike``: all are. ``about``: how they were drawn, what was compared with what, and what can't be checked."""

    rows: tuple[tuple[str, float, float, float, bool], ...]
    alike: bool
    about: str


def likeness(vectors: np.ndarray, progress: Progress | None = None) -> Likeness:
    """Enlarge a part of the real vectors to the size of all, and compare that with all."""
    raise NotImplementedError


def enlarge(vectors: np.ndarray, size: int, progress: Progress | None = None) -> np.ndarray:
    """float32 (size, dim) unit rows: ``vectors`` first, then synthetic ones; the same for the same input."""
    raise NotImplementedError
