"""What the waiting threads of numpy cost faiss, and the other way round: searches in turn with
threads that ask for work, and that sleep.

    python tools/bench/threads.py [--rows 20000] [--dim 192] [--rounds 60]

A page asks several indexes one after the other, of faiss and of numpy, and some use both. Each side
is a process of its own, for numpy reads once how its threads wait: ``asking`` is its usual way,
``asleep`` that of :mod:`core`. Both are started in turn, three times; the figures are medians in
ms, and the last column is asking / asleep.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core import BLAS_WAIT  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np

from core.indexes.base import indexes
from core.services.hardware import busy, hardware
from tools.bench.ratios import Row

TITLE = "Searches while numpy's threads ask for work, and while they sleep"
ROWS, DIM, ROUNDS = 20_000, 192, 60
NAMES = ("exact", "flat", "hnsw", "ivf_pq", "pq", "sq8", "hamming")
SIDES = {"asking": {BLAS_WAIT: "26"}, "asleep": {}}
"""26 is what numpy's wheels are built with."""
COUNTS = (1, 32)
TIMES = 3


def searched(rows: int, dim: int, rounds: int) -> dict[str, float]:
    """Median ms of a search for each index and number of queries, asked in turn, behind a batch of
    faiss's as another visitor would send it."""
    vectors = np.random.default_rng(0).standard_normal((rows, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = {name: indexes.get(name) for name in NAMES}
    for index in made.values():
        index.build(vectors)
    taken: dict[str, list[float]] = {}
    for count in COUNTS:
        for number in range(rounds):
            queries = vectors[np.arange(number * count, (number + 1) * count) % rows]
            for name, index in made.items():
                made["flat"].search(vectors[:8], 10)
                began = time.perf_counter()
                index.search(queries, 10)
                taken.setdefault(f"{name} {count}", []).append((time.perf_counter() - began) * 1e3)
    return {name: float(np.median(ms)) for name, ms in taken.items()}


def side(wishes: dict[str, str], given: list[str]) -> dict[str, float]:
    env = {name: value for name, value in os.environ.items() if name != BLAS_WAIT} | wishes
    out = subprocess.run(
        [sys.executable, __file__, "--child", *given],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(out.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help="(default: 20000)")
    parser.add_argument("--dim", type=int, default=DIM, help="(default: 192)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: 60)")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        return print(json.dumps(searched(chosen.rows, chosen.dim, chosen.rounds)))
    found = both_sides([f"--{name}={getattr(chosen, name)}" for name in ("rows", "dim", "rounds")])
    print(f"{hardware()}; programs that want each core: {busy()}")
    print(
        f"{chosen.rows:,} x {chosen.dim}, k = 10; median ms of a search, each behind a batch of 8"
    )
    print("index    | queries | asking   | asleep   | asking / asleep")
    for name, (asking, asleep) in found.items():
        index, count = name.split()
        print(f"{index:8} | {count:>7} | {asking:8.3f} | {asleep:8.3f} | {asking / asleep:.2f}")


def both_sides(given: list[str]) -> dict[str, tuple[float, float]]:
    """Index and number of queries -> median ms while threads ask, and while they sleep."""
    found: dict[str, list] = {name: [] for name in SIDES}
    for _ in range(TIMES):
        for name, wishes in SIDES.items():
            found[name].append(side(wishes, given))
    return {
        name: tuple(float(np.median([run[name] for run in found[one]])) for one in SIDES)
        for name in found["asking"][0]
    }


def rows() -> Iterator[Row]:
    for name, (asking, asleep) in both_sides([]).items():
        index, count = name.split()
        told = f"{asking:.3f} ms, {asleep:.3f} ms"
        yield Row(f"{index}, {count} at once: asking / asleep", asking / asleep, told=told)


if __name__ == "__main__":
    main()
