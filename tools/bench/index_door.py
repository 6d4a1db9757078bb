"""What the door to faiss costs: a search through it against the direct call, exact and approximate.

    python tools/bench/index_door.py [--rows 50000] [--dim 384] [--rounds 15]

Prints one row for each index and number of queries: milliseconds for a search (median over rounds, both taken in turn, so
that whatever else the machine does falls on both), the ratio door / direct of these medians, and the same ratio of processor
time, which a busy machine disturbs less. The flat index is held to 1.2; the others pay a fixed 0.07 ms for exact cosines in
one order, which the direct call does not give.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.faiss_door import faiss
from core.indexes.base import indexes

FACTORY = {"flat": "Flat", "ivf_flat": "IVF256,Flat", "hnsw": "HNSW32"}
BUILD = {"flat": {}, "ivf_flat": {"nlist": 256}, "hnsw": {"M": 32, "efConstruction": 80}}
SEARCH = {"flat": {}, "ivf_flat": {"nprobe": 8}, "hnsw": {"efSearch": 64}}


def clustered(rows: int, dim: int) -> np.ndarray:
    """Unit vectors around 200 centres, seed 0."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, dim), dtype=np.float32)[rng.integers(0, 200, rows)]
    vectors += 0.6 * rng.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Median milliseconds of each call: by the clock, and of the processor."""
    taken = {name: np.zeros((rounds, 2)) for name in calls}
    for number in range(-1, rounds):  # the first round warms up
        for name, call in calls.items():
            began = time.perf_counter(), time.process_time()
            call()
            if number >= 0:
                taken[name][number] = (time.perf_counter() - began[0]) * 1e3, (time.process_time() - began[1]) * 1e3
    return {name: np.median(values, axis=0) for name, values in taken.items()}


def direct(kind: str, vectors: np.ndarray) -> object:
    """The same index without the door, with the same settings."""
    index = faiss().index_factory(vectors.shape[1], FACTORY[kind], faiss().METRIC_INNER_PRODUCT)
    if kind == "hnsw":
        index.hnsw.efConstruction, index.hnsw.efSearch = BUILD["hnsw"]["efConstruction"], SEARCH["hnsw"]["efSearch"]
    index.train(vectors)
    index.add(vectors)
    if kind == "ivf_flat":
        index.nprobe = SEARCH["ivf_flat"]["nprobe"]
    return index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--kinds", default="flat,ivf_flat,hnsw", help="separated by commas")
    chosen = parser.parse_args()
    vectors = clustered(chosen.rows, chosen.dim)
    plain = indexes.get("exact")
    plain.build(vectors)
    print(f"{chosen.rows:,} x {chosen.dim}, k = 10, {chosen.rounds} rounds in turn; median ms a search")
    print("index    | queries | faiss direct | door    | door / direct | processor | exact (numpy)")
    for kind in chosen.kinds.split(","):
        without, door = direct(kind, vectors), indexes.get(kind)
        door.build(vectors, **BUILD[kind])
        for count in (1, 100):
            queries = vectors[:count].copy()
            calls = {
                "direct": lambda q=queries, index=without: index.search(q, 10),
                "door": lambda q=queries, index=door, kind=kind: index.search(q, 10, **SEARCH[kind]),
                "numpy": lambda q=queries: plain.search(q, 10),
            }
            ms = in_turn(calls, chosen.rounds)
            (clock, spent), (plain_ms, _) = ms["door"] / ms["direct"], ms["numpy"]
            shown = f"{ms['direct'][0]:12.3f} | {ms['door'][0]:7.3f} | {clock:13.2f} | {spent:9.2f} | {plain_ms:.3f}"
            print(f"{kind:8} | {count:7} | {shown}")


if __name__ == "__main__":
    main()
