"""Times and recall of one setting of a built index.

And what a measurement will take, before it starts: small builds on a sample of the same vectors,
and their growth.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core import store
from core.errors import UserError
from core.indexes.base import Away, Index, indexes
from core.metrics.statistics import summary
from core.services.hardware import busy, processor
from core.services.index_lab.point import Point
from core.services.index_lab.space import Space, answers, depth, recall
from core.services.specs import IndexSpec
from core.types import Cost, Hits, Progress, report

WARM, BATCH = 5, 32
LEAST_RUNS, LEAST_BATCHES = 10, 3
LIMIT_S = 2.5
"""One query at a time, and then batches, are timed no longer than this, but for the least runs."""


def measured(
    space: Space,
    spec: IndexSpec,
    index: Index,
    cost: Cost,
    truth: Hits,
    k: int,
    progress: Progress | None = None,
) -> Point:
    """The point of one setting. ``truth`` (q, k): the exact answer."""
    knobs, wanted = dict(spec.search), depth(space, k)
    found = answers(index, space, k, knobs)
    reached = recall(found, truth)
    report(progress, 0, 1)
    ones = [space.queries[row : row + 1] for row in range(len(space.queries))]
    single = timed(lambda query: index.search(query, wanted, **knobs), ones, WARM, LEAST_RUNS)
    report(progress, 0, 1)
    many = _batches(space.queries)
    batch = timed(lambda queries: index.search(queries, wanted, **knobs), many, 1, LEAST_BATCHES)
    each = summary([ms / BATCH for ms in batch])
    one = summary(single)
    return Point(
        index=spec.name,
        title=index.title,
        text=spec.text,
        build=dict(spec.build),
        search=knobs,
        exact=bool(spec.exact),
        size=space.size,
        real=space.real,
        dim=int(space.vectors.shape[1]),
        k=k,
        queries=len(space.queries),
        recall=round(float(reached.mean()), 6),
        worst=round(float(np.quantile(reached, 0.05, method="inverted_cdf")), 6),
        p50=one["p50"],
        p95=one["p95"],
        batch_p50=each["p50"],
        batch_p95=each["p95"],
        ram_bytes=int(cost.ram_bytes),
        disk_bytes=int(cost.disk_bytes),
        build_s=round(float(cost.build_s), 4),
        busy=busy(),
    )


def timed(
    work: Callable[[np.ndarray], object],
    inputs: Sequence[np.ndarray],
    warm: int,
    least: int,
    most: int = 0,
) -> list[float]:
    """Milliseconds of ``work`` on each of ``inputs``, after ``warm`` runs that do not count; at
    least ``least`` runs, which begin again at the front where there are fewer inputs, and then
    until all were seen (or ``most`` runs) or time is up.
    """
    for run in range(warm):
        work(inputs[run % len(inputs)])
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < max(least, most or len(inputs)):
        if len(times) >= least and time.perf_counter() - began > LIMIT_S:
            break
        given = inputs[len(times) % len(inputs)]
        started = time.perf_counter()
        work(given)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _batches(queries: np.ndarray) -> list[np.ndarray]:
    """Batches of ``BATCH`` queries; the last is filled up from the front."""
    order = np.resize(np.arange(len(queries)), -(-len(queries) // BATCH) * BATCH)
    return [np.ascontiguousarray(queries[part]) for part in order.reshape(-1, BATCH)]


def point_seconds(one: float, many: float, queries: int) -> float:
    """What :func:`measured` takes: recall over all queries, then the timed runs, of a query that
    takes ``one`` second alone and ``many`` in a batch."""
    batch, batches = BATCH * many, -(-queries // BATCH)
    single = WARM * one + max(min(queries * one, LIMIT_S), LEAST_RUNS * one)
    return (
        queries * many + single + batch + max(min(batches * batch, LIMIT_S), LEAST_BATCHES * batch)
    )


KIND = "pilots"
VERSION = 1
SAMPLES = (500, 2000)
SMALL = 5000
"""Up to this size the smaller sample alone is built: more would take too long."""
ASKED = 10
BUILD_GROWTH, SEARCH_GROWTH = (1.0, 1.5), (0.0, 1.0)
"""Bounds of the exponent with which seconds grow with the number of vectors."""


@dataclass(frozen=True, slots=True)
class Pilot:
    """Builds on ``sizes`` rows: seconds to build, seconds a query, bytes. Empty: impossible."""

    sizes: tuple[int, ...]
    build_s: tuple[float, ...]
    search_s: tuple[float, ...]
    ram: tuple[int, ...]

    def build_seconds(self, size: int) -> float:
        return _grown(self.sizes, self.build_s, size, BUILD_GROWTH)

    def search_seconds(self, size: int) -> float:
        """One query alone."""
        return _grown(self.sizes, self.search_s, size, SEARCH_GROWTH)

    def point_seconds(self, size: int, queries: int) -> float:
        """One setting by the default knobs."""
        each = self.search_seconds(size)
        return point_seconds(each, each, queries)

    def ram_bytes(self, size: int) -> int:
        if len(self.sizes) < 2:
            return int(self.ram[0] / self.sizes[0] * size) if self.sizes else 0
        slope = (self.ram[1] - self.ram[0]) / (self.sizes[1] - self.sizes[0])
        return int(self.ram[0] + max(slope, 0.0) * (size - self.sizes[0]))


def measured_before(point: Point, *, kept: bool) -> Pilot:
    """What a setting of the same build took; ``kept``: its index is stored, and not built again."""
    build_s = 0.0 if kept else point.build_s
    return Pilot((point.size,), (build_s,), (point.p50 / 1000,), (point.ram_bytes,))


def pilot(spec: IndexSpec, vectors: np.ndarray, size: int) -> Pilot:
    """Build on samples of the first vectors, for an index over ``size`` of them, and ask with the
    default knobs; kept for this build, dimension and machine."""
    sizes = _samples(size, len(vectors))
    causes = _causes(spec, sizes, int(vectors.shape[1]))

    def write(folder: Path) -> dict:
        rows = [
            row
            for size in sizes
            if (row := _try(spec, np.ascontiguousarray(vectors[:size]))) is not None
        ]
        (folder / "pilot.json").write_text(json.dumps(rows))
        return {"index_name": spec.text}

    return store.kept(KIND, causes, write, _read)


def known_pilot(spec: IndexSpec, dim: int, size: int) -> Pilot | None:
    """The :func:`pilot` of an index over ``size`` vectors where it was made before."""
    folder = store.find(KIND, store.key(_causes(spec, _samples(size, size), dim)))
    try:
        return _read(folder) if folder else None
    except store.UNREADABLE:
        return None


def _samples(size: int, there: int) -> tuple[int, ...]:
    samples = SAMPLES[:1] if size <= SMALL else SAMPLES
    return tuple(dict.fromkeys(min(sample, there) for sample in samples))


def _causes(spec: IndexSpec, sizes: Sequence[int], dim: int) -> dict:
    return {
        **indexes.get(spec.name).fingerprint(**spec.build),
        "sizes": list(sizes),
        "dim": dim,
        "hardware": processor(),
        "pilot": VERSION,
    }


def _read(folder: Path) -> Pilot:
    rows = json.loads((folder / "pilot.json").read_text())
    if rows:
        return Pilot(*(tuple(column) for column in zip(*rows, strict=True)))
    return Pilot((), (), (), ())


def _try(spec: IndexSpec, vectors: np.ndarray) -> tuple[int, float, float, int] | None:
    index = indexes.get(spec.name)
    try:
        started = time.perf_counter()
        index.build(vectors, **spec.build)
        built = time.perf_counter() - started
        index.search(vectors[:1], 1)
        started = time.perf_counter()
        for row in range(min(ASKED, len(vectors))):
            index.search(vectors[row : row + 1], min(10, len(vectors)))
        asked = (time.perf_counter() - started) / min(ASKED, len(vectors))
    except Away:
        raise
    except UserError:  # so few vectors can't be indexed this way: the whole gallery may be enough
        return None
    return len(vectors), built, asked, int(index.cost().ram_bytes)


def _grown(
    sizes: Sequence[int], seconds: Sequence[float], size: int, bounds: tuple[float, float]
) -> float:
    """Seconds at ``size``, by the samples' growth within ``bounds``; of one, amid these."""
    if not sizes:
        return 0.0
    power = sum(bounds) / 2
    if len(sizes) > 1 and min(seconds) > 0:
        power = math.log(seconds[-1] / seconds[0]) / math.log(sizes[-1] / sizes[0])
    return seconds[-1] * (size / sizes[-1]) ** min(max(power, bounds[0]), bounds[1])
