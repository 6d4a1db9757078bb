"""Every index over one data set's vectors: recall@10 against exact search, seconds to build, milliseconds a query, bytes.

    python tools/measure_indexes.py DATASET ENCODER [INDEX ...]

A vector's own row is never counted as found. Equal scores count as hits.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from core.errors import UserError
from core.indexes.base import indexes
from core.indexes.ranking import cosines
from core.services import build, library, specs
from core.services.ready import gallery_vectors, ready_encoder

QUERIES, RUNS, K = 200, 100, 10


def without(hits, own: np.ndarray, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Cosines float32 (q, 10) of the best 10 other than the query."""
    kept = [row[(row != me) & (row >= 0)][:K] for row, me in zip(hits.ids, own, strict=True)]
    ids = np.stack([np.append(row, np.full(K - len(row), -1)) for row in kept]).astype(np.int64)
    which, column = np.nonzero(ids >= 0)
    scores = np.full(ids.shape, -np.inf, np.float32)
    scores[which, column] = cosines(queries, vectors.__getitem__, which, ids[which, column])
    return scores


def measure(name: str, vectors: np.ndarray, own: np.ndarray, floor: np.ndarray) -> str:
    """One line of the table; ``floor``: the score of the exact tenth hit of each query."""
    spec = specs.index_spec(name)
    index = indexes.get(spec.name)
    index.build(vectors, **spec.build)
    queries = np.ascontiguousarray(vectors[own])
    found = without(index.search(queries, K + 1, **spec.search), own, queries, vectors)
    times = []
    for row in range(RUNS):
        began = time.perf_counter()
        index.search(queries[row : row + 1], K, **spec.search)
        times.append((time.perf_counter() - began) * 1e3)
    cost, recall = index.cost(), (found >= floor[:, None]).mean()
    middle, late = np.percentile(times, (50, 95))
    times, held = f"{middle:.2f} / {late:.2f}", f"{cost.ram_bytes / 1e6:.1f} | {cost.disk_bytes / 1e6:.1f}"
    return f"{recall:.3f} | {cost.build_s:.2f} | {times} | {held}"


def main() -> None:
    locator, encoder, *wanted = sys.argv[1:]
    dataset = library.open_dataset(locator)
    if not build.is_built(dataset, encoder):
        build.build(dataset, [encoder])
    vectors = np.ascontiguousarray(gallery_vectors(dataset, ready_encoder(dataset, encoder, may_fit=False, load=False)))
    own = np.linspace(0, len(vectors) - 1, min(QUERIES, len(vectors))).astype(np.int64)
    exact = indexes.get("exact")
    exact.build(vectors)
    queries = np.ascontiguousarray(vectors[own])
    floor = without(exact.search(queries, K + 1), own, queries, vectors)[:, -1]
    print(f"{dataset.name}, {encoder}, {vectors.shape[0]:,} x {vectors.shape[1]}, {len(own)} queries, k = {K}")
    print("index | recall@10 | build s | p50 / p95 ms | MB in memory | MB on disk", flush=True)
    for name in wanted or indexes.names():
        try:
            print(f"{name} | {measure(name, vectors, own, floor)}", flush=True)
        except UserError as error:
            print(f"{name} | {error}", flush=True)


if __name__ == "__main__":
    main()
