"""Galleries that do not fit into memory: exact search from the disk against direct calls that have
all of it in memory, what it holds, recall of compressed codes with re-scoring, and a million rows
listed.

    python tools/bench/large.py [--rows 200000] [--listed 1000000]

Vectors are drawn around 200 centres (``direct_calls``): synthetic, 384 dimensions. The index is
saved and read again by memory map, so that the file is in the system's cache and not in the
process. ``python tools/measure_growth.py`` measures whole galleries from 1,000 to 1,000,000.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from core.faiss_loader import faiss  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.indexes.base import Index, indexes
from core.services.library import library
from tools.bench.direct_calls import ASKED, clustered, in_turn
from tools.bench.ratios import Row, line

TITLE = "Galleries larger than memory"
DIM, K, RATED = 384, 10, 100
ROUNDS = 15


def rows() -> Iterator[Row]:
    yield from _measured(200_000, 1_000_000)


def _measured(count: int, listed: int) -> Iterator[Row]:
    """Every figure of this file."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _listing(Path(folder), listed)
        yield from _searching(Path(folder), count)


def _listing(folder: Path, count: int) -> Iterator[Row]:
    """A gallery is listed, known by its fingerprint, and counted."""
    part = 250_000
    for start in range(0, count, part):
        some = np.arange(start, min(start + part, count))
        columns = {
            "image": [b"picture"] * len(some),
            "label": [f"class {one % 200}" for one in some],
        }
        name = folder / "pictures" / f"part-{start:08d}.parquet"
        name.parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), name)
    began = time.perf_counter(), time.process_time()
    dataset = library.open_dataset(str(folder / "pictures"))
    dataset.fingerprint()
    told = library.contents(dataset)
    spent = time.perf_counter() - began[0]
    used = f"{told['pictures']:,} rows of Parquet, {time.process_time() - began[1]:.2f} s of a core"
    yield Row("listing a gallery of a million", spent, 2.0, at_most=True, unit="s", told=used)


def _searching(folder: Path, count: int) -> Iterator[Row]:
    vectors = clustered(count + ASKED, DIM)
    vectors, asked = vectors[:count], vectors[count:]
    questions = [one[None] for one in asked]
    half, compressed = (_reread(folder, name, vectors) for name in ("half", "ivf_pq"))
    before = _resident()
    for one in questions[:5]:
        half.search(one, K)
    grown = _resident() - before
    told = f"{half.cost().disk_bytes / 1e6:.0f} MB on the disk"
    yield Row("half: memory that searching adds", grown, 64, at_most=True, unit="MB", told=told)
    flat = faiss().IndexFlatIP(DIM)
    flat.add(vectors)
    calls = {
        "half": lambda one: half.search(one, K),
        "faiss": lambda one: flat.search(one, K),
        "numpy": lambda one: np.argpartition(vectors @ one[0], -K)[-K:],
    }
    ms = in_turn(calls, questions, ROUNDS)
    for name, goal in (("faiss", 1.15), ("numpy", None)):
        told = f"{ms['half'][0]:.1f}, {ms[name][0]:.1f} ms by the clock; "
        told += f"{ms['half'][1]:.1f}, {ms[name][1]:.1f} ms of a core"
        what = f"half from the disk / {name} in memory, one query of {count:,}"
        yield Row(what, ms["half"][0] / ms[name][0], goal, at_most=True, told=told)
    truth = flat.search(asked[:RATED], K)[1]
    found = compressed.search(asked[:RATED], K, nprobe=64, rerank=40).ids
    recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(found, truth, strict=True)])
    told = f"nprobe 64, rerank 40; {compressed.cost().ram_bytes / 1e6:.0f} MB of codes"
    yield Row("ivf_pq re-scored from the disk: recall@10", float(recall), 0.95, told=told)


def _reread(folder: Path, name: str, vectors: np.ndarray) -> Index:
    """An index over the vectors, read from its files."""
    made, home = indexes.get(name), folder / name
    home.mkdir()
    made.build(vectors)
    made.save(home)
    read = indexes.get(name)
    read.load(home)
    return read


def _resident() -> float:
    """Megabytes of this process that are in memory, files included."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--rows", type=int, default=200_000)
    told.add_argument("--listed", type=int, default=1_000_000)
    chosen = told.parse_args()
    for row in _measured(chosen.rows, chosen.listed):
        print(line(row))


if __name__ == "__main__":
    main()
