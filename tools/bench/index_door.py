"""What the door to faiss costs: a search through it against the direct call, and numpy against both.

    python tools/bench/index_door.py [--rows 50000] [--dim 384] [--rounds 15]

Prints one row for each number of queries: milliseconds for a search (median over rounds, the three taken in turn, so that
whatever else the machine does falls on all) and the ratio door / direct of these medians.
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


def clustered(rows: int, dim: int) -> np.ndarray:
    """Unit vectors around 200 centres, seed 0."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, dim), dtype=np.float32)[rng.integers(0, 200, rows)]
    vectors += 0.6 * rng.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds of each call in each round."""
    taken = {name: np.zeros(rounds) for name in calls}
    for number in range(-1, rounds):  # the first round warms up
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if number >= 0:
                taken[name][number] = (time.perf_counter() - began) * 1e3
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    vectors = clustered(chosen.rows, chosen.dim)
    direct = faiss().IndexFlatIP(chosen.dim)
    direct.add(vectors)
    door, plain = indexes.get("flat"), indexes.get("exact")
    door.build(vectors)
    plain.build(vectors)
    print(f"{chosen.rows:,} x {chosen.dim}, k = 10, {chosen.rounds} rounds in turn; median ms a search")
    print("queries | faiss direct | flat (door) | exact (numpy) | door / direct")
    for count in (1, 100):
        queries = vectors[:count].copy()
        calls = {
            "direct": lambda q=queries: direct.search(q, 10),
            "door": lambda q=queries: door.search(q, 10),
            "numpy": lambda q=queries: plain.search(q, 10),
        }
        ms = in_turn(calls, chosen.rounds)
        ratio = np.median(ms["door"]) / np.median(ms["direct"])
        middle = {name: np.median(values) for name, values in ms.items()}
        print(f"{count:7} | {middle['direct']:12.2f} | {middle['door']:11.2f} | {middle['numpy']:13.2f} | {ratio:.2f}")


if __name__ == "__main__":
    main()
