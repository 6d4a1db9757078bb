"""Queries drawn again: how far a mean over them moves, and whether a difference survives it."""

from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset
from core.metrics import statistics
from core.services.embedding.roles import cluster_of
from core.services.search.request import item_of
from core.services.teaching.contests import precisions

SEED = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """AP of two encoders on the same queries, float64 (q, 2), and the product of each query."""

    scores: np.ndarray
    products: np.ndarray


@dataclass(frozen=True, slots=True)
class Certainty:
    """Means of both encoders and of their difference; the 95 % interval of that difference, and the
    p-value of a paired permutation test."""

    means: tuple[float, float]
    difference: float
    low: float
    high: float
    p: float

    @property
    def certain(self) -> bool:
        return self.low > 0 or self.high < 0


def measured(dataset: Dataset, one: str, other: str, products: int) -> Measured:
    """The queries of the first ``products`` objects, in a fixed random order. Raises UserError."""
    protocol = dataset.protocol()
    queries = sorted(item.id for item in dataset.items if protocol.is_query(item))
    of = np.array([cluster_of(item_of(dataset, id)) for id in queries])
    names = np.unique(of)
    chosen = np.random.default_rng(SEED).permutation(names)[:products]
    asked = [id for id, name in zip(queries, of, strict=True) if name in set(chosen)]
    scores = np.stack([precisions(dataset, name, asked) for name in (one, other)], axis=1)
    return Measured(scores, of[np.isin(of, chosen)])


def certainty(dataset: Dataset, one: str, other: str, products: int) -> Certainty:
    """What the system says of the difference of two encoders on so many products."""
    found = measured(dataset, one, other, products)
    apart = found.scores[:, 0] - found.scores[:, 1]
    low, high = statistics.interval(apart, found.products)
    p = statistics.paired_p_values(found.scores, found.products)[0, 1]
    means = found.scores.mean(axis=0)
    return Certainty(
        (float(means[0]), float(means[1])),
        float(apart.mean()),
        float(low[0]),
        float(high[0]),
        float(p),
    )


def drawn(found: Measured, count: int) -> tuple[tuple[float, ...], tuple[tuple[str, int], ...]]:
    """``count`` bootstrap samples, at least one: as many products as there are, drawn with
    replacement. More draws begin with the same ones.

    Returns:
        The difference of the means in each sample, and how often each product stands in the last.
    """
    data = statistics.Clustered.of(found.scores[:, 0] - found.scores[:, 1], found.products)
    names = np.unique(found.products)
    rng = np.random.default_rng(SEED + 1)
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=count)
    means = (weights @ data.sums)[:, 0] / (weights @ data.sizes)
    last = tuple((str(name), int(times)) for name, times in zip(names, weights[-1], strict=True))
    return tuple(means.tolist()), last
