"""What a page asks of finished maps: places of queries, neighbourhoods, what a lasso holds, what
moves between two maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.errors import UserError
from core.images import decode
from core.neighbours import nearest as nearest_rows
from core.neighbours import rows_without_own
from core.projections.base import on_map
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.maps import maps
from core.services.maps.maps import Map
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """One picture's nearest in the space and on the map: rows, nearest first; ``shared`` are in
    both."""

    space: tuple[int, ...]
    plane: tuple[int, ...]

    @property
    def shared(self) -> set[int]:
        return set(self.space) & set(self.plane)


@dataclass(frozen=True, slots=True)
class Mover:
    """A picture that stands ``shift`` map radii away on the second map, and has ``kept`` of its
    ``k`` neighbours there."""

    id: str
    shift: float
    kept: int
    k: int


def common(found: Sequence[Map]) -> tuple[list[str], list[np.ndarray] | None]:
    """Ids that stand on every map, in the order of the first, and each map's rows of them; no rows
    where all ids are the same."""
    first, others = found[0].ids, found[1:]
    if all(one.ids == first for one in others):
        return list(first), None
    places = [{id: row for row, id in enumerate(one.ids)} for one in found]
    ids = [id for id in first if all(id in known for known in places[1:])]
    return ids, [np.array([known[id] for id in ids], np.int64) for known in places]


def place(dataset: Dataset, found: Map, query: Query) -> tuple[float, float]:
    """Where a query stands on a map: a picture of the map at its own place, any other where its
    vector belongs.

    Raises:
        UserError: a picture that can't be read, or vectors that a new picture can't be compared
            with.
    """
    if query.item_id is not None and query.item_id in found.ids:
        x, y = found.positions[found.ids.index(query.item_id)]
        return float(x), float(y)
    encoder = bound(dataset, found.wanted.encoder).loaded()
    if encoder.tier == "imported":
        raise UserError(
            f"{encoder.name} are imported vectors: a new picture has no place on their map."
        )
    data = (
        query.data
        if query.item_id is None
        else dataset.read(dataset.items[dataset.rows[query.item_id]])
    )
    if data is None:
        raise UserError("No query picture was given.")
    vector = encoder.encode([decode(data, encoder.side)])
    x, y = maps.projection_of(found, stored.read(dataset, encoder).vectors).transform(vector)[0]
    return float(x), float(y)


def neighbourhood(dataset: Dataset, found: Map, row: int, k: int = 10) -> Neighbourhood:
    """The nearest ``k`` of one picture in the space and on its map."""
    vectors = bound(dataset, found.wanted.encoder).vectors().vectors
    far = ((found.positions - found.positions[row]) ** 2).sum(axis=1)
    far[row] = np.inf
    k = min(k, len(far) - 1)
    return Neighbourhood(_others(vectors, row, range(len(vectors)), k), _least(far, k))


def _others(vectors: np.ndarray, row: int, rows: np.ndarray | range, k: int) -> tuple[int, ...]:
    """The ``k`` of ``rows`` that are most similar to ``row``, without itself."""
    found = nearest_rows(
        np.asarray(vectors[row : row + 1]), np.asarray(vectors).__getitem__, rows, k + 1
    )
    others = rows_without_own(found.ids, np.array([row]), k)[0]
    return tuple(others[others >= 0].tolist())


def _least(values: np.ndarray, k: int) -> tuple[int, ...]:
    rows = np.argpartition(values, k - 1)[:k]
    return tuple(int(row) for row in rows[np.lexsort((rows, values[rows]))])


def hits(dataset: Dataset, found: Map, query: Query, k: int) -> list[str]:
    """Ids of the ``k`` nearest of the gallery: what a search finds. A picture of the map needs no
    encoder for it.

    Raises:
        UserError: a picture that can't be read.
    """
    own = query.item_id
    if own is None or own not in found.ids:
        return [
            hit.id for hit in search(SearchRequest(query, found.wanted.encoder, k=k), dataset).hits
        ]
    vectors = bound(dataset, found.wanted.encoder).vectors().vectors
    protocol, row = dataset.protocol(), found.ids.index(own)
    rows: np.ndarray | range = range(len(vectors))
    if protocol.gallery:
        rows = np.flatnonzero(
            [protocol.in_gallery(dataset.items[dataset.rows[id]]) for id in found.ids]
        )
    return [found.ids[at] for at in _others(vectors, row, rows, k)]


def most_typical(dataset: Dataset, found: Map, rows: Sequence[int]) -> str:
    """The id of the picture that is nearest to all the others of ``rows`` in the space."""
    vectors = bound(dataset, found.wanted.encoder).vectors().vectors
    own = np.asarray(vectors[np.asarray(rows)])
    return found.ids[int(rows[int((own @ own.mean(axis=0)).argmax())])]


def middle(found: Map, rows: Sequence[int]) -> str:
    """The id of the picture nearest to the middle of ``rows`` on the map."""
    own = found.positions[np.asarray(rows)]
    return found.ids[int(rows[int(((own - own.mean(axis=0)) ** 2).sum(axis=1).argmin())])]


def nearest(found: Map, x: float, y: float) -> int:
    """The row whose place is nearest to a point of the map."""
    return int(((found.positions - np.array([x, y], np.float32)) ** 2).sum(axis=1).argmin())


def inside(positions: np.ndarray, polygon: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows of (n, 2) places inside a closed polygon (even-odd rule), ascending."""
    corners = np.asarray(polygon, np.float64).reshape(-1, 2)
    if len(corners) < 3 or not np.isfinite(corners).all():
        return np.zeros(0, np.int64)
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(((positions >= low) & (positions <= high)).all(axis=1))
    x, y = positions[near].astype(np.float64).T
    odd = np.zeros(len(near), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return near[odd]


def movers(first: Map, second: Map, count: int = 24, k: int = 10) -> list[Mover]:
    """Pictures that stand farthest from their place on the first map, farthest first.

    The second map is turned and shifted onto the first, and both are measured in their own radius
    (root mean square distance from the middle), so that size does not count as movement.
    """
    ids, a, b = comparable(first, second)
    if len(ids) < 3:
        return []
    shift = np.linalg.norm(b - a, axis=1)
    k = min(k, len(ids) - 1)
    own = np.arange(len(ids))
    lists = [rows_without_own(on_map(side, side, k + 1), own, k) for side in (a, b)]
    kept = (lists[0][:, :, None] == lists[1][:, None, :]).any(axis=2).sum(axis=1)
    order = np.lexsort((own, kept, -np.round(shift, 3)))[:count]
    return [Mover(ids[at], float(shift[at]), int(kept[at]), k) for at in order]


def comparable(first: Map, second: Map) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids on both maps, and their places (n, 2) on each in map radii, the second map turned and
    mirrored onto the first."""
    from core.projections.aligned import turned_onto

    other = {id: row for row, id in enumerate(second.ids)}
    rows = np.array(
        [(row, other[id]) for row, id in enumerate(first.ids) if id in other], np.int64
    ).reshape(-1, 2)
    a, b = _scaled(first.positions[rows[:, 0]]), _scaled(second.positions[rows[:, 1]])
    return [first.ids[row] for row in rows[:, 0]], a, turned_onto(b, a).astype(np.float32)


def _scaled(places: np.ndarray) -> np.ndarray:
    """Places around their middle, in units of their root mean square radius."""
    centred = places - places.mean(axis=0)
    return centred / max(float(np.sqrt((centred**2).sum(axis=1).mean())), 1e-12)


def density(positions: np.ndarray, k: int = 10) -> np.ndarray:
    """How crowded each place is, float32 (n,) from 0 (thinnest) to 1: the rank of the distance to
    the k-th neighbour."""
    from scipy.spatial import cKDTree

    k = min(k, len(positions) - 1)
    far = cKDTree(positions).query(positions, k=[k + 1], workers=-1)[0][:, 0]
    ranks = np.empty(len(far), np.float32)
    ranks[np.argsort(-far, kind="stable")] = np.linspace(0, 1, len(far), dtype=np.float32)
    return ranks
