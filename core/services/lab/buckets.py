"""Hashing made visible: which bits or bands of two pictures collide, and how probable that was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.datasets.base import Dataset

METHODS = ("lsh", "minhash")


@dataclass(frozen=True, slots=True)
class Pair:
    """The query and one other picture. ``similarity``: what the method hashes (lsh: cosine; minhash: Jaccard of the sets);
    ``cosine`` always. ``equal`` bool (bits or permutations,): which agree; ``bands`` bool (bands,): which agree as a whole;
    ``expected``: probability that a pair this similar meets in some band; ``met``: whether it did."""

    id: str
    path: str
    label: str | None
    cosine: float
    similarity: float
    equal: np.ndarray
    bands: np.ndarray
    expected: float
    met: bool


@dataclass(frozen=True, slots=True)
class Buckets:
    """``code`` (bits or permutations,): the query's own signature. ``pairs``: the exact nearest, and some far ones, by falling
    similarity. ``similarity``, ``probability`` (m,): the collision curve. ``measured``: rows of (similarity, share of real pairs
    that met, pairs), binned. ``threshold`` and the ``at_threshold`` probability there; ``steepest``: where the curve rises most.
    ``shares``: of the gallery, how much the query meets (what has to be compared exactly). ``formula`` and ``source`` in words.
    """

    method: str
    query: str
    bits: int
    bands: int
    rows: int
    code: np.ndarray
    pairs: tuple[Pair, ...]
    similarity: np.ndarray
    probability: np.ndarray
    measured: tuple[tuple[float, float, int], ...]
    threshold: float
    at_threshold: float
    steepest: float
    shares: float
    formula: str
    source: str
    knobs: Mapping[str, float]


def buckets(
    dataset: Dataset, encoder: str, method: str, query: str, *, bits: int = 64, rows: int = 8, threshold: float = 0.5,
    hash_dim: int = 64, hits: int = 8,
) -> Buckets:  # fmt: skip
    """Hash the gallery as the index of that name does, and look at picture ``query`` (an id) and its ``hits`` nearest.

    Args:
        bits: bits of a signature (lsh), or permutations (minhash).
        rows: bits in a band (lsh): a pair meets where all bits of any band agree. For minhash, bands follow from ``threshold``.
        threshold: similarity from which pairs should meet.
        hash_dim: bits that a vector is turned into before MinHash makes a set of them.

    Raises:
        UserError: unknown names, a value out of range (with the range), embeddings not built.
    """
    raise NotImplementedError
