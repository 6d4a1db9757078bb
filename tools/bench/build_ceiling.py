"""A build against the ceiling of its network: pictures a second from files to vectors, and of prepared arrays in memory.

    LOOKALIKE_DATA=folder/of/photographs python tools/bench/build_ceiling.py [--encoder NAME] [--pictures 1500] [--rounds 3]

Both sides run in turn in this process, in the number format that a build takes on this machine: ``build`` is
``core.services.embed`` on pictures of the clothing set (read, decoded, resized, encoded, written), ``ceiling`` the same network
on arrays that are prepared already. The ratio is of the medians. Everything is written to a folder that is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core import store
from core.datasets.folder import Folder
from core.encoders.base import Encoder
from core.services import embed
from core.services.feed import prepare_one
from core.services.hardware import busy, hardware
from core.services.ready import ready_encoder

IN_MEMORY = 512
"""Prepared pictures that the ceiling is measured on; they are shown again until there are as many as in a build."""
AIM = 0.7


class Some(Folder):
    """The first pictures of a folder, evenly spread."""

    most = 0

    def _list(self):
        items, skipped = super()._list()
        return [items[at] for at in np.unique(np.linspace(0, len(items) - 1, self.most).astype(int))], skipped


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--encoder", default="tf_efficientnet_lite0.in1k", help="(default: tf_efficientnet_lite0.in1k)")
    told.add_argument("--pictures", type=int, default=1500, help="(default: 1500)")
    told.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = told.parse_args()
    data = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data") / "clothing"
    if not data.is_dir():
        return print(f"No photographs in {data}: set LOOKALIKE_DATA to their folder.")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        compare(data, options.encoder, options.pictures, options.rounds)


def compare(data: Path, name: str, pictures: int, rounds: int) -> None:
    dataset = Some(data)
    dataset.most = pictures
    encoder = ready_encoder(dataset, name)
    print(f"{hardware()}; programs that want each core: {busy()}")
    print(f"{encoder.name} in {getattr(encoder, 'form', 'fp32')}, batch {encoder.batch}, {len(dataset.items):,} pictures")
    step = max(1, len(dataset.items) // IN_MEMORY)
    prepared = [prepare_one(dataset, item, [encoder]).array(0) for item in dataset.items[::step]]
    prepared = [array for array in prepared if array is not None]
    encoder.encode_prepared(prepared[: encoder.batch])
    rates: dict[str, list[float]] = {"ceiling": [], "build": []}
    for _ in range(rounds):
        rates["ceiling"].append(ceiling(encoder, prepared, len(dataset.items)))
        rates["build"].append(built(dataset, encoder))
    print("side    | pictures/s, each round | median")
    for side, found in rates.items():
        print(f"{side:7} | {', '.join(f'{one:.1f}' for one in found):22} | {median(found):.1f}")
    ratio = median(rates["build"]) / median(rates["ceiling"])
    print(f"build / ceiling: {ratio:.2f} (aim: at least {AIM})")


def ceiling(encoder: Encoder, prepared: list, pictures: int) -> float:
    """Pictures a second through the network alone."""
    done, began = 0, time.perf_counter()
    while done < pictures:
        start = done % len(prepared)
        done += len(encoder.encode_prepared(prepared[start : start + encoder.batch]))
    return done / (time.perf_counter() - began)


def built(dataset: Some, encoder: Encoder) -> float:
    """Pictures a second of a whole build, which is forgotten again."""
    began = time.perf_counter()
    embed.embed(dataset, [encoder])
    taken = time.perf_counter() - began
    store.delete(embed.KIND, store.key(embed.causes(dataset, encoder)))
    return len(dataset.items) / taken


if __name__ == "__main__":
    main()
