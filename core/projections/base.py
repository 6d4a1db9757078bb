"""What every projection promises: vectors in, places on a plane out, and a place for something that
came later.

Where something new belongs on a finished map (:func:`place`) is between its nearest neighbours,
as UMAP's own transform begins. That gives every neighbour a membership (1 for the nearest, falling
with distance so that all of them sum to log2 k) and starts the new point at their weighted mean.
Here that mean is the answer: the map is not moved, nothing has to be unpickled, and the same query
always falls on the same place.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from core import options
from core.errors import UserError
from core.neighbours import nearest, without_own
from core.registry import Registry
from core.types import Hits, Progress, Step, doing, report

projections: Registry[Projection] = Registry("projection", "core.projections")

LEAST = 4
BLOCK = 65536
SEED = 0
SAMPLE = 50_000
"""What a projection can't arrange at once is arranged by a fixed sample of at most this size; every
other picture is placed among it, and the map says so."""
LANDMARK_BYTES = 512 << 20
"""Memory for the vectors of the sample, which shrinks where they are wide."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A parameter: its default, the range allowed, values worth trying, its effect."""

    default: int | float
    low: float
    high: float
    values: tuple[int | float, ...] = ()
    about: str = ""

    def check(self, name: str, value: Any) -> int | float:
        """``value`` as this setting's kind of number. Raises UserError: none, or out of range."""
        return options.number(name, value, self.default, self.low, self.high)


class Projection(ABC):
    """Unit vectors to a plane.

    A child writes ``_fit`` and ``_transform``. The base class refuses what can't be drawn and says
    why, keeps the vectors that were fitted (by reference: a memory map stays one) and checks what
    comes out.
    """

    name: str = ""
    title: str = ""
    about: str = ""
    reading: str = ""
    """One sentence: what a distance on such a map means, and what it does not."""
    settings: Mapping[str, Setting] = MappingProxyType({})
    aligns: bool = False
    """Whether :meth:`fit` takes ``anchor``: the places on another map to stay comparable with."""
    fit_up_to: int = 60_000
    """Larger sets are arranged by a sample, and the rest is placed among it."""
    version: int = 1

    def __init__(self) -> None:
        self.positions = np.zeros((0, 2), np.float32)
        self.params: dict[str, Any] = {}
        self._vectors = np.zeros((0, 0), np.float32)

    def fingerprint(self, **params: float) -> dict:
        """Every cause of the map but the vectors (and the anchor)."""
        return {
            "projection": self.name,
            "params": self.resolve(params),
            "seed": SEED,
            "version": self.version,
        }

    def fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None = None,
        anchor: np.ndarray | None = None,
        **params: float,
    ) -> np.ndarray:
        """Places of float32 (n, dim) rows: float32 (n, 2), the same for the same vectors and
        parameters.

        Raises:
            UserError: fewer than four points, fewer than three different ones, NaN, or an unknown
                parameter.
            Cancelled: ``progress`` said stop.
        """
        self.params = self.resolve(params)
        check(vectors)
        if anchor is not None and (not self.aligns or anchor.shape != (len(vectors), 2)):
            raise ValueError(
                f"{self.name} was given an anchor of shape {anchor.shape} for {len(vectors)} points"
            )
        self._vectors = vectors
        found = self._fit(vectors, progress, anchor, **self.params)
        self.positions = np.ascontiguousarray(found, dtype=np.float32)
        if self.positions.shape != (len(vectors), 2) or not np.isfinite(self.positions).all():
            raise ValueError(
                f"{self.name} gave positions of shape {self.positions.shape} that are not all"
                " finite"
            )
        return self.positions

    def transform(self, vectors: np.ndarray) -> np.ndarray:
        """Places of new float32 (q, dim) rows on a fitted map: float32 (q, 2). The map stays."""
        self._check_new(vectors)
        return self._transform(np.asarray(vectors, np.float32)).astype(np.float32)

    def settle(self, vectors: np.ndarray) -> np.ndarray:
        """Places of float32 (q, dim) rows that join the fitted map for good, as :meth:`transform`
        but nearer to their nearest neighbours where it places among these."""
        self._check_new(vectors)
        return self._settle(np.asarray(vectors, np.float32)).astype(np.float32)

    def _check_new(self, vectors: np.ndarray) -> None:
        if not len(self.positions):
            raise UserError(
                f"The projection {self.name} was asked for a place before it was fitted."
            )
        if vectors.ndim != 2 or vectors.shape[1] != self._vectors.shape[1]:
            raise UserError(
                f"A vector of shape {vectors.shape} was given.",
                f"The map has {self._vectors.shape[1]} dimensions.",
            )
        if not np.isfinite(vectors).all():
            raise UserError("A vector holds NaN or infinity.", fix="Build the embeddings again.")

    @abstractmethod
    def _fit(
        self,
        vectors: np.ndarray,
        progress: Progress | None,
        anchor: np.ndarray | None,
        **params: float,
    ) -> np.ndarray: ...

    @abstractmethod
    def _transform(self, vectors: np.ndarray) -> np.ndarray: ...

    def _settle(self, vectors: np.ndarray) -> np.ndarray:
        return self._transform(vectors)

    def save(self, folder: Path) -> None:
        """Write places and parameters into an existing folder; the vectors are not copied."""
        np.save(folder / "positions.npy", self.positions)
        (folder / "projection.json").write_text(
            json.dumps({"name": self.name, "params": self.params})
        )

    def load(self, folder: Path, vectors: np.ndarray, rows: np.ndarray | None = None) -> None:
        """Read what :meth:`save` wrote, for the vectors that it was fitted on, or for those of
        some ``rows`` of it: int64 (len(vectors),)."""
        places = np.load(folder / "positions.npy", allow_pickle=False).astype(np.float32)
        self.positions = places if rows is None else places[rows]
        self.params = json.loads((folder / "projection.json").read_text())["params"]
        self._vectors = vectors
        if len(vectors) != len(self.positions):
            raise ValueError(f"{len(vectors)} vectors for {len(self.positions)} places")

    def resolve(self, given: Mapping[str, float]) -> dict[str, Any]:
        """Defaults, overridden by what was given; an unknown parameter is a UserError."""
        for name in given:
            if name not in self.settings:
                allowed = (
                    f"It has: {', '.join(self.settings)}." if self.settings else "It has none."
                )
                raise UserError(f"The projection {self.name} has no parameter {name!r}.", allowed)
        return {
            name: setting.check(name, given.get(name, setting.default))
            for name, setting in self.settings.items()
        }


