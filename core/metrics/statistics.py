"""How certain a mean is, and whether two encoders differ: resampling over queries, in clusters
where they hang together.

Everything takes per-query scores float64 (q,) or (q, e), one column an encoder, all on the same
queries and without NaN, and ``clusters`` (q,): queries of one cluster (views of one object) are
drawn and flipped together. Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SEED = 0
RESAMPLES = 4000
FLIPS = 20_000
LEVEL = 0.95
CELLS = 8_000_000
EXACT_UP_TO = 14
"""With so few clusters all sign patterns are tried instead of a sample."""


@dataclass(frozen=True, slots=True)
class Clustered:
    """Sums of scores and numbers of queries in c clusters: ``sums`` (c, e), ``sizes`` (c,)."""

    sums: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, clusters: np.ndarray | None = None) -> Clustered:
        columns = scores[:, None] if scores.ndim == 1 else scores
        if np.isnan(columns).any():
            raise ValueError("leave out queries that can't be judged first")
        if clusters is None:
            return cls(columns, np.ones(len(columns)))
        _, which = np.unique(clusters, return_inverse=True)
        sums = np.stack([np.bincount(which, column) for column in columns.T], axis=1)
        return cls(sums, np.bincount(which).astype(np.float64))

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def means(self) -> np.ndarray:
        return self.sums.sum(axis=0) / self.sizes.sum()


def interval(
    scores: np.ndarray,
    clusters: np.ndarray | None = None,
    level: float = LEVEL,
    seed: int = SEED,
    resamples: int = RESAMPLES,
) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap interval of the mean of each column: bias-corrected and accelerated (Efron, 1987),
    lows and highs (e,).

    Clusters are drawn with replacement and the mean is over the queries drawn. A single cluster
    says nothing about others: its interval is all of 0 to 1 for scores in that range, given as
    (-inf, inf).
    """
    return _interval(Clustered.of(scores, clusters), level, seed, resamples)


def ratio_interval(
    above: np.ndarray,
    below: np.ndarray,
    clusters: np.ndarray | None = None,
    level: float = LEVEL,
    seed: int = SEED,
) -> tuple[np.ndarray, np.ndarray]:
    """The same for sum(above) / sum(below): ``above`` (q, e), ``below`` (q,)."""
    data = Clustered.of(above, clusters)
    return _interval(
        Clustered(data.sums, Clustered.of(below, clusters).sums[:, 0]), level, seed, RESAMPLES
    )


def _interval(
    data: Clustered, level: float, seed: int, resamples: int
) -> tuple[np.ndarray, np.ndarray]:
    # the normal distribution without scipy.stats, which takes every page a second
    from scipy.special import ndtr, ndtri

    count, width = len(data), data.sums.shape[1]
    if count < 2:
        return np.full(width, -np.inf), np.full(width, np.inf)
    drawn = _bootstrap_means(data, resamples, seed)
    below = (drawn < data.means).mean(axis=0) + (drawn == data.means).mean(axis=0) / 2
    bias = ndtri(np.clip(below, 0.5 / resamples, 1 - 0.5 / resamples))
    z = ndtri([(1 - level) / 2, (1 + level) / 2])[:, None]
    shares = ndtr(bias + (bias + z) / (1 - _acceleration(data) * (bias + z)))
    low, high = (
        np.array([np.quantile(drawn[:, e], shares[end, e]) for e in range(width)]) for end in (0, 1)
    )
    return low, high


