"""Milvus beside exact search and faiss's HNSW, for docs/milvus.md: seconds of a build, recall@10, times of one query.

Run it in the environment of `make test-engines`, once for each engine (LOOKALIKE_MILVUS); about a minute on a quiet machine:

    .venv-engines/bin/python tools/engines/measure.py [--write]

``--write`` puts the figures into docs/milvus.md, those of an embedded engine and those of a server each into their place.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("LOOKALIKE_ARTIFACTS", tempfile.mkdtemp(prefix="lookalike-milvus-"))
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np

from core.indexes.base import indexes
from tools.engines import pages

ROWS, DIM, QUERIES, EFFORTS = 20_000, 384, 200, (16, 64, 256)
TABLE = ["| | recall@10 | p50 ms | p95 ms |", "|---|---|---|---|"]
BUILDS: list[str] = []


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def times(index, queries: np.ndarray, **more) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the ten best, and the milliseconds of each query alone."""
    index.search(queries[:1], 10, **more)
    scores, taken = [], []
    for row in range(len(queries)):
        started = time.perf_counter()
        scores.append(index.search(queries[row : row + 1], 10, **more).scores[0])
        taken.append(1000 * (time.perf_counter() - started))
    return np.array(scores), np.array(taken)


def shown(name: str, best: np.ndarray, found: tuple[np.ndarray, np.ndarray]) -> None:
    scores, taken = found
    recall = (scores >= best[:, -1:]).mean()
    median, late = np.median(taken), np.percentile(taken, 95)
    TABLE.append(f"| {name} | {recall:.3f} | {median:.1f} | {late:.1f} |")
    print(TABLE[-1], flush=True)


def main() -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, DIM))
    vectors = unit(centres[rng.integers(0, 200, ROWS)] + rng.standard_normal((ROWS, DIM)))
    queries = unit(vectors[:QUERIES] + 0.02 * rng.standard_normal((QUERIES, DIM)))
    said = {"label": [(f"c{row % 5}",) for row in range(ROWS)]}
    where, mask = [("label", frozenset({"c1"}))], np.arange(ROWS) % 5 == 1
    made = {name: indexes.get(name) for name in ("exact", "hnsw", "milvus")}
    made["milvus"].told("measured", said)
    for name, index in made.items():
        started, spent = time.perf_counter(), time.process_time()
        seen: list[float] = []
        index.build(
            vectors, lambda done, total, seen=seen: seen.append(time.perf_counter()) or True
        )
        rate = f", {ROWS / (seen[-1] - seen[0]):,.0f} rows/s sent" if name == "milvus" else ""
        took = time.perf_counter() - started
        own = time.process_time() - spent
        BUILDS.append(f"{name}: built in {took:.1f} s ({own:.1f} s of this process{rate})")
        print(BUILDS[-1], flush=True)
    best, of_exact = times(made["exact"], queries)
    shown("exact", best, (best, of_exact))
    for name, knob in (("hnsw", "efSearch"), ("milvus", "ef")):
        for effort in EFFORTS:
            shown(f"{name}:{knob}={effort}", best, times(made[name], queries, **{knob: effort}))
    best, of_exact = times(made["exact"], queries, allowed=mask)
    shown("exact, a fifth allowed", best, (best, of_exact))
    for name in ("hnsw", "milvus"):
        shown(
            f"{name}, a fifth allowed", best, times(made[name], queries, allowed=mask, where=where)
        )
    if "--write" in sys.argv[1:]:
        kind = "server" if "://" in os.environ.get("LOOKALIKE_MILVUS", "") else "embedded"
        pages.write("milvus.md", f"milvus-{kind}", [*TABLE, "", "; ".join(BUILDS) + "."])


if __name__ == "__main__":
    main()