def arranged(
    made: Projection,
    vectors: np.ndarray,
    anchor: np.ndarray | None,
    progress: Progress | None,
    params: Mapping[str, float],
    most: int = 0,
) -> np.ndarray | None:
    """Fit ``made`` so that its places are those of all rows; the rows int64 that it was fitted on,
    None = all. ``most``: no more than so many; 0 = as many as the projection takes."""
    fit_up_to = min(most or made.fit_up_to, made.fit_up_to)
    marks = landmarks(len(vectors), vectors.shape[1], fit_up_to)
    if marks is None:
        made.fit(vectors, progress, anchor, **params)
        return None
    some = None if anchor is None else anchor[marks]
    made.fit(np.asarray(vectors[marks]), progress, some, **params)
    parts = _watched(len(vectors), 8192, doing(progress, Step.SETTLE))
    places = np.concatenate([made.settle(np.asarray(vectors[at : at + 8192])) for at in parts])
    places[marks] = made.positions
    made.positions = places
    return marks


def landmarks(count: int, dim: int, fit_up_to: int) -> np.ndarray | None:
    """The rows, ascending int64, of a fixed sample that is arranged in place of ``count`` vectors;
    None where all are."""
    room = LANDMARK_BYTES // (4 * dim)
    if count <= min(fit_up_to, room):
        return None
    sample = min(SAMPLE, fit_up_to, room)
    return np.sort(np.random.default_rng(0).choice(count, sample, replace=False))


def _watched(count: int, step: int, progress: Progress | None) -> Iterator[int]:
    for start in range(0, count, step):
        report(progress, start, count)
        yield start


def register(cls: type[Projection]) -> type[Projection]:
    """Class decorator: make a projection known by its ``name``."""
    projections.add(cls.name, cls)
    return cls


