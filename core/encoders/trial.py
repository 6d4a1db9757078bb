"""Number formats tried on a sample of pictures: how fast, and does it still rank the same."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from core.device import FP32, one_core
from core.encoders import precision
from core.encoders.base import Encoder, unit_rows
from core.encoders.precision import Record
from core.neighbours import cosine_matrix, nearest, rows_without_own
from core.weights import compiled

if TYPE_CHECKING:
    from core.encoders.network import Network

OVERLAP, MAP_CHANGE, TOP = 0.99, 0.002, 10
FEWEST, MOST = 40, 256
"""Pictures in the sample: with fewer the top 10 says nothing, more cost time."""


def decide(
    encoder: Encoder, prepared: Sequence[np.ndarray], labels: Sequence | None = None
) -> Record:
    """Measure the number formats of this machine on a sample and keep the fastest that agrees with
    fp32.

    The decision is recorded for these weights on this machine, and this object uses it from now on;
    other encoder objects that already encoded keep theirs. Decided once, the record is returned
    without measuring again.

    Args:
        encoder: any encoder; one that is not a network has nothing to choose.
        prepared: what ``prepare`` made of at least 40 pictures from the gallery; up to 256 are
            looked at.
        labels: their labels where known; mean average precision within the sample then has to stay
            within 0.002.
    """
    if not hasattr(encoder, "use_precision"):
        return Record(FP32, "not a network")
    network: Any = encoder
    if (record := precision.found(network) or precision.forced()) is not None:
        network.load()
        network.use_precision(record.form)
        return record
    record = measure(network, prepared, labels)
    network.use_precision(record.form)
    if record.pictures:
        precision.keep(network, record)
    return record


def measure(
    encoder: Network, prepared: Sequence[np.ndarray], labels: Sequence | None = None
) -> Record:
    """Every form that the machine offers against fp32; the fastest of those that agree with it."""
    sample = list(prepared)[:MOST]
    offered = precision.offered()
    if not offered:
        return Record(FP32, "this processor has no bf16")
    if len(sample) < FEWEST:
        return Record(
            FP32, f"{len(sample)} pictures are too few to compare (at least {FEWEST} are needed)"
        )
    encoder.load()
    if encoder.graph is not None:
        offered = (*offered, compiled.BF16)
    whole, rates, overlap, change = None, {}, {}, {}
    for form in (FP32, *offered):
        vectors, rates[form] = _timed(encoder, sample, form)
        if whole is None:
            whole = vectors
        elif vectors is not None:
            overlap[form] = round(top_overlap(whole, vectors), 4)
            change.update(_map_change(form, whole, vectors, labels))
    good = [
        form for form in overlap if _agrees(form, overlap, change) and rates[form] > rates[FP32]
    ]
    best = max(good, key=rates.__getitem__, default=FP32)
    return Record(best, _reason(best, rates, overlap), len(sample), rates, overlap, change)


def _timed(
    encoder: Network, sample: list[np.ndarray], form: str
) -> tuple[np.ndarray | None, float]:
    """Unit vectors of the sample and pictures per second, the first batch not counted; no vectors
    if not finite. On one core of a processor, as builds run networks."""
    run = _runner(encoder, form)
    starts = range(0, len(sample), encoder.batch)
    with one_core():
        run(sample[: encoder.batch])
        started = time.perf_counter()
        found = np.concatenate([run(sample[at : at + encoder.batch]) for at in starts])
        rate = round(len(sample) / (time.perf_counter() - started), 1)
    return (unit_rows(found) if np.isfinite(found).all() else None), rate


def _runner(encoder: Network, form: str) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """What encodes prepared pictures in a number format, as it would after the decision."""
    if form in compiled.HINTS and (graph := compiled.found(encoder, form)) is not None:
        return lambda batch: graph(np.stack(batch))
    if form.endswith("weights"):
        model = precision.converted(copy.deepcopy(encoder.model), form)
    else:
        model = encoder.model
    return lambda batch: encoder.run(batch, model, form)


def top_overlap(first: np.ndarray, second: np.ndarray, k: int = TOP) -> float:
    """Mean share of the ``k`` nearest others that two sets of unit vectors (n, dim) share."""
    k = min(k, len(first) - 1)
    rows = np.arange(len(first))
    lists = (
        nearest(vectors, vectors.__getitem__, range(len(vectors)), k + 1)
        for vectors in (first, second)
    )
    tops = [rows_without_own(hits.ids, rows, k) for hits in lists]
    return float(np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(*tops, strict=True)]))


def _map_change(
    form: str, whole: np.ndarray, vectors: np.ndarray, labels: Sequence | None
) -> dict[str, float]:
    if labels is None:
        return {}
    before, after = (
        mean_average_precision(v, np.asarray(list(labels)[: len(v)], dtype=object))
        for v in (whole, vectors)
    )
    return {} if np.isnan(before) else {form: round(after - before, 5)}


def mean_average_precision(vectors: np.ndarray, labels: np.ndarray) -> float:
    """mAP of each searching the others, relevant = same label; NaN: no label occurs twice."""
    from sklearn.metrics import average_precision_score

    scores, same = cosine_matrix(vectors, vectors), labels[:, None] == labels[None]
    found = []
    for row in range(len(vectors)):
        others = np.arange(len(vectors)) != row
        if same[row, others].any() and labels[row] is not None:
            found.append(
                average_precision_score(same[row, others].astype(int), scores[row, others])
            )
    return float(np.mean(found)) if found else float("nan")


def _agrees(form: str, overlap: dict[str, float], change: dict[str, float]) -> bool:
    return overlap[form] >= OVERLAP and abs(change.get(form, 0.0)) <= MAP_CHANGE


def _reason(best: str, rates: dict[str, float], overlap: dict[str, float]) -> str:
    if best != FP32:
        return (
            f"{rates[best] / rates[FP32]:.1f} times as fast as fp32, {overlap[best]:.1%} of the top"
            f" {TOP} the same"
        )
    if not overlap:
        return "half precision gave vectors that are not finite"
    near = max(overlap, key=overlap.__getitem__)
    if overlap[near] < OVERLAP:
        return (
            f"{near} keeps only {overlap[near]:.1%} of the top {TOP} ({OVERLAP:.0%} are asked for)"
        )
    return "nothing faster ranks the same"
