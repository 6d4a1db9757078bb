"""How long a search takes, stage by stage: after warm-up, one picture at a time and in batches,
each with its count. And how long an evaluation will take, before it starts."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.encoders.base import encoders as registry
from core.images import decode
from core.indexes.base import Index
from core.items import among
from core.metrics.statistics import summary
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.embedding.passes import UNKNOWN_S, BuildTimes, alone_each
from core.services.hardware import busy, hardware
from core.services.search.engines import Engine
from core.services.search.request import Query, SearchRequest
from core.services.specs import IndexSpec
from core.types import Item, Progress, Protocol, report

KIND = "latency"
WARM, RUNS, BATCH, BATCHES = 5, 60, 32, 5
IN_BATCHES = (BATCHES + 1) * BATCH
"""Pictures that are encoded in batches, the first of which warms up."""
LIMIT_S = 12.0
"""After so long a measurement ends with the runs that it has."""
K = 10
BUSY = 1.5
"""More programs than that for each core disturb a measurement."""


def _one_by_one(
    engine: Engine, spec: IndexSpec, items: Sequence[Item], progress: Progress | None
) -> dict[str, list[float]]:
    """Stage -> milliseconds of each run after warm-up: pictures go the way of a person's query."""
    times: dict[str, list[float]] = {}
    warm, started = min(WARM, len(items) - 1), time.perf_counter()
    for run, item in enumerate(items):
        report(progress, run, len(items) + IN_BATCHES)
        request = SearchRequest(
            Query(item_id=item.id),
            engine.encoder.name,
            spec.text,
            K,
            include_self=True,
            reranker=spec.reranker,
        )
        spent = engine.search(request, spec).timing_ms
        for stage, ms in spent.items() if run >= warm else ():
            times.setdefault(stage, []).append(ms)
        if run > warm and time.perf_counter() - started > LIMIT_S:
            break
    return times


def _in_batches(
    engine: Engine, spec: IndexSpec, items: Sequence[Item], progress: Progress | None
) -> dict[str, list[float]]:
    """Milliseconds a picture of the stages that gain by batches, one value a batch."""
    encoder, index = engine.encoder, engine.index
    batch = [
        encoder.prepare(decode(engine.dataset.read(item), encoder.side)) for item in items[:BATCH]
    ]
    times: dict[str, list[float]] = {"encode": [], "search": []}
    started = time.perf_counter()
    for run in range(BATCHES + 1):
        report(progress, len(items) + run * BATCH, len(items) + IN_BATCHES)
        into = times if run else {}
        vectors = _timed(into, "encode", partial(encoder.encode_prepared, batch), len(batch))
        look = partial(index.search, vectors, min(K, index.size), **spec.search)
        _timed(into, "search", look, len(batch))
        if run and time.perf_counter() - started > LIMIT_S:
            break
    return times


def measured(
    dataset: Dataset, encoder_name: str, spec: IndexSpec, progress: Progress | None = None
) -> dict:
    """Stage -> ``single`` and ``batch`` -> p50, p95, p99 in ms a picture, and runs; measured once
    on this hardware.

    Vectors that a user brought are only searched with. ``total`` is the sum of all stages of each
    single run. What was spent once stands apart, under ``build``: seconds of encoding and of the
    index, pictures encoded, bytes of both. ``busy`` is how many programs wanted each core when it
    began: above 1 the times are those of a shared machine, and are taken again when it is asked for
        them on a calm one.

    Raises:
        UserError: the embeddings are not built, or a picture can't be read.
        Cancelled: ``progress``, which is called before each run, said stop.
    """
    encoder = bound(dataset, encoder_name).encoder
    index = {"index": spec.name, "build": dict(spec.build), "search": dict(spec.search)}
    index |= {"reranker": spec.reranker} if spec.reranker else {}
    causes = {**stored.causes(dataset, encoder), **index, "hardware": hardware(), "version": 4}

    def write(folder: Path) -> dict:
        (folder / "times.json").write_text(
            json.dumps(_measure(dataset, encoder_name, spec, progress))
        )
        return dataset.owned(encoder_name, index=spec.text)

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


