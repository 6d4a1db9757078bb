"""Map quality: trustworthiness and continuity, for the map and for each point.

Venna and Kaski, 2001. Trustworthiness is high where a point's neighbours on the map are near in the
space too, continuity where its neighbours in the space are near on the map. 1 = all of them; 0.5 is
about chance.

And the groups on it: their most typical pictures, and whether they are the groups that the labels
name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.neighbours import cosine_matrix, rows_without_own
from core.projections.base import in_space, on_map
from core.types import Progress, Step, doing, report

NEIGHBOURS = 10
ALL_UP_TO = 6_000
SAMPLE = 3_000
LISTS_UP_TO = 100_000
"""Above this the neighbours kept, too, are counted for the sample alone."""
CELLS = 8_000_000
BLOCK = 65_536
LEAST_SAMPLE, PAIRS = 500, 300_000_000
"""The sample shrinks where the set is huge: pairs of points to rank, about a minute on one core."""


@dataclass(frozen=True, slots=True)
class Quality:
    """``trust`` and ``continuity`` float32 (n,), NaN where a point was not in the sample; and their
    means.

    ``kept`` float32 (n,) is the share of a point's ``k`` nearest in the space that are among its
    ``k`` nearest on the map; ``nearest`` int32 (n,) is the row nearest to it in the space; NaN and
    -1 where they were not asked for. ``measured`` says for how many points trust and continuity
    were measured, each against all points.
    """

    trust: np.ndarray
    continuity: np.ndarray
    kept: np.ndarray
    nearest: np.ndarray
    k: int
    measured: int

    @property
    def trustworthiness(self) -> float:
        return float(np.nanmean(self.trust))

    @property
    def mean_continuity(self) -> float:
        return float(np.nanmean(self.continuity))


def measure(
    vectors: np.ndarray,
    positions: np.ndarray,
    k: int = NEIGHBOURS,
    progress: Progress | None = None,
    all_up_to: int = ALL_UP_TO,
    sample: int = SAMPLE,
    only: np.ndarray | None = None,
) -> Quality:
    """Measure a map (n, 2) of unit vectors (n, dim); above ``all_up_to`` points by a fixed sample,
    each against all others. ``only`` int64 (m,), ascending: measure these points and no others."""
    count = len(positions)
    k = max(1, min(k, (count - 1) // 2))
    asked = np.arange(count)
    if count > all_up_to:
        sample = max(LEAST_SAMPLE, min(sample, PAIRS // count))
        asked = np.sort(np.random.default_rng(0).choice(count, sample, replace=False))
    listed = np.arange(count) if count <= LISTS_UP_TO else asked
    asked, listed = (asked, listed) if only is None else (only, only)
    trust, continuity, kept = np.full((3, count), np.nan, np.float32)
    nearest = np.full(count, -1, np.int32)
    if not len(listed):
        return Quality(trust, continuity, kept, nearest, k, 0)
    space, plane = _lists(vectors, positions, k, listed, doing(progress, Step.LISTS))
    nearest[listed] = space[:, 0]
    step = max(1, CELLS // count)
    for start in range(0, len(listed), BLOCK):
        some = slice(start, start + BLOCK)
        kept[listed[some]] = _shared(space[some], plane[some])
    progress = doing(progress, Step.MEASURE)
    for start in range(0, len(asked), step):
        report(progress, start, len(asked))
        part = asked[start : start + step]
        own = np.searchsorted(listed, part)
        far = -cosine_matrix(vectors[part], vectors)  # in the order of the distances
        near = (positions[part, :1] - positions[:, 0]) ** 2 + (
            positions[part, 1:] - positions[:, 1]
        ) ** 2
        trust[part] = 1 - _surprise(far, part, plane[own], k) * _scale(count, k)
        continuity[part] = 1 - _surprise(near, part, space[own], k) * _scale(count, k)
    report(progress, len(asked), len(asked))
    return Quality(trust, continuity, kept, nearest, k, len(asked))


def _lists(
    vectors: np.ndarray, positions: np.ndarray, k: int, rows: np.ndarray, progress: Progress | None
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest of ``rows`` in the space and on the map, int64 (rows, k) each."""
    found, _ = in_space(np.asarray(vectors[rows]), vectors, k + 1, progress)
    space = rows_without_own(found, rows, k)
    return space, rows_without_own(on_map(positions[rows], positions, k + 1), rows, k)