def check(vectors: np.ndarray) -> None:
    """Refuse what no map can show. Raises UserError with the reason."""
    if vectors.ndim != 2:
        raise UserError(f"Vectors of shape {vectors.shape} were given.", "A map takes (n, dim).")
    if len(vectors) < LEAST:
        raise too_few(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        bad = ~np.isfinite(vectors[start : start + BLOCK]).all(axis=1)
        if bad.any():
            first = start + int(np.argmax(bad))
            fix = "Delete these embeddings on the Library page, then build them again."
            raise UserError(
                f"The vector of picture number {first + 1} holds NaN or infinity.", fix=fix
            )
    different = _different(vectors)
    if different < 3:
        words = "all have the same vector" if different == 1 else "have only two different vectors"
        fix = "Choose another encoder: this one can't tell these pictures apart."
        raise UserError(
            f"The {len(vectors):,} pictures {words}, so there is nothing to arrange.", fix=fix
        )


def too_few(count: int) -> UserError:
    """The error for a set that is too small."""
    given = f"There {'is 1 picture' if count == 1 else f'are {count} pictures'}: too few for a map."
    return UserError(
        given,
        f"A map needs at least {LEAST}.",
        "Add pictures to the data set, or look at it on Compare.",
    )


def _different(vectors: np.ndarray) -> int:
    """How many different rows there are, counted up to three."""
    found = [np.asarray(vectors[0])]
    for start in range(0, len(vectors), BLOCK):
        block = np.asarray(vectors[start : start + BLOCK])
        while len(found) < 3:
            new = np.all([np.abs(block - one).max(axis=1) > 1e-7 for one in found], axis=0)
            if not new.any():
                break
            found.append(block[np.argmax(new)])
    return len(found)


def in_space(
    queries: np.ndarray,
    vectors: np.ndarray,
    k: int,
    progress: Progress | None = None,
    *,
    own: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` rows of unit ``vectors`` (n, dim) most similar to each query.

    Args:
        own: the queries are the vectors themselves; each row then comes first in its own list, at
            distance 0.

    Returns:
        int64 (q, k) rows, nearest first, and float32 (q, k) euclidean distances (cosine has the
        same order on unit rows).
    """
    plain, asked = np.asarray(vectors), np.ascontiguousarray(queries, dtype=np.float32)
    hits = nearest(asked, plain.__getitem__, range(len(plain)), k, progress)
    return (hits.ids, distances(hits)) if not own else _own_first(hits)


def distances(hits: Hits) -> np.ndarray:
    """Euclidean distances float32 (q, k) of unit vectors, from their cosines."""
    return np.sqrt(np.maximum(2.0 - 2.0 * hits.scores, 0.0)).astype(np.float32)


def _own_first(hits: Hits) -> tuple[np.ndarray, np.ndarray]:
    """Each row, and then the others: copies of a picture may come before the picture itself."""
    rows = np.arange(len(hits.ids))
    others = without_own(hits, rows, hits.ids.shape[1] - 1)
    far = np.append(np.zeros((len(rows), 1), np.float32), distances(others), axis=1)
    return np.append(rows[:, None], others.ids, axis=1), far


def on_map(queries: np.ndarray, positions: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` places of (n, 2) nearest to each of (q, 2): int64 (q, k) rows, nearest first."""
    from scipy.spatial import cKDTree

    return cKDTree(positions).query(queries, k=range(1, k + 1), workers=-1)[1]


SETTLED = 0.1
"""Where many points join a map, means would gather them between the groups: each stays near its
nearest neighbour. Measured in docs/maps.md."""
STEPS = 48
TINY = 1e-9


def place(
    vectors: np.ndarray, fitted: np.ndarray, positions: np.ndarray, k: int, away: float = 1.0
) -> np.ndarray:
    """Places float32 (q, 2) of new unit ``vectors`` (q, dim) on the map ``positions`` (n, 2) of
    ``fitted`` (n, dim): ``away`` of the way from the nearest neighbour to their mean."""
    k = min(k, len(fitted))
    rows, distances = in_space(vectors, fitted, k)
    weights = memberships(distances)
    means = (positions[rows] * weights[..., None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)
    if away < 1:
        means = positions[rows[:, 0]] + away * (means - positions[rows[:, 0]])
    return means.astype(np.float32)


def memberships(distances: np.ndarray) -> np.ndarray:
    """Membership of each neighbour, float64 (q, k) in (0, 1], from distances (q, k), nearest first.

    exp(-(d - d_nearest) / sigma), sigma by bisection so that a row sums to log2(k): McInnes, Healy
    and Melville, 2018, algorithm 3 (smooth kNN distances).
    """
    over = np.asarray(distances, np.float64)
    over = over - over[:, :1]
    target = np.log2(max(over.shape[1], 2))
    low, high = np.full(len(over), TINY), np.full(len(over), 64.0)
    for _ in range(STEPS):
        sigma = np.sqrt(low * high)
        too_much = np.exp(-over / sigma[:, None]).sum(axis=1) > target
        high, low = np.where(too_much, sigma, high), np.where(too_much, low, sigma)
    # as UMAP: equal vectors share, none takes all
    floor = 1e-3 * np.maximum(np.asarray(distances).mean(axis=1), TINY)
    return np.exp(-over / np.maximum(sigma, floor)[:, None])
