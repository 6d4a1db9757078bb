"""The shape of a cloud of unit vectors: what goes wrong in it whatever the labels say."""

import numpy as np

from core.neighbours import dots

PAIRS = 200_000
SEED = 0


def occurrences(top: np.ndarray, gallery: int) -> np.ndarray:
    """How often each is in a top K, int64 (gallery,). ``top`` (q, K): columns, -1 = none."""
    return np.bincount(top[top >= 0], minlength=gallery)


def hubness(counts: np.ndarray) -> dict[str, float]:
    """k-occurrence skewness (Radovanovic, Nanopoulos and Ivanovic, 2010), share never found, and
    the largest hub.

    Skewness 0: every item is found about equally often. Large: a few hubs stand in everyone's
    answer.
    """
    from scipy.stats import skew  # half a second of every first page, were it read with the file

    mean = counts.mean() if len(counts) else 0.0
    flat = len(counts) < 2 or counts.std() == 0
    return {
        "skewness": 0.0 if flat else float(skew(counts)),
        "never found": float((counts == 0).mean()) if len(counts) else 0.0,
        "largest": int(counts.max(initial=0)),
        "mean": float(mean),
    }


def random_cosines(vectors: np.ndarray, pairs: int = PAIRS, seed: int = SEED) -> np.ndarray:
    """Cosines of random pairs of different rows, float64 (pairs,)."""
    rng, count = np.random.default_rng(seed), len(vectors)
    one = rng.integers(0, count, pairs)
    other = (one + rng.integers(1, count, pairs)) % count
    found = np.empty(pairs)
    for start in range(0, pairs, 20_000):
        part = slice(start, start + 20_000)
        found[part] = dots(vectors[one[part]], vectors[other[part]])
    return found


def effective_dimensions(vectors: np.ndarray) -> float:
    """Participation ratio of the covariance's eigenvalues: 1 = a line, dim = all directions."""
    centred = np.asarray(vectors, np.float64)
    centred = centred - centred.mean(axis=0)
    small = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    total = np.trace(small)
    return float(total**2 / (small**2).sum()) if total > 0 else 0.0


def threshold_for(
    scores: np.ndarray, right: np.ndarray, precision: float, fewest: int = 50
) -> float | None:
    """The lowest threshold at which pairs at or above it are right with this precision; None where
    none is.

    Fewer than ``fewest`` pairs are no ground for a promise.
    """
    order = np.argsort(-scores, kind="stable")
    sorted_scores, hits = scores[order], np.cumsum(right[order])
    # a threshold takes all pairs of one score
    last = np.append(sorted_scores[1:] != sorted_scores[:-1], True)
    count = np.arange(1, len(order) + 1)
    good = np.flatnonzero(last & (count >= fewest) & (hits / count >= precision))
    return float(sorted_scores[good[-1]]) if len(good) else None


def expected_calibration_error(
    probabilities: np.ndarray, right: np.ndarray, bins: int = 10
) -> float:
    """Mean distance of probability and share right, over bins by size (Naeini et al., 2015)."""
    which = np.minimum((probabilities * bins).astype(int), bins - 1)
    sizes = np.bincount(which, minlength=bins)
    gaps = np.abs(np.bincount(which, probabilities, bins) - np.bincount(which, right, bins))
    return float(gaps.sum() / sizes.sum()) if sizes.sum() else 0.0
