"""A larger gallery with the structure of the real one: real vectors, and synthetic ones drawn
around them.

A synthetic vector starts at a random real one, moves a little towards the mean of its ``NEAR``
nearest neighbours, and is then spread along the directions to them by normal weights: a smoothed
bootstrap (Silverman and Young, 1987) whose kernel has the covariance of the neighbourhood, so that
it stays in the few directions in which pictures differ there. The width of the kernel is fitted: a
quarter of the gallery, enlarged to the whole, must have the whole's distance to the nearest
neighbour.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import UserError
from core.indexes.base import indexes
from core.metrics import geometry
from core.neighbours import nearest, rows_without_own, without_own
from core.types import Progress, report

VERSION = 1
SEED = 0
NEAR = 16
PULL = 0.4
"""How far towards the mean of the neighbours: else the cloud would grow wider than the real one."""
PART = 4
FITTED_ON = 12_000
LOOKED_AT = 2000
PROBED = 16
STEPS = 10
WIDTHS = (0.003, 2.0)
BLOCK = 4096
K = 10
LEAST = PART * (NEAR + 2)
ABOUT = (
    "A quarter of the real vectors was enlarged to the size of all by the same recipe, and compared"
    " with all. Distances are Euclidean, of unit vectors; of the nearest one the median was fitted,"
    " everything else follows. What a real gallery of the larger size would look like can't be"
    " checked without having one."
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """How like the real vectors synthetic ones are. ``rows``: statistic, real value, synthetic
    value, tolerance (as a share of the real value), and whether it is kept. ``alike``: all are.
    ``about``: what was compared, and what can't be checked.
    """

    rows: tuple[tuple[str, float, float, float, bool], ...]
    alike: bool
    about: str = ABOUT


STATISTICS = (
    ("distance to the nearest, median", 0.1),
    ("distance to the nearest, 10 of 100 are below", 0.25),
    ("distance to the nearest, 90 of 100 are below", 0.15),
    ("distance to the 10th nearest, median", 0.2),
    ("skewness of how often a picture is found (hubness)", 1.0),
)
"""What is compared, and how far the synthetic value may lie from the real one."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What synthetic vectors are drawn with: neighbours ``near`` int64 (n, NEAR), ``width``."""

    near: np.ndarray
    width: float


def fit(vectors: np.ndarray, progress: Progress | None = None) -> tuple[Kernel, Likeness]:
    """The kernel for float32 (n, dim) unit rows, and how well it does.

    Raises:
        UserError: fewer vectors than a neighbourhood needs.
        Cancelled: ``progress`` said stop.
    """
    check_enough(len(vectors))
    rng = np.random.default_rng(SEED)
    whole = np.ascontiguousarray(
        vectors[np.sort(rng.permutation(len(vectors))[:FITTED_ON])], np.float32
    )
    part = whole[np.sort(rng.permutation(len(whole))[: len(whole) // PART])]
    near, real = neighbours(part, NEAR, progress), _statistics(whole)
    low, high = WIDTHS
    for step in range(STEPS):
        report(progress, step, STEPS)
        width = float(np.sqrt(low * high))
        made = _statistics(_grown(part, Kernel(near, width), len(whole)))
        low, high = (width, high) if made[0] < real[0] else (low, width)
    return Kernel(neighbours(vectors, NEAR, progress), width), _compared(real, made)


def check_enough(count: int) -> None:
    """Raises UserError: fewer vectors than a neighbourhood needs."""
    if count < LEAST:
        raise UserError(
            f"{count} vectors can't be enlarged.",
            f"At least {LEAST} are needed to see their structure.",
        )


def enlarge(
    vectors: np.ndarray, kernel: Kernel, size: int, progress: Progress | None = None
) -> np.ndarray:
    """float32 (size, dim) unit rows: ``vectors`` first, then synthetic ones; reproducible."""
    return _grown(vectors, kernel, size, progress)


def neighbours(vectors: np.ndarray, count: int, progress: Progress | None = None) -> np.ndarray:
    """Rows of the ``count`` nearest others of each row, int64 (n, count); of many rows nearly."""
    index, found = indexes.get("exact" if len(vectors) <= FITTED_ON else "ivf_flat"), []
    knobs: dict[str, Any] = {} if index.exact else {"nprobe": PROBED}
    index.build(np.ascontiguousarray(vectors, np.float32), progress)
    for start in range(0, len(vectors), BLOCK):
        report(progress, start, len(vectors))
        hits = index.search(np.asarray(vectors[start : start + BLOCK]), count + 1, **knobs).ids
        found.append(rows_without_own(hits, np.arange(start, start + len(hits)), count))
    return np.concatenate(found)


def _grown(
    vectors: np.ndarray, kernel: Kernel, size: int, progress: Progress | None = None
) -> np.ndarray:
    rng, out = np.random.default_rng(SEED), np.empty((size, vectors.shape[1]), np.float32)
    out[: len(vectors)] = vectors
    for start in range(len(vectors), size, BLOCK):
        report(progress, start, size)
        parents = rng.integers(0, len(vectors), min(BLOCK, size - start))
        weights = kernel.width * rng.standard_normal(
            (len(parents), NEAR), dtype=np.float32
        ) + np.float32(PULL / NEAR)
        own = out[parents]
        made = own * (1 - weights.sum(axis=1, keepdims=True))
        # one neighbour at a time: all at once would be sixteen times the memory
        for place in range(NEAR):
            made += weights[:, place : place + 1] * out[kernel.near[parents, place]]
        length = np.linalg.norm(made, axis=1, keepdims=True)
        out[start : start + len(parents)] = np.where(
            length > 1e-6, made / np.maximum(length, 1e-6), own
        )
    return out


def _statistics(vectors: np.ndarray) -> np.ndarray:
    """The values of ``STATISTICS``, on a fixed sample of rows against all."""
    rows = np.sort(np.random.default_rng(SEED).permutation(len(vectors))[:LOOKED_AT])
    hits = without_own(
        nearest(vectors[rows], vectors.__getitem__, range(len(vectors)), K + 1), rows, K
    )
    distances = np.sqrt(np.maximum(2 - 2 * hits.scores.astype(float), 0))
    counts = geometry.occurrences(hits.ids, len(vectors))
    quantiles = np.quantile(distances[:, 0], (0.5, 0.1, 0.9))
    return np.array([*quantiles, np.median(distances[:, -1]), geometry.hubness(counts)["skewness"]])


def _compared(real: np.ndarray, made: np.ndarray) -> Likeness:
    rows = []
    for (name, tolerance), one, other in zip(STATISTICS, real, made, strict=True):
        kept = abs(other - one) <= tolerance * max(abs(one), 1e-3)
        rows.append((name, round(float(one), 4), round(float(other), 4), tolerance, bool(kept)))
    return Likeness(tuple(rows), all(row[-1] for row in rows))
