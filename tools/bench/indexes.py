"""Every index at its default knobs, on the catalogue and on 50,000 photographs: recall, times,
sizes; nothing from the cache.

    python tools/bench/indexes.py [--encoder resnet.lookalike] [--only hnsw,sq8] [--datasets
    catalogue,PATH] [--size 200000]

LOOKALIKE_DATA names the photographs (default: shared/data beside the project); without them the
catalogue alone is measured. The first run embeds them, which takes minutes; it is no part of the
figures. ``x exact`` is p50 of exact search (numpy) divided by p50 of the index, both taken in this
run. Recall counts equals of the 10th as hits. ``python -m core tune`` measures along the knobs, and
keeps what it measures.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.errors import UserError  # before numpy: it says how numpy's threads wait

# isort: split
import numpy as np

from core.cli.output import Progress, table
from core.indexes.base import indexes
from core.services.embedding import build
from core.services.embedding.bound import is_built
from core.services.hardware import busy, hardware
from core.services.index_lab.curves import usual
from core.services.index_lab.measure import measured
from core.services.index_lab.point import Point
from core.services.index_lab.space import Space, answers, open_space
from core.services.library import library
from core.services.specs import index_spec
from tools.bench.ratios import Row

TITLE = "Indexes at their defaults"
ENCODER, SIZE, SHOWN = "resnet.lookalike", 50_000, ("hnsw", "ivf_flat", "sq8", "pq", "ivf_pq")
"""What ``make bench`` measures: the shipped vectors of the catalogue, enlarged."""
K = 10
COLUMNS = [
    "index",
    "recall@10",
    "p50 ms",
    "p95 ms",
    "x exact",
    "batch ms",
    "memory MB",
    "disk MB",
    "build s",
]


def galleries() -> list[str]:
    data = (
        Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data") / "tiny_imagenet"
    )
    return ["catalogue", *([str(data)] if data.is_dir() else [])]


def opened(locator: str, encoder: str, size: int) -> Space:
    dataset = library.open_dataset(locator)
    if not is_built(dataset, encoder):
        build.build(dataset, [encoder], progress=Progress(f"embedding {dataset.name} by {encoder}"))
    return open_space(dataset, encoder, size=size)


def measure(space: Space, names: list[str]) -> list[Point]:
    exact = indexes.get("exact")
    exact.build(np.asarray(space.vectors))
    truth, found = answers(exact, space, K, {}), []
    for name in names:
        index, spec, started = indexes.get(name), index_spec(name), time.perf_counter()
        try:
            index.build(np.asarray(space.vectors), **spec.build)
        except UserError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        found.append(measured(space, spec, index, index.cost(), truth, K))
        print(f"{space.dataset}: {name}, {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return found


def show(space: Space, points: list[Point]) -> None:
    base = next(point.p50 for point in points if point.index == "exact")
    made = f", {space.size - space.real:,} of them synthetic" if space.size > space.real else ""
    print(
        f"\n{space.dataset}: {space.size:,} x {space.vectors.shape[1]} ({space.encoder}){made},"
        f" {len(space.queries)} queries"
    )
    rows = [
        {
            "index": one.text,
            "recall@10": f"{one.recall:.3f}",
            "p50 ms": f"{one.p50:.3f}",
            "p95 ms": f"{one.p95:.3f}",
            "x exact": f"{base / one.p50:.2f}",
            "batch ms": f"{one.batch_p50:.3f}",
            "memory MB": f"{one.ram_bytes / 1e6:.1f}",
            "disk MB": f"{one.disk_bytes / 1e6:.1f}",
            "build s": f"{one.build_s:.2f}",
        }
        for one in points
    ]
    table(rows, COLUMNS)


def rows() -> Iterator[Row]:
    space = opened("catalogue", ENCODER, SIZE)
    exact, *others = measure(space, ["exact", *SHOWN])
    for point in others:
        yield Row(f"{point.text}: recall@10", point.recall, told=f"{space.size:,} vectors")
        yield Row(
            f"{point.text}: exact / it, one query",
            exact.p50 / point.p50,
            told=f"{exact.p50:.3f} ms, {point.p50:.3f} ms",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--encoder", default=ENCODER)
    parser.add_argument(
        "--only",
        default="",
        help="indexes, separated by commas (default: all); exact is always among them",
    )
    parser.add_argument(
        "--datasets", default="", help="names or paths, separated by commas (default: as above)"
    )
    parser.add_argument(
        "--size",
        type=int,
        default=0,
        help="enlarge each with synthetic vectors to so many, up to 1,000,000",
    )
    chosen = parser.parse_args()
    names = [
        "exact",
        *[name for name in (chosen.only.split(",") if chosen.only else usual()) if name != "exact"],
    ]
    print(f"{hardware()}; programs that want each core: {busy()}")
    for locator in chosen.datasets.split(",") if chosen.datasets else galleries():
        space = opened(locator, chosen.encoder, chosen.size)
        show(space, measure(space, names))


if __name__ == "__main__":
    main()
