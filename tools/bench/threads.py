"""What waiting threads cost: searches and builds in turn with threads of numpy that ask for work,
with threads of OpenMP that spin, and with such as sleep.

    python tools/bench/threads.py [--rows 20000] [--dim 192] [--rounds 60]

A page asks several indexes one after the other, of faiss and of numpy, and some use both. Each side
is a process of its own, for libraries read once how their threads wait: ``asking`` is numpy's usual
way, ``spinning`` that of OpenMP, ``asleep`` that of :mod:`core`. All are started in turn, three
times; the figures are medians in ms.
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

from core import BLAS_WAIT, TEAM_WAIT  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np

from core.indexes.base import indexes
from core.services.hardware import busy, hardware
from tools.bench.ratios import Row

TITLE = "Searches while numpy's threads ask for work, and while they sleep"
ROWS, DIM, ROUNDS = 20_000, 192, 60
NAMES = ("exact", "flat", "hnsw", "ivf_flat", "ivf_pq", "pq", "sq8", "hamming")
SPIN = "GOMP_SPINCOUNT"
SIDES = {"asking": {BLAS_WAIT: "26"}, "spinning": {SPIN: "300000"}, "asleep": {}}
"""26 is what numpy's wheels are built with, 300,000 what OpenMP of the GNU compilers is."""
BUILDS = ("hnsw", "ivf_flat", "ivf_pq", "pq")
COUNTS = (1, 32)
TIMES = 3


def searched(rows: int, dim: int, rounds: int) -> dict[str, float]:
    """Ms of builds; median ms of a search for each index and number of queries, asked in turn,
    behind a batch of faiss's as another visitor would send it."""
    vectors = np.random.default_rng(0).standard_normal((rows, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    made = {name: indexes.get(name) for name in NAMES}
    taken: dict[str, list[float]] = {}
    for name, index in made.items():
        began = time.perf_counter()
        index.build(vectors)
        if name in BUILDS:
            taken[f"{name} build"] = [(time.perf_counter() - began) * 1e3]
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
    ways = (BLAS_WAIT, TEAM_WAIT, SPIN)
    env = {name: value for name, value in os.environ.items() if name not in ways} | wishes
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
    found = all_sides([f"--{name}={getattr(chosen, name)}" for name in ("rows", "dim", "rounds")])
    print(f"{hardware()}; programs that want each core: {busy()}")
    print(
        f"{chosen.rows:,} x {chosen.dim}, k = 10; median ms of a search, each behind a batch of 8"
    )
    print("index    | queries |   asking | spinning |   asleep | asking, spinning / asleep")
    for name, taken in found.items():
        index, count = name.split()
        shown = " | ".join(f"{ms:8.3f}" for ms in taken)
        ratios = ", ".join(f"{ms / taken[-1]:.2f}" for ms in taken[:-1])
        print(f"{index:8} | {count:>7} | {shown} | {ratios}")


def all_sides(given: list[str]) -> dict[str, tuple[float, ...]]:
    """Index and number of queries, or ``build`` -> median ms of each side."""
    found: dict[str, list] = {name: [] for name in SIDES}
    for _ in range(TIMES):
        for name, wishes in SIDES.items():
            found[name].append(side(wishes, given))
    return {
        name: tuple(float(np.median([run[name] for run in found[one]])) for one in SIDES)
        for name in found["asking"][0]
    }


def rows() -> Iterator[Row]:
    for name, taken in all_sides([]).items():
        index, count = name.split()
        what = f"{index}, build" if count == "build" else f"{index}, {count} at once"
        for way, ms in zip(SIDES, taken[:-1], strict=False):
            told = f"{ms:.3f} ms, {taken[-1]:.3f} ms"
            yield Row(f"{what}: {way} / asleep", ms / taken[-1], told=told)


if __name__ == "__main__":
    main()