def _shared(space: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Share of each row of ``space`` (m, k) that ``plane`` (m, k) holds too, float64 (m,)."""
    return (space[:, :, None] == plane[:, None, :]).any(axis=2).mean(axis=1)


def _scale(count: int, k: int) -> float:
    return 2.0 / (k * (2.0 * count - 3.0 * k - 1.0))


def _surprise(distances: np.ndarray, own: np.ndarray, neighbours: np.ndarray, k: int) -> np.ndarray:
    """Sum over each row's neighbours of how far their rank lies beyond ``k``."""
    distances[np.arange(len(own)), own] = -np.inf
    found = np.zeros(len(own))
    for column in range(neighbours.shape[1]):
        limit = np.take_along_axis(distances, neighbours[:, column : column + 1], axis=1)
        rank = (distances < limit).sum(axis=1)  # the row itself counts one: the nearest has rank 1
        found += np.maximum(rank - k, 0)
    return found


CLUSTERED_UP_TO = 60_000
"""Vectors that are read at a time."""
SHARE = 0.005
LEAST, MOST = 5, 150


@dataclass(frozen=True, slots=True)
class Agreement:
    """Adjusted Rand index and normalised mutual information, over ``points`` with both."""

    rand: float
    information: float
    points: int


def find(positions: np.ndarray, smallest: int = 0) -> np.ndarray:
    """Dense regions of a map (n, 2): int32 (n,) cluster numbers, the largest first, -1 where it is
    thin.

    HDBSCAN (Campello, Moulavi and Sander, 2013) of scikit-learn; ``smallest`` = 0 chooses half a
    percent of the points, 5 to 150. Above 60,000 points a fixed sample is clustered and every other
    point follows the nearest of it.
    """
    from scipy.spatial import cKDTree

    count = len(positions)
    if count <= CLUSTERED_UP_TO:
        return ordered(_hdbscan(positions, smallest))
    chosen = np.random.default_rng(0).choice(count, CLUSTERED_UP_TO, replace=False)
    found = _hdbscan(positions[chosen], smallest)
    return ordered(found[cKDTree(positions[chosen]).query(positions, workers=-1)[1]])


def usual_size(count: int) -> int:
    """The smallest cluster that is looked for among ``count`` points."""
    return int(np.clip(round(count * SHARE), LEAST, MOST))


def _hdbscan(positions: np.ndarray, smallest: int) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    size = min(smallest or usual_size(len(positions)), len(positions) - 1)
    model = HDBSCAN(
        min_cluster_size=max(size, 2),
        min_samples=min(5, max(size, 2)),
        algorithm="kd_tree",
        copy=True,
    )
    return model.fit_predict(positions.astype(np.float64))


def ordered(found: np.ndarray) -> np.ndarray:
    """Cluster numbers int32 (n,) by size, the largest 0; -1 stays."""
    known, sizes = np.unique(found[found >= 0], return_counts=True)
    order = {int(old): new for new, old in enumerate(known[np.argsort(-sizes, kind="stable")])}
    return np.array([order.get(int(one), -1) for one in found], dtype=np.int32)


def medoids(vectors: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """The row of each cluster's most typical picture: least cosine distance to its others."""
    rows = [
        np.flatnonzero(clusters == number) for number in range(int(clusters.max(initial=-1)) + 1)
    ]
    return np.array([own[_most_typical(vectors, own)] for own in rows], dtype=np.int64)


def _most_typical(vectors: np.ndarray, own: np.ndarray) -> int:
    """The place in ``own`` (m,) of the row nearest to their mean; a block at a time."""
    parts = [own[start : start + BLOCK] for start in range(0, len(own), BLOCK)]
    means = [vectors[part].mean(axis=0) for part in parts]
    mean = means[0] if len(parts) == 1 else np.average(means, axis=0, weights=list(map(len, parts)))
    return int(np.argmax(np.concatenate([vectors[part] @ mean for part in parts])))


def against_labels(clusters: np.ndarray, labels: Sequence[object]) -> Agreement | None:
    """How far clusters are the labels, over points with both; None where there are none."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    both = [row for row, label in enumerate(labels) if label is not None and clusters[row] >= 0]
    if len(both) < 2:
        return None
    names, ours = [str(labels[row]) for row in both], clusters[both]
    return Agreement(
        float(adjusted_rand_score(names, ours)),
        float(normalized_mutual_info_score(names, ours)),
        len(both),
    )
