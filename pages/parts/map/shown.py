"""The maps that stand on the page now: the same pictures on each, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.services.maps import views as map_views
from core.services.maps.maps import Map
from pages.parts import cached, cached_maps, gallery
from pages.parts.map.view import MapView


@dataclass(frozen=True, slots=True)
class Shown:
    """One map: ``key`` opens it in the caches; ``rows`` are its rows of the common pictures (None =
    all, in order)."""

    key: tuple[str, str, str, str]
    found: Map
    rows: np.ndarray | None

    @property
    def encoder(self) -> str:
        return self.key[2].partition("|")[0]

    @property
    def positions(self) -> np.ndarray:
        return self.found.positions if self.rows is None else self.found.positions[self.rows]

    def row(self, place: int) -> int:
        """The row in the map's own arrays of the common picture number ``place``."""
        return place if self.rows is None else int(self.rows[place])


def gather(view: MapView, paths: Sequence[str]) -> tuple[list[Shown], list[str]]:
    """The maps of a view, and the ids of the pictures that all of them show."""
    version = cached.version(view.base.dataset)
    keys = [
        (view.base.dataset, version, cached_maps.spec_of(one), path)
        for one, path in zip(view.wanted(), paths, strict=True)
    ]
    found = [cached_maps.read(*key) for key in keys]
    ids, rows = cached_maps.common(tuple(keys))
    return [
        Shown(key, one, rows and rows[at])
        for at, (key, one) in enumerate(zip(keys, found, strict=True))
    ], ids


def selected(view: MapView, maps: Sequence[Shown]) -> np.ndarray:
    """Places of the pictures that the lasso encloses, on whichever map it was drawn."""
    own = next((one for one in maps if view.lasso and one.encoder == view.lasso[0]), None)
    return np.zeros(0, np.int64) if own is None else map_views.inside(own.positions, view.lasso[1])


def title(encoder: str) -> str:
    row = cached.encoder_row(encoder)
    return (row or {}).get("title") or encoder


def name_of(view: MapView, id: str) -> str:
    return gallery.name_of(cached.dataset(view.base.dataset), id)
