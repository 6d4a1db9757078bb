"""The caches of the Map page; like :mod:`pages.parts.cached`: strings and numbers go in, what comes
out is only read.

``spec`` says which map: ``encoder|projection|anchor|parameters as JSON``.
"""

import json
from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from core.errors import UserError
from core.services.library.library import Dataset
from core.services.maps import atlas, maps
from core.services.maps import colours as map_colours
from core.services.maps import page as map_page
from core.services.maps import views as map_views
from core.services.maps.colours import Colouring
from core.services.maps.maps import Map, Wanted
from core.services.maps.views import Mover, Neighbourhood
from core.types import Item
from pages.parts import cached, caches

Key = tuple[str, str, str, str]
"""A finished map: locator and version of its data set, ``spec`` and folder."""
SHORT = 5.0
SAMPLE = 3000
"""Dots that a large map keeps while its small pictures are not made."""


def spec_of(wanted: Wanted) -> str:
    one = wanted.resolved()
    params = json.dumps(dict(one.params), sort_keys=True)
    return "|".join((one.encoder, one.projection, one.anchor, params))


def _wanted(spec: str) -> Wanted:
    encoder, projection, anchor, params = spec.split("|", 3)
    return Wanted(encoder, projection, anchor, json.loads(params))


@caches.data(max_entries=2)
def projection_rows() -> list[dict]:
    return maps.projection_rows()


@caches.data(max_entries=200, ttl=SHORT)
def path(locator: str, version: str, spec: str) -> str | None:
    """The folder of a finished map; None where it has to be made."""
    found = maps.find(cached.dataset(locator), _wanted(spec))
    return str(found) if found else None


@caches.resource(max_entries=200, ttl=SHORT)
def together(
    locator: str, version: str, encoders: tuple[str, ...], projection: str, params: str
) -> list[Wanted]:
    """The maps of a view; ``params`` as JSON."""
    return maps.drawn_together(encoders, projection, json.loads(params), cached.dataset(locator))


@caches.resource(max_entries=24)
def read(key: Key) -> Map:
    """A finished map. Raises UserError."""
    locator, _, spec, _ = key
    return maps.read(cached.dataset(locator), _wanted(spec))


def _read(key: Key) -> tuple[Dataset, Map]:
    return cached.dataset(key[0]), read(key)


@caches.resource(max_entries=24)
def row_numbers(key: Key) -> dict[str, int]:
    """Item id -> row of a map."""
    return {id: row for row, id in enumerate(read(key).ids)}


@caches.resource(max_entries=24)
def common(keys: tuple[Key, ...]) -> tuple[list[str], list[np.ndarray] | None]:
    """Ids on all of these maps, and each one's rows, if other ones. Read, never change them."""
    return map_views.common(list(map(read, keys)))


@caches.resource(max_entries=60)
def frames(keys: tuple[Key, ...]) -> tuple[map_page.Box, map_page.Box]:
    """The square that holds these maps, and the part of it that they open with."""
    found = list(map(read, keys))
    return map_page.box(found), map_page.focus_of(found)


@caches.resource(max_entries=12)
def overlay(locator: str, version: str, sheet: str, keys: tuple, _ids: Sequence[str]) -> np.ndarray:
    """Rows of the ``_ids`` with a small picture; a fixed sample while there is no ``sheet``."""
    known = set(_sheet(locator, version).ids if sheet else _ids[:: max(1, len(_ids) // SAMPLE)])
    return np.array([row for row, id in enumerate(_ids) if id in known], np.int64)


@caches.resource(max_entries=12)
def coded(key: Key, field: str) -> tuple[np.ndarray, list[str]]:
    """The class, category or instance as a place in a list of names, int32 (n,); -1 = none."""
    values = list(map(attrgetter(field), _items(key)))
    names = [name for name in dict.fromkeys(values) if name]
    place = {None: -1, "": -1, **{name: number for number, name in enumerate(names)}}
    return np.fromiter(map(place.__getitem__, values), np.int32, len(values)), names


@caches.resource(max_entries=24)
def clusters(key: Key, field: str) -> list[map_colours.NamedCluster]:
    """The clusters of a map with the class that most of each is."""
    return map_colours.named_clusters(read(key), *coded(key, field))


@caches.resource(max_entries=12)
def _items(key: Key) -> list[Item]:
    """The pictures of a map, row by row."""
    found, made = _read(key)
    return [found.items[found.rows[id]] for id in made.ids]


@caches.data(max_entries=20)
def fields(locator: str, version: str) -> dict[str, str]:
    return map_colours.fields(cached.dataset(locator))


@caches.data(max_entries=20)
def classes(locator: str, version: str, field: str) -> list[str]:
    """The values of a field, sorted, to choose coloured ones; none for what only a map knows."""
    if field in map_colours.OF_MAP:
        return []
    found = {map_colours.words(item.value(field)) for item in cached.dataset(locator).items}
    return sorted(name for name in found if name is not None)


@caches.resource(max_entries=60)
def colours(key: Key, field: str, chosen: str) -> Colouring:
    """The colours of one map; ``chosen`` are names, one a line. Raises UserError."""
    return map_colours.colour(*_read(key), field, chosen.splitlines())


def sheet(locator: str, version: str) -> atlas.Atlas | None:
    """The small pictures of a set, where they have been made; those of a small set are made now."""
    try:
        return _sheet(locator, version)
    except LookupError:
        return None


@caches.resource(max_entries=12)
def _sheet(locator: str, version: str) -> atlas.Atlas:
    found = cached.dataset(locator)
    made = atlas.get(found, may_build=len(found.items) <= 200)
    if made is None:
        raise LookupError("not made yet")  # an error is not kept: the next run looks again
    return made


@caches.data(max_entries=12)
def sheet_uri(locator: str, version: str) -> str:
    return map_page.webp_uri(sheet(locator, version).sheets[0])


@caches.data(max_entries=60)
def raster(key: Key, field: str, chosen: str, frame: tuple) -> str:
    """All dots of a large map as one picture."""
    return map_page.raster(read(key).positions, colours(key, field, chosen), frame)


@caches.data(max_entries=60, ttl=3600.0)
def place(key: Key, query: str) -> tuple[float, float]:
    """Where a query stands on a map. Raises UserError."""
    return map_views.place(*_read(key), cached.asked(query))


@caches.data(max_entries=200, ttl=3600.0)
def hits(key: Key, query: str, k: int) -> list[str]:
    """Ids of the query's nearest in the space of a map's encoder. Raises UserError."""
    return map_views.hits(*_read(key), cached.asked(query), k)


@caches.resource(max_entries=200)
def neighbourhood(key: Key, row: int, k: int) -> Neighbourhood:
    return map_views.neighbourhood(*_read(key), row, k)


@caches.resource(max_entries=20)
def movers(first: Key, second: Key) -> list[Mover]:
    return map_views.movers(read(first), read(second))


@caches.resource(max_entries=20)
def comparable(first: Key, second: Key) -> tuple[list[str], np.ndarray, np.ndarray]:
    return map_views.comparable(read(first), read(second))


@caches.data(max_entries=40)
def refusal(locator: str, version: str, encoder: str) -> UserError | None:
    """Why no map of a small set can be drawn, known without trying; None: nothing is known."""
    found = cached.dataset(locator)
    return maps.refusal(found, encoder) if len(found.items) <= 2000 else None


def forget() -> None:
    """After a job: look again which maps there are."""
    for cache in (path, together, _sheet, refusal):
        cache.clear()