def _bootstrap_means(data: Clustered, resamples: int, seed: int) -> np.ndarray:
    """(resamples, e): each resample draws as many clusters as there are, with replacement."""
    rng, count = np.random.default_rng(seed), len(data)
    step, parts = max(1, CELLS // count), []
    for start in range(0, resamples, step):
        weights = rng.multinomial(
            count, np.full(count, 1 / count), size=min(step, resamples - start)
        )
        parts.append((weights @ data.sums) / (weights @ data.sizes)[:, None])
    return np.concatenate(parts)


def _acceleration(data: Clustered) -> np.ndarray:
    """From the means with each cluster left out once (e,)."""
    without = (data.sums.sum(axis=0) - data.sums) / (data.sizes.sum() - data.sizes)[:, None]
    off = without.mean(axis=0) - without
    spread = (off**2).sum(axis=0) ** 1.5
    return np.where(spread > 0, (off**3).sum(axis=0) / (6 * np.where(spread > 0, spread, 1)), 0.0)


def paired_p_values(
    scores: np.ndarray, clusters: np.ndarray | None = None, seed: int = SEED, flips: int = FLIPS
) -> np.ndarray:
    """Two-sided p-values (e, e) of a paired permutation test between all columns, 1 on the
    diagonal.

    If two encoders were alike, the sign of each cluster's difference would be a coin's: the
    observed mean difference is set beside those under random signs (all of them where there are at
    most 2^14).
    """
    data = Clustered.of(scores, clusters)
    observed = np.abs(_differences(data.sums.sum(axis=0)[None]))[0]
    reach = observed - 1e-9 * max(1.0, np.abs(data.sums).sum(axis=0).max())
    every = len(data) <= EXACT_UP_TO
    count, wide = np.zeros_like(observed), 0
    for signs in _signs(len(data), every, seed, flips):
        count += (np.abs(_differences(signs @ data.sums)) >= reach).sum(axis=0)
        wide += len(signs)
    p = count / wide if every else (count + 1) / (wide + 1)
    np.fill_diagonal(p, 1.0)
    return p


def _signs(count: int, every: bool, seed: int, flips: int):
    """Blocks of float32 +1 / -1 rows (b, count)."""
    if every:
        yield 1.0 - 2.0 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return
    rng, step = np.random.default_rng(seed), max(1, CELLS // count)
    for start in range(0, flips, step):
        yield 1.0 - 2.0 * rng.integers(
            0, 2, (min(step, flips - start), count), dtype=np.int8
        ).astype(np.float64)


def _differences(sums: np.ndarray) -> np.ndarray:
    """(b, e) -> (b, e, e): each column minus each other."""
    return sums[:, :, None] - sums[:, None, :]


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction of a symmetric table of p-values over all its pairs (Holm, 1979)."""
    size = len(p_values)
    upper = np.triu_indices(size, 1)
    adjusted = np.ones((size, size))
    adjusted[upper] = holm_list(p_values[upper])
    return np.minimum(adjusted, adjusted.T)


def holm_list(p_values: np.ndarray) -> np.ndarray:
    """Holm's correction of m p-values (m,)."""
    order = np.argsort(p_values, kind="stable")
    stepped = p_values[order] * np.arange(len(order), 0, -1)
    out = np.empty(len(order))
    out[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return out


def shared_ranks(means: np.ndarray, adjusted: np.ndarray, alpha: float = 1 - LEVEL) -> np.ndarray:
    """1 + the number of encoders that are certainly better (higher mean and adjusted p < alpha),
    int64 (e,).

    Encoders that can't be told apart from the best share rank 1, and so on.
    """
    better = (means[None, :] > means[:, None]) & (adjusted < alpha)
    return 1 + better.sum(axis=1)


def smallest_difference(
    one: np.ndarray,
    other: np.ndarray,
    clusters: np.ndarray | None = None,
    alpha: float = 1 - LEVEL,
    power: float = 0.8,
) -> float:
    """The true difference of two means that a paired test on so many queries finds with probability
    ``power``.

    From the spread of the differences of clusters, by the normal approximation; ``inf`` with fewer
    than two clusters. Pass ``alpha`` divided by the number of pairs where all pairs are tested.
    """
    from scipy.special import ndtri

    data = Clustered.of(np.asarray(one, float) - np.asarray(other, float), clusters)
    if len(data) < 2:
        return float("inf")
    residual = data.sums[:, 0] - data.means[0] * data.sizes
    error = np.sqrt((residual**2).sum() * len(data) / (len(data) - 1)) / data.sizes.sum()
    return float((ndtri(1 - alpha / 2) + ndtri(power)) * error)


PERCENTILES = (50, 95, 99)


def summary(milliseconds: Sequence[float]) -> dict[str, float]:
    """``p50``, ``p95``, ``p99`` in ms, times that occurred, and ``runs``; or empty."""
    if not len(milliseconds):
        return {}
    values = np.percentile(np.asarray(milliseconds, float), PERCENTILES, method="inverted_cdf")
    return {
        **{f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)},
        "runs": len(milliseconds),
    }
