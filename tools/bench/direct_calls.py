"""What exact scores cost: a search of our index against faiss's direct call, in the same run.

    python tools/bench/direct_calls.py [--rows 50000] [--dim 384] [--kinds flat,pq] [--rounds 15]
    [--same]

Our answer has exact cosines in one order, whatever index found it. So ``like`` is the direct call
that does the same work: where vectors are kept whole, faiss's plain search, whose scores are inner
products already; where codes are kept (sq8, pq, ivf_pq), faiss's own refinement, which compares
ten candidates for each hit with their vectors, as ours does. ``plain`` is faiss's search of the
codes alone: less work, and a worse answer.

``like`` and ``ours`` ask one and the same index: where its memory happens to lie alone makes up to
a third of the time. They take turns, each first in every other round, so that whatever else the
machine does falls on both, and each call asks something that was not asked before, as people do.
``--same`` asks the same again and again: what it takes lies in the processor's cache then, and our
steps show more than they do in use. Each time is a median, in ms. The last columns are ours / like
by the clock and of processor time, which a busy machine disturbs less, and ours / plain.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.faiss_loader import faiss  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np

from core.indexes.base import indexes
from core.services.hardware import busy, hardware
from tools.bench.ratios import Row

TITLE = "Searches beside faiss called directly"
ROWS, DIM, ROUNDS = 50_000, 384, 15
GOALS = {1: 1.6, 100: 1.3}
"""Queries in a call -> how many times a direct call's time an answer with exact scores may take."""
Call = Callable[[np.ndarray], object]
K, CANDIDATES = 10, 10
COUNTS = (1, 100)
ASKED = 2000
"""So many different queries, which the gallery does not hold."""
ENOUGH_S, MOST_ROUNDS = 2.0, 3000
"""Quick searches are repeated for so long, up to so many rounds."""


@dataclass(frozen=True)
class Kind:
    """Our knobs, and whether the index keeps codes instead of vectors."""

    build: dict = field(default_factory=dict)
    search: dict = field(default_factory=dict)
    codes: bool = False


KINDS = {
    "flat": Kind(),
    "ivf_flat": Kind({}, {"nprobe": 8}),
    "hnsw": Kind({"M": 32, "efConstruction": 80}, {"efSearch": 64}),
    "sq8": Kind({}, {"rerank": CANDIDATES}, codes=True),
    "pq": Kind({"m": 48}, {"rerank": CANDIDATES}, codes=True),
    "ivf_pq": Kind({"m": 48}, {"nprobe": 8, "rerank": CANDIDATES}, codes=True),
}


def clustered(rows: int, dim: int) -> np.ndarray:
    """Unit vectors around 200 centres, seed 0."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, dim), dtype=np.float32)[rng.integers(0, 200, rows)]
    vectors += 0.6 * rng.standard_normal((rows, dim), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def direct(kind: Kind, index: object, vectors: np.ndarray) -> dict[str, object]:
    """An index of ours called directly, with the same settings: ``like`` it, and ``plain``."""
    if "efSearch" in kind.search:
        index.hnsw.efSearch = kind.search["efSearch"]
    if "nprobe" in kind.search:
        index.nprobe = kind.search["nprobe"]
    if not kind.codes:
        return {"like": index}
    refined = faiss().IndexRefineFlat(index, faiss().swig_ptr(vectors))
    refined.k_factor = CANDIDATES
    return {"like": refined, "plain": index}


def in_turn(
    calls: dict[str, Call], questions: list[np.ndarray], rounds: int
) -> dict[str, np.ndarray]:
    """Median milliseconds of each call: by the clock, and of the processor."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for call in calls.values():
        call(questions[-1])
    ends = time.perf_counter() + ENOUGH_S
    for number in range(max(rounds, MOST_ROUNDS)):
        if number >= rounds and time.perf_counter() > ends:
            break
        for place, name in enumerate(calls if number % 2 else reversed(calls)):
            asked = questions[(number * len(calls) + place) % len(questions)]
            began = time.perf_counter(), time.process_time()
            calls[name](asked)
            taken[name].append(
                ((time.perf_counter() - began[0]) * 1e3, (time.process_time() - began[1]) * 1e3)
            )
    return {name: np.median(values, axis=0) for name, values in taken.items()}


def line(name: str, count: int, ms: dict[str, np.ndarray]) -> str:
    """A row of the table; without codes ``plain`` is ``like``, and not said twice."""
    clock, spent = ms["ours"] / ms["like"]
    plain, ratio = " " * 8, ""
    if "plain" in ms:
        plain, ratio = f"{ms['plain'][0]:8.3f}", f"{ms['ours'][0] / ms['plain'][0]:.2f}"
    times = f"{plain} | {ms['like'][0]:8.3f} | {ms['ours'][0]:8.3f}"
    return f"{name:8} | {count:7} | {times} | {clock:11.2f} | {spent:9.2f} | {ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--dim", type=int, default=DIM, help="a multiple of 48 (default: 384)")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="at least so many, in turn (default: 15)"
    )
    parser.add_argument(
        "--kinds", default=",".join(KINDS), help="separated by commas (default: all)"
    )
    parser.add_argument("--same", action="store_true", help="ask the same again and again")
    chosen = parser.parse_args()
    vectors, queries = np.split(clustered(chosen.rows + ASKED, chosen.dim), [chosen.rows])
    print(f"{hardware()}; programs that want each core: {busy()}")
    print(
        f"{chosen.rows:,} x {chosen.dim}, k = {K}; median ms a search, at least {chosen.rounds}"
        f" rounds in turn, {'the same' if chosen.same else 'something else'} asked each time"
    )
    print(
        "index    | queries | plain    | like     | ours     | ours / like | processor | ours /"
        " plain"
    )
    for name in chosen.kinds.split(","):
        for count, ms in timed(name, vectors, queries, chosen.rounds, chosen.same):
            print(line(name, count, ms), flush=True)


def timed(
    name: str, vectors: np.ndarray, queries: np.ndarray, rounds: int, same: bool = False
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """(queries in a call, medians of each side) of one index."""
    kind, ours = KINDS[name], indexes.get(name)
    ours.build(vectors, **kind.build)
    without = direct(kind, ours._index, vectors)
    for count in COUNTS:
        questions = np.split(queries, ASKED // count)[: 1 if same else None]
        calls: dict[str, Call] = {
            "like": lambda asked, index=without["like"]: index.search(asked, K),
            "ours": lambda asked, index=ours, knobs=kind.search: index.search(asked, K, **knobs),
        }
        ms = in_turn(calls, questions, rounds)
        if (
            kind.codes
        ):  # alone: ``like`` holds the same codes, and one would warm the cache for the other
            ms |= in_turn(
                {"plain": lambda asked, index=without["plain"]: index.search(asked, K)},
                questions,
                rounds,
            )
        yield count, ms


def rows() -> Iterator[Row]:
    vectors, queries = np.split(clustered(ROWS + ASKED, DIM), [ROWS])
    for name in KINDS:
        for count, ms in timed(name, vectors, queries, ROUNDS):
            clock, spent = ms["ours"] / ms["like"]
            yield Row(
                f"{name}, {count} at once: ours / faiss's own call",
                float(min(clock, spent)),
                goal=GOALS[count],
                at_most=True,
                told=f"{ms['ours'][0]:.3f} ms, {ms['like'][0]:.3f} ms",
            )


if __name__ == "__main__":
    main()