def _measure(
    dataset: Dataset, encoder_name: str, spec: IndexSpec, progress: Progress | None
) -> dict:
    engine = Engine(bound(dataset, encoder_name), spec)
    table: dict = {"build": _build(dataset, engine.encoder, engine.index), "busy": busy()}
    items = stored.item_rows(dataset, engine.found)
    picked = [
        items[row]
        for row in np.linspace(0, len(items) - 1, min(len(items), WARM + RUNS)).astype(int)
    ]
    if engine.encoder.tier != "imported":
        picked *= 1 if len(picked) > WARM + BATCH else 1 + (WARM + BATCH) // len(picked)
    single = _one_by_one(engine, spec, picked, progress)
    table |= {stage: {"single": summary(times)} for stage, times in single.items()}
    table["total"] = {"single": summary(np.sum(list(single.values()), axis=0))}
    if engine.encoder.tier != "imported":
        for stage, times in _in_batches(engine, spec, picked, progress).items():
            table[stage]["batch"] = {**summary(times), "size": BATCH}
    return table


def _build(dataset: Dataset, encoder: Encoder, index: Index) -> dict:
    """``encode_s`` is None where the embeddings came with the code; encoders built in one pass
    share the time of reading."""
    folder, cost = stored.find(dataset, encoder), index.cost()
    meta = (store.read_meta(folder) if folder else None) or {}
    return {
        "encode_s": meta.get("encode_s"),
        "pictures": meta.get("encoded"),
        "vector_bytes": 4 * encoder.dim,
        "index_s": round(cost.build_s, 4),
        "index_bytes": cost.disk_bytes,
    }


def _timed(
    times: dict[str, list[float]], stage: str, work: Callable[[], object], pictures: int = 1
):
    """Do the work and note its milliseconds a picture; none in an empty ``times`` (warm-up)."""
    started = time.perf_counter()
    made = work()
    if stage in times:
        times[stage].append((time.perf_counter() - started) * 1000 / pictures)
    return made


START_S = 3.0
"""A process begins and reads every picture once for the hash of the set."""
LOAD_S, NETWORK_S = 0.5, 0.5
"""An encoder and its index are loaded; besides, the library of the first network of a process."""
SEEN = 5
"""So many of the last times count."""
PRODUCT_S, QUERY_S = 5e-11, 1.2e-4
"""Seconds of one multiplication in a search, and of one query's metrics, on two cores."""


def estimate(
    dataset: Dataset, encoders: Sequence[str], built: Sequence[str], times: BuildTimes
) -> float:
    """About how long it takes to evaluate these encoders on a data set; those not among ``built``
    are built first. A machine that has evaluated an encoder before knows its times."""
    total, rounds = START_S, [one for one in dataset.protocols() if one.every == 1]
    for name in encoders:
        each = times.each.get(name, UNKNOWN_S)
        total += 0.0 if name in built else each * len(dataset.items)
        total += LOAD_S + timing_s(name, times)
        usual = scoring_s(dataset, name, dataset.protocol())
        total += max(len(rounds), 1) * usual
    return total


def queries_of(dataset: Dataset, protocol: Protocol) -> int:
    """About how many pictures ask under a protocol."""
    return int(among(dataset.items, protocol.queries).sum()) // max(protocol.every, 1)


def scoring_s(dataset: Dataset, encoder: str, protocol: Protocol) -> float:
    """About how long it takes to score an encoder by a protocol with exact search."""
    queries = queries_of(dataset, protocol)
    gallery = int(among(dataset.items, protocol.gallery).sum())
    dim = max(registry.get(encoder).dim, 1)
    return PRODUCT_S * queries * gallery * dim + QUERY_S * queries


def timing_s(name: str, times: BuildTimes) -> float:
    """Seconds to measure how long a search takes: as the last times here, else by a picture's."""
    past = [meta["seconds"] for meta in pasts(KIND) if meta.get("encoder_name") == name]
    if past:
        return float(np.median(past[-SEEN:]))
    each = alone_each(registry.get(name), times)
    return min((WARM + RUNS) * each, LIMIT_S) + min(IN_BATCHES * each, LIMIT_S)


def alone_by(measured: dict) -> float | None:
    """Seconds to prepare and encode a picture, by what :func:`measured` gave; or None."""
    prepare, encode = (
        measured.get(stage, {}).get(kind, {}).get("p50")
        for stage, kind in (("preprocess", "single"), ("encode", "batch"))
    )
    return None if prepare is None or encode is None else (prepare + encode) / 1000


def pasts(kind: str) -> list[dict]:
    """What finished entries of a kind say of themselves with their seconds, the newest last."""
    known = [store.read_meta(path) or {} for path in store.folders(kind)]
    return sorted((one for one in known if one.get("seconds")), key=lambda one: one.get("built", 0))
