"""The stages of a waterfall, run and evaluated.

Stages make vectors smaller: fewer dimensions, then fewer bytes each. What comes out are unit rows
again, as indexes want them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np

from core.encoders.base import unit_rows
from core.errors import UserError
from core.faiss_loader import faiss
from core.indexes.base import Index, indexes
from core.metrics import statistics, stream, table
from core.metrics.statistics import summary
from core.neighbours import rows_without_own
from core.services.embedding.roles import cluster_of, roles_of
from core.services.index_lab.measure import timed
from core.services.index_lab.space import STEP, Space, recall, scored
from core.services.specs import IndexSpec
from core.types import Hits, Item, Progress, Protocol, report

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
        # few are enough, and faiss would warn on standard output
        made.pq.cp.min_points_per_centroid = 1
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
    """``stages`` in order, from the full vectors on. ``sentence`` says where most is lost."""

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


DEPTH = 100
SHOWN = 24
TIMED = 20
_KEPT = " Bytes as if it kept the codes; found and timed with vectors read from them."
_OWN = " It keeps codes of its own."


@dataclass(frozen=True, slots=True)
class _Answer:
    """``top``: rows (q, k) that a person is shown; ``deep``: (q, DEPTH), for the quality."""

    top: np.ndarray
    deep: np.ndarray
    ms: float


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    title: str
    about: str
    bytes: float
    answer: _Answer


def run(
    space: Space,
    items: Sequence[Item],
    protocol: Protocol,
    chain: Chain,
    spec: IndexSpec,
    k: int,
    progress: Progress | None,
) -> Waterfall:
    """Every stage of ``chain`` on the queries of ``space``; ``items`` of the embedding rows."""
    evaluation = _Evaluation(space, items, protocol, k)
    done: list[Stage] = []
    more = (chain.pca > 0, chain.code != "float32", spec.name != "exact", chain.rerank > 0)
    total = 1 + sum(more)
    report(progress, 0, total)
    for step in _steps(space, chain, spec, k):
        done.append(evaluation.stage(step))
        report(progress, len(done), total)
    return Waterfall(
        space.dataset,
        space.encoder,
        chain,
        k,
        len(space.queries),
        evaluation.evaluated,
        space.size,
        protocol.name,
        tuple(done),
        _sentence(done, k),
    )


def _steps(space: Space, chain: Chain, spec: IndexSpec, k: int) -> Iterator[_Step]:
    vectors, queries, dim = np.asarray(space.vectors), space.queries, space.vectors.shape[1]
    each = 4.0 * dim

    def exact(name: str, title: str, about: str) -> _Step:
        """Exact search, with the vectors as they are by then."""
        return _Step(name, title, about, each, _ask(space, _exact(vectors), queries, k))

    about = f"{dim} dimensions of 4 bytes, compared with every picture."
    yield exact("full", "Full vectors", about)
    if chain.pca:
        change = pca(vectors, chain.pca)
        vectors, queries, each = change(vectors), change(queries), 4.0 * chain.pca
        best = "the directions that preserve inner products best"
        yield exact("pca", f"PCA to {chain.pca}", f"{chain.pca} of {dim} dimensions: {best}.")
    if chain.code != "float32":
        change, each = coder(vectors, chain.code, chain.pq_bytes)
        vectors = change(vectors)
        about = f"{each:.0f} bytes per vector; the query is not quantised."
        yield exact(chain.code, _coded(chain.code, each), about)
    knobs: dict[str, Any] = {}
    index, whole = _exact(vectors), not chain.pca and chain.code == "float32"
    if spec.name != "exact":
        index, knobs = indexes.get(spec.name), dict(spec.search)
        index.build(vectors, **spec.build)
        held, plain = index.cost().ram_bytes / space.size, 4.0 * vectors.shape[1]
        if held < plain:
            each, about = held, _OWN
        else:
            each, about = each + held - plain, _KEPT if chain.code != "float32" else ""
        whole = whole and held >= plain
        found = _ask(space, index, queries, k, knobs)
        yield _Step("index", index.title, f"{spec.text}.{about}", each, found)
    if chain.rerank:
        wide = min(k * chain.rerank, space.size)
        about = _about_rerank(wide, 0 if whole else 4 * dim)
        made = _reranked(space, _ask(space, index, queries, wide, knobs), k)
        yield _Step("rerank", f"Re-ranking {wide}", about, each, made)


def _about_rerank(wide: int, more: int) -> str:
    """``more``: bytes of a full vector where no stage before keeps it."""
    said = f": {more:,} more bytes for each picture, on disk and not counted here" if more else ""
    return (
        f"The {wide} best compared again by their full vectors{said}. The time is that of finding"
        f" the {wide}."
    )


def _coded(code: str, each: float) -> str:
    return {"float16": "float16", "int8": "Scalar quantisation (SQ8)"}.get(
        code, f"PQ, {each:.0f} bytes"
    )


def _exact(vectors: np.ndarray) -> Index:
    made = indexes.get("exact")
    made.build(vectors)
    return made


def _ask(
    space: Space,
    index: Index,
    queries: np.ndarray,
    wide: int,
    knobs: Mapping[str, Any] = MappingProxyType({}),
) -> _Answer:
    """The answers in the index's own order, of which ``wide`` are candidates."""
    own = int((space.own >= 0).any())

    def search(given: np.ndarray, count: int) -> np.ndarray:
        return index.search(given, min(count + own, space.size), **knobs).ids

    def best(count: int) -> np.ndarray:
        parts = [search(queries[at : at + STEP], count) for at in range(0, len(queries), STEP)]
        return rows_without_own(np.concatenate(parts), space.own, count)

    ones = [queries[row : row + 1] for row in range(len(queries))]
    spent = timed(lambda query: search(query, wide), ones, 2, 5, TIMED)
    deep = min(max(DEPTH, wide), space.size)
    return _Answer(best(wide), best(deep), summary(spent)["p50"])


