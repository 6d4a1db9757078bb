"""Times and recall of one setting of a built index."""

import time
from collections.abc import Callable, Sequence

import numpy as np

from core.indexes.base import Index
from core.metrics.statistics import summary
from core.services.hardware import busy
from core.services.index_lab import answers
from core.services.index_lab.point import Point
from core.services.index_lab.space import Space
from core.services.specs import IndexSpec
from core.types import Cost, Hits, Progress, report

WARM, BATCH = 5, 32
LEAST_RUNS, LEAST_BATCHES = 10, 3
LIMIT_S = 2.5
"""One query at a time, and then batches, are timed for no longer than this beyond the least number
of runs."""


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
    knobs, wanted = dict(spec.search), answers.depth(space, k)
    found = answers.answers(index, space, k, knobs)
    recall = answers.recall(found, truth)
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
        recall=round(float(recall.mean()), 6),
        worst=round(float(np.quantile(recall, 0.05, method="inverted_cdf")), 6),
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
