"""Groups on a map, their most typical pictures, and whether they are the groups that the labels
name."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ALL_UP_TO = 60_000
BLOCK = 65_536
"""Vectors that are read at a time."""
SHARE = 0.005
LEAST, MOST = 5, 150


@dataclass(frozen=True, slots=True)
class Agreement:
    """Clusters against labels: adjusted Rand index and normalised mutual information, over
    ``points`` that have both."""

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
    if count <= ALL_UP_TO:
        return ordered(_hdbscan(positions, smallest))
    chosen = np.random.default_rng(0).choice(count, ALL_UP_TO, replace=False)
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
    """The row of each cluster's most typical picture: least summed cosine distance in the space to
    the others of it."""
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
    """How far clusters are the labels; points without a label or a cluster stay out. None where
    nothing can be compared."""
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
