"""How long a search takes, stage by stage: after warm-up, one picture at a time and in batches,
each with its count."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.images import decode
from core.indexes.base import Index
from core.metrics.latency import summary
from core.services.embedding import embed, galleries
from core.services.embedding.ready import ready_encoder
from core.services.evaluation.cells import Cell
from core.services.hardware import busy, hardware
from core.services.specs import IndexSpec
from core.types import Item

KIND = "latency"
STAGES = ("decode", "preprocess", "encode", "search")
WARM, RUNS, BATCH, BATCHES = 5, 60, 32, 5
LIMIT_S = 12.0
"""After so long a measurement ends with the runs that it has."""
K = 10
BUSY = 1.5
"""More programs than that for each core disturb a measurement."""


@dataclass
class _Bench:
    dataset: Dataset
    encoder: Encoder
    index: Index
    spec: IndexSpec
    items: list[Item]

    def prepared(self, item: Item, times: dict[str, list[float]]) -> np.ndarray:
        image = _timed(times, "decode", lambda: decode(self.dataset.read(item), self.encoder.side))
        return _timed(times, "preprocess", lambda: self.encoder.prepare(image))

    def answer(self, batch: list[np.ndarray], times: dict[str, list[float]]) -> None:
        vectors = _timed(times, "encode", lambda: self.encoder.encode_prepared(batch), len(batch))
        _timed(
            times,
            "search",
            lambda: self.index.search(vectors, min(K, self.index.size), **self.spec.search),
            len(batch),
        )

    def one_by_one(self) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {stage: [] for stage in STAGES}
        started = time.perf_counter()
        for run, item in enumerate(self.items):
            self.answer(
                [self.prepared(item, times if run >= WARM else {})], times if run >= WARM else {}
            )
            if run > WARM and time.perf_counter() - started > LIMIT_S:
                break
        return times

    def in_batches(self) -> dict[str, list[float]]:
        """Milliseconds a picture, one value a batch."""
        batch = [self.prepared(item, {}) for item in self.items[:BATCH]]
        times: dict[str, list[float]] = {stage: [] for stage in STAGES[2:]}
        started = time.perf_counter()
        for run in range(BATCHES + 1):
            self.answer(batch, times if run else {})
            if run and time.perf_counter() - started > LIMIT_S:
                break
        return times


def measured(dataset: Dataset, encoder_name: str, spec: IndexSpec) -> dict:
    """Stage -> ``single`` and ``batch`` -> p50, p95, p99 in ms a picture, and runs; measured once
    on this hardware.

    Vectors that a user brought are only searched with. ``total`` is the sum of all stages of each
    single run. What was spent once stands apart, under ``build``: seconds of encoding and of the
    index, pictures encoded, bytes of both. ``busy`` is how many programs wanted each core when it
    began: above 1 the times are those of a shared machine, and are taken again when it is asked for
        them on a calm one.

    Raises:
        UserError: the embeddings are not built, or a picture can't be read.
    """
    encoder = ready_encoder(dataset, encoder_name, may_fit=False, load=False)
    index = {"index": spec.name, "build": dict(spec.build), "search": dict(spec.search)}
    causes = {**embed.causes(dataset, encoder), **index, "hardware": hardware(), "version": 3}

    def write(folder: Path) -> dict:
        (folder / "times.json").write_text(json.dumps(_measure(dataset, encoder_name, spec)))
        return {
            "source": dataset.locator,
            "dataset_name": dataset.name,
            "encoder_name": encoder_name,
            "index_name": spec.text,
        }

    made = store.kept(KIND, causes, write, _read)
    if _disturbed(made["busy"], busy()):
        store.delete(KIND, store.key(causes))
        made = store.kept(KIND, causes, write, _read)
    return made


def _read(folder: Path) -> dict:
    made = json.loads((folder / "times.json").read_text())
    return {"total": made["total"], "busy": made["busy"], **made}


def _disturbed(then: float | None, now: float | None) -> bool:
    """Times that were taken on a busy machine are taken again once it is at least twice as calm."""
    return then is not None and now is not None and then > BUSY and now < then / 2


def with_times(cell: Cell, times: dict) -> Cell:
    """The cell with the latency measured for it."""
    return replace(cell, latency=times)


def _measure(dataset: Dataset, encoder_name: str, spec: IndexSpec) -> dict:
    encoder = ready_encoder(dataset, encoder_name, may_fit=False)
    index, _ = galleries.gallery_index(dataset, encoder, spec.name, **spec.build)
    found = embed.read(dataset, encoder)
    once = {"build": _build(dataset, encoder, index), "busy": busy()}
    if encoder.tier == "imported":
        return once | _search_only(index, spec, np.asarray(found.vectors[: WARM + RUNS]))
    items = embed.item_rows(dataset, found)
    picked = [
        items[row]
        for row in np.linspace(0, len(items) - 1, min(len(items), WARM + RUNS)).astype(int)
    ]
    repeats = 1 if len(picked) > WARM + BATCH else 1 + (WARM + BATCH) // len(picked)
    bench = _Bench(dataset, encoder, index, spec, picked * repeats)
    single, batch = bench.one_by_one(), bench.in_batches()
    table = {stage: {"single": summary(times)} for stage, times in single.items()}
    table["total"] = {"single": summary(np.sum([single[stage] for stage in STAGES], axis=0))}
    for stage, times in batch.items():
        table[stage]["batch"] = {**summary(times), "size": BATCH}
    return once | table


def _build(dataset: Dataset, encoder: Encoder, index: Index) -> dict:
    """``encode_s`` is None where the embeddings came with the code; encoders built in one pass
    share the time of reading."""
    meta, cost = store.read_meta(embed.find(dataset, encoder)) or {}, index.cost()
    return {
        "encode_s": meta.get("encode_s"),
        "pictures": meta.get("encoded"),
        "vector_bytes": 4 * encoder.dim,
        "index_s": round(cost.build_s, 4),
        "index_bytes": cost.disk_bytes,
    }


def _search_only(index: Index, spec: IndexSpec, queries: np.ndarray) -> dict:
    times: dict[str, list[float]] = {"search": []}
    for run, query in enumerate(queries):
        into = times if run >= min(WARM, len(queries) - 1) else {}
        _timed(
            into,
            "search",
            lambda query=query: index.search(query[None], min(K, index.size), **spec.search),
        )
    return {
        "search": {"single": summary(times["search"])},
        "total": {"single": summary(times["search"])},
    }


def _timed(
    times: dict[str, list[float]], stage: str, work: Callable[[], object], pictures: int = 1
):
    """Do the work and note its milliseconds a picture; an empty ``times`` notes nothing
    (warm-up)."""
    started = time.perf_counter()
    made = work()
    if stage in times:
        times[stage].append((time.perf_counter() - started) * 1000 / pictures)
    return made
