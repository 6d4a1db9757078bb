"""Vectors made smaller: fewer dimensions, then fewer bytes each. What comes out are unit rows
again, as indexes want them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from core.encoders.base import unit_rows
from core.errors import UserError
from core.faiss_loader import faiss

CODES = ("float32", "float16", "int8", "pq")
SAMPLE = 100_000
PQ_LEAST = 256
Change = Callable[[np.ndarray], np.ndarray]


def pca(vectors: np.ndarray, dim: int) -> Change:
    """A projection to ``dim`` dimensions, fitted on float32 (n, d) rows: their principal directions
    about the origin.

    Not about the mean: so inner products, and with them cosines, are kept as well as they can be
    (Eckart and Young, 1936).

    Raises:
        UserError: more dimensions than the vectors have, or than there are vectors.
    """
    most = min(vectors.shape[1], len(vectors))
    if not 1 <= dim <= most:
        raise UserError(f"PCA to {dim} dimensions was asked for.", f"It is 1 to {most} here.")
    rows = np.asarray(vectors[:: -(-len(vectors) // SAMPLE)], np.float64)
    axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :dim].astype(np.float32)
    return lambda given: _unit(np.asarray(given, np.float32) @ axes)


def coder(vectors: np.ndarray, code: str, pq_bytes: int = 0) -> tuple[Change, float]:
    """What the code of a vector says when it is read again, fitted on (n, d) rows; and the bytes of
    a code.

    Raises:
        UserError: no such code, too few vectors to train it, or bytes that do not divide the
            dimensions.
    """
    dim = vectors.shape[1]
    if code == "float32":
        return _unit, 4.0 * dim
    if code == "float16":
        return lambda given: _unit(np.asarray(given, np.float16).astype(np.float32)), 2.0 * dim
    if code not in CODES:
        raise UserError(f"There is no code {code!r}.", f"Known: {', '.join(CODES)}.")
    pieces = _pieces(dim, pq_bytes) if code == "pq" else 0
    if code == "pq" and len(vectors) < PQ_LEAST:
        raise UserError(
            f"PQ codes of {len(vectors)} vectors were asked for.",
            f"Their training needs {PQ_LEAST}.",
        )
    made = faiss().index_factory(dim, f"PQ{pieces}" if code == "pq" else "SQ8")
    if code == "pq":
        made.do_polysemous_training = False
        made.pq.cp.min_points_per_centroid = (
            1  # few are enough, and faiss would warn on standard output
        )
    made.train(np.ascontiguousarray(vectors[:: -(-len(vectors) // SAMPLE)], np.float32))
    return lambda given: _unit(
        made.sa_decode(made.sa_encode(np.ascontiguousarray(given, np.float32)))
    ), float(pieces or dim)


def _pieces(dim: int, wanted: int) -> int:
    """How many sub-vectors of a byte each: as wanted, or of about 8 dimensions."""
    fits = [m for m in range(1, dim + 1) if dim % m == 0]
    if wanted and wanted not in fits:
        raise UserError(
            f"{wanted} bytes do not divide {dim} dimensions.",
            f"These do: {', '.join(map(str, fits))}.",
        )
    return wanted or max(m for m in fits if m <= max(dim // 8, 1))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return unit_rows(np.asarray(vectors, np.float32), "a code")


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
