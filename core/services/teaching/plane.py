"""A map under a probe: where the real neighbours of a dot lie, which dots beside it are none."""

from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.services.maps import maps, views
from core.services.maps.maps import Map, Wanted

FILLED = 0.96
"""Of the square from -1 to 1 that a map fills."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A map in the square from -1 to 1: ``places`` (n, 2) with the ids of its dots, and how well it
    keeps neighbours, as means and for each dot (``trust``, NaN where not measured)."""

    ids: tuple[str, ...]
    places: np.ndarray
    trust: np.ndarray
    trustworthiness: float
    continuity: float


@dataclass(frozen=True, slots=True)
class Probe:
    """The dot that is looked at: its ``row``; ``real``: rows nearest in the space; ``shown``: rows
    nearest on the map; each nearest first."""

    row: int
    real: tuple[int, ...]
    shown: tuple[int, ...]

    @property
    def both(self) -> set[int]:
        return {*self.real} & {*self.shown}


def plane(dataset: Dataset, encoder: str, projection: str) -> Plane:
    """A finished map. Raises UserError where it has to be made first."""
    found = _map(dataset, encoder, projection)
    return Plane(
        tuple(found.ids),
        _squared(found.positions),
        found.trust,
        float(np.nanmean(found.trust)),
        float(np.nanmean(found.continuity)),
    )


def probe(
    dataset: Dataset, encoder: str, projection: str, x: float, y: float, k: int = 10
) -> Probe:
    """The dot nearest to a place of the square, and its neighbours. Raises UserError."""
    found = _map(dataset, encoder, projection)
    places = _squared(found.positions)
    row = int(((places - np.array([x, y])) ** 2).sum(axis=1).argmin())
    near = views.neighbourhood(dataset, found, row, k)
    return Probe(row, near.space, near.plane)


def _map(dataset: Dataset, encoder: str, projection: str) -> Map:
    return maps.read(dataset, Wanted(encoder, projection))


def _squared(positions: np.ndarray) -> np.ndarray:
    low, high = positions.min(axis=0), positions.max(axis=0)
    return FILLED * (2 * (positions - low) / np.maximum(high - low, 1e-9) - 1)
