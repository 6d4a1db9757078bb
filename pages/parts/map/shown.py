"""The maps that stand on the page now: the same pictures on each, in one order; and one sentence
for each thing that a map shows, so that nobody reads more out of it than is in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.services.maps import views as map_views
from core.services.maps.maps import Map
from pages.parts import cached, cached_maps, gallery
from pages.parts.map.view import MapView, projection_row
from pages.parts.palette import title
from pages.parts.words import count


@dataclass(frozen=True, slots=True)
class Shown:
    """One map: ``key`` opens it in the caches; ``rows`` are its rows of the common pictures (None =
    all, in order)."""

    key: cached_maps.Key
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
    found = [cached_maps.read(key) for key in keys]
    ids, rows = cached_maps.common(tuple(keys))
    return [
        Shown(key, one, rows and rows[at])
        for at, (key, one) in enumerate(zip(keys, found, strict=True))
    ], ids


def selected(view: MapView, maps: Sequence[Shown]) -> np.ndarray:
    """Places of the pictures that the lasso encloses, on whichever map it was drawn."""
    own = next((one for one in maps if view.lasso and one.encoder == view.lasso[0]), None)
    return np.zeros(0, np.int64) if own is None else map_views.inside(own.positions, view.lasso[1])


def name_of(view: MapView, id: str) -> str:
    return gallery.name_of(cached.dataset(view.base.dataset), id)


def of_maps(view: MapView, maps: Sequence[Shown]) -> str:
    """What distance means here, and how many neighbours each map keeps."""
    return f"{projection_row(maps[-1].found.wanted.projection)['reading']} {kept(maps)}"


def kept(maps: Sequence[Shown]) -> str:
    """``Of 10 nearest neighbours in the space, the map by HSV keeps 3.4, that by HOG 2.2.``"""
    k = maps[0].found.facts["k"]
    shares = sorted(
        ((one.found.facts["kept"] * one.found.facts["k"], title(one.encoder)) for one in maps),
        reverse=True,
    )
    first = (
        f"Of {k} nearest neighbours in the space, the map by {shares[0][1]} keeps"
        f" {shares[0][0]:.1f}"
    )
    rest = ", ".join(f"that by {name} {number:.1f}" for number, name in shares[1:])
    return f"{first}{', ' + rest if rest else ''}."


def of_clusters(one: Shown, agreement, field: str) -> str:
    """Clusters against labels, in words."""
    clusters, thin = one.found.facts["clusters"], float((one.found.clusters < 0).mean())
    said = (
        f"{count(clusters, 'cluster')} on the map by {title(one.encoder)}; {thin:.0%} of the"
        " pictures are in none."
    )
    if agreement is None or not clusters:
        return said
    return (
        f"{said} Against {field}: adjusted Rand index {agreement.rand:.2f} (0 = chance, 1 = the"
        f" same groups), normalised mutual information {agreement.information:.2f}, over"
        f" {count(agreement.points, 'picture')}."
    )


def of_movers(first: Shown, second: Shown, kept: float, k: int) -> str:
    """What the list of movers says."""
    return (
        f"From {title(first.encoder)} to {title(second.encoder)} these pictures change"
        f" neighbourhoods most: of their {k} nearest on the map they keep {kept:.1f} on average."
        " Distance is in map radii, after turning one map onto the other."
    )