def _reranked(space: Space, found: _Answer, k: int) -> _Answer:
    """The candidates by their full vectors; what stands behind them keeps its place."""
    best = scored(space, found.top).ids
    rest = np.where((found.deep[:, :, None] == best[:, None, :]).any(axis=2), -1, found.deep)
    behind = rows_without_own(
        np.concatenate([best, rest], axis=1), np.full(len(best), -2), found.deep.shape[1]
    )
    return _Answer(best[:, :k], behind, found.ms)


class _Evaluation:
    """Compares each stage with the exact answer, and with the stage before."""

    def __init__(self, space: Space, items: Sequence[Item], protocol: Protocol, k: int) -> None:
        self.space, self.items, self.k = space, items, k
        self.roles = roles_of(items, protocol)
        place = np.full(len(items) + 1, -1, np.int64)
        place[self.roles.gallery] = np.arange(len(self.roles.gallery))
        self.place = place[np.append(space.rows, len(items))]
        self.metrics = (f"mAP@{DEPTH}", f"precision@{k}")
        self.clusters = np.array([cluster_of(items[row]) for row in space.asked])
        self.truth: Hits | None = None
        self.before: tuple[np.ndarray, np.ndarray] | None = None
        self.evaluated = 0

    def stage(self, step: _Step) -> Stage:
        found = scored(self.space, step.answer.top[:, : self.k])
        self.truth = self.truth or found
        missing, scores = self._missing(found), self._scores(step.answer.deep)
        use = ~np.isnan(scores[self.metrics[0]])
        self.evaluated = int(use.sum())
        first = scores[self.metrics[0]]
        old, was = self.before or (np.zeros_like(missing), first)
        self.before = missing, first
        low, high = self._interval((first - was)[use], use) if was is not first else (None, None)
        fresh = missing & ~old
        judged = scores.items() if use.any() else ()
        quality = {name: round(float(values[use].mean()), 6) for name, values in judged}
        return Stage(
            step.name,
            step.title,
            step.about,
            round(float(np.nanmean(recall(found, self.truth))), 6),
            quality,
            low,
            high,
            round(step.bytes, 2),
            step.answer.ms,
            self._lost(fresh),
            int(fresh.sum()),
            int((old & ~missing).sum()),
        )

    def _missing(self, found: Hits) -> np.ndarray:
        """bool (q, k): which true hits are not there, unless an equal of the k-th stands in."""
        truth = self.truth
        assert truth is not None  # the first stage is the truth
        gone = ~(truth.ids[:, :, None] == found.ids[:, None, :]).any(axis=2) & (truth.ids >= 0)
        last = truth.scores[:, -1:]
        stand_ins = ((found.scores >= last) & (found.ids >= 0)).sum(axis=1) - (
            (truth.ids >= 0) & ~gone
        ).sum(axis=1)
        tied = gone & (truth.scores == last)
        from_behind = np.cumsum(tied[:, ::-1], axis=1)[:, ::-1]
        return gone & ~(tied & (from_behind <= stand_ins[:, None]))

    def _scores(self, deep: np.ndarray) -> dict[str, np.ndarray]:
        # -1 is the last place, which is none
        lists = stream.listed(self.place[deep], self.space.asked, self.roles)
        return table.scores(lists, self.metrics)

    def _interval(self, change: np.ndarray, use: np.ndarray) -> tuple[float | None, float | None]:
        if len(change) < 2 or not change.any():
            return (0.0, 0.0) if len(change) else (None, None)
        low, high = statistics.interval(change, self.clusters[use])
        if np.isfinite([low[0], high[0]]).all():
            return (float(low[0]), float(high[0]))
        return (None, None)

    def _lost(self, fresh: np.ndarray) -> tuple[Loss, ...]:
        """The highest ranks first, of as many queries as possible."""
        pairs = sorted(np.argwhere(fresh).tolist(), key=lambda pair: (pair[1], pair[0]))[:SHOWN]
        return tuple(self._loss(query, column) for query, column in pairs)

    def _loss(self, query: int, column: int) -> Loss:
        assert self.truth is not None
        asked = int(self.space.asked[query])
        row = int(self.space.rows[self.truth.ids[query, column]])
        codes = self.roles.relevant[[asked, row]]
        relevant = bool(codes[0] == codes[1]) if (codes >= 0).all() else None
        return Loss(self.items[asked].id, self.items[row].id, column + 1, relevant)


def _sentence(done: Sequence[Stage], k: int) -> str:
    if len(done) == 1:
        return "No approximation loss: there is no stage but the full vectors."
    falls = [(before.recall - after.recall, after, before) for before, after in pairwise(done)]
    worst, stage, before = max(falls, key=lambda fall: fall[0])
    last = done[-1]
    if worst <= 0:
        return f"No stage misses any of the true {k} nearest."
    text = (
        f"{stage.title} has the largest approximation loss: recall@{k} falls from"
        f" {before.recall:.3f} to {stage.recall:.3f}"
    )
    metric = next(iter(last.quality), None)
    end = f"; at the end it is {last.recall:.3f}" if last is not stage else ""
    if metric is None:
        return f"{text}{end}."
    return f"{text}{end}, and {metric} {_moved(done[0].quality[metric], last.quality[metric])}."


def _moved(first: float, last: float) -> str:
    """Three digits tell a small mean apart from another; the rest is no change."""
    before, after = f"{first:#.3g}", f"{last:#.3g}"
    return (
        f"stays at {after}" if before == after else f"goes from {before} (full vectors) to {after}"
    )
