"""The stages of a waterfall, as asked for and as measured."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages: PCA to ``pca`` dimensions (0 = none), ``code`` (one of ``CODES``; ``pq`` keeps
    ``pq_bytes`` bytes a vector, 0 = chosen by the dimension), ``index`` by name or with knobs, and
    ``rerank`` * k candidates compared by their full vectors (0 = none)."""

    pca: int = 64
    code: str = "int8"
    pq_bytes: int = 0
    index: str = "hnsw"
    rerank: int = 4


@dataclass(frozen=True, slots=True)
class Loss:
    """A true hit that this stage lost and the one before had: the ``query`` and the picture
    ``lost`` (ids), its ``rank`` in the exact answer, and whether it is ``relevant`` (None where
    nothing is known)."""

    query: str
    lost: str
    rank: int
    relevant: bool | None


@dataclass(frozen=True, slots=True)
class Stage:
    """``recall``: index recall@k against exact search with the full vectors. ``quality``: metric ->
    mean over the judged queries (empty where the pictures have no labels); ``low``, ``high``: 95 %
    interval of the paired difference to the stage before, for the first metric. ``bytes``: of a
    vector in memory. ``lost``: a sample of what this stage lost; ``lost_count``: all of it;
    ``won_back``: how many earlier losses it found again."""

    name: str
    title: str
    about: str
    recall: float
    quality: Mapping[str, float]
    low: float | None
    high: float | None
    bytes: float
    ms: float
    lost: tuple[Loss, ...]
    lost_count: int
    won_back: int


@dataclass(frozen=True, slots=True)
class Waterfall:
    """``stages`` in order, the first being the full vectors. ``sentence`` says where most is
    lost."""

    dataset: str
    encoder: str
    chain: Chain
    k: int
    queries: int
    judged: int
    size: int
    protocol: str
    stages: tuple[Stage, ...]
    sentence: str
