"""What the index lab shows of the embedded gallery on a fresh machine: ``python tools/ship_lab.py
[ENCODER ...]``.

Measures every usual setting for every bundled and packaged encoder (what was measured here before
is taken) and writes ``artifacts/lab/<encoder>.json``. Run it while nothing else runs: the times go
with the code.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core.encoders.base import encoders
from core.services.embedding.bound import bound
from core.services.index_lab import curves, point
from core.services.index_lab.space import QUERIES, causes
from core.services.library import library

DATASET, K = "catalogue", 10
TIERS = ("bundled", "packaged")


def main(given: list[str]) -> None:
    dataset = library.open_dataset(DATASET)
    for name in given or [name for name in encoders.names() if encoders.get(name).tier in TIERS]:
        started = time.monotonic()
        points = list(curves.curves(dataset, name, k=K))
        again = sum(1 for one in points if one.machine)
        # those that came with the code are older than the vectors of today, or not of this machine
        if again:
            points = list(curves.curves(dataset, name, k=K, again=True))
        space = causes(dataset, bound(dataset, name).encoder, QUERIES)
        path = point.ship(name, space, curves.plan(dataset, name, k=K, timed=False).settings, K)
        took = time.monotonic() - started
        print(
            f"{name}: {len(points)} settings in {took:.0f} s, {path.stat().st_size / 1e3:.0f} kB",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
