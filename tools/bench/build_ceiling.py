"""A build against the ceiling of its network: pictures a second from files to vectors, and of
prepared arrays in memory.

    LOOKALIKE_DATA=folder/of/photographs python tools/bench/build_ceiling.py [--encoder NAME]
    [--form bf16]
        [--pictures 1500] [--rounds 3]

Both sides run in turn in this process, in the number format that a build takes on this machine, or
in ``--form``: ``build`` is ``embedding.embed`` on pictures of the clothing set (read, decoded,
resized, encoded, written), ``ceiling`` the same network on arrays that are prepared already. The
ratio is of the medians; on a machine with other work to do, CPU time says more than the clock.
Everything is written to a folder that is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core import store
from core.datasets.folder import Folder
from core.encoders import precision
from core.encoders.base import Encoder
from core.services.embedding import embed
from core.services.embedding.bound import prepared
from core.services.embedding.feed import prepare_one
from core.services.hardware import busy, hardware

IN_MEMORY = 512
"""Prepared pictures that the ceiling is measured on; they are shown again until there are as many
as in a build."""
AIM = 0.7


class Some(Folder):
    """The first pictures of a folder, evenly spread."""

    most = 0

    def _list(self):
        items, skipped = super()._list()
        return [
            items[at] for at in np.unique(np.linspace(0, len(items) - 1, self.most).astype(int))
        ], skipped


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument(
        "--encoder",
        default="tf_efficientnet_lite0.in1k",
        help="(default: tf_efficientnet_lite0.in1k)",
    )
    told.add_argument(
        "--form",
        choices=("fp32", "bf16"),
        help="number format (default: what a build of the set chooses)",
    )
    told.add_argument("--pictures", type=int, default=1500, help="(default: 1500)")
    told.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = told.parse_args()
    data = Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data") / "clothing"
    if not data.is_dir():
        return print(f"No photographs in {data}: set LOOKALIKE_DATA to their folder.")
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        if options.form:
            os.environ[precision.ENV] = options.form
        compare(data, options.encoder, options.pictures, options.rounds)


def compare(data: Path, name: str, pictures: int, rounds: int) -> None:
    dataset = Some(data)
    dataset.most = pictures
    encoder = prepared(dataset, name).loaded()
    print(f"{hardware()}; programs that want each core: {busy()}")
    print(
        f"{encoder.name} in {getattr(encoder, 'form', 'fp32')}, batch {encoder.batch},"
        f" {len(dataset.items):,} pictures"
    )
    step = max(1, len(dataset.items) // IN_MEMORY)
    arrays = [prepare_one(dataset, item, [encoder]).array(0) for item in dataset.items[::step]]
    arrays = [array for array in arrays if array is not None]
    encoder.encode_prepared(arrays[: encoder.batch])
    sides = {
        "ceiling": lambda: ceiling(encoder, arrays, len(dataset.items)),
        "build": lambda: built(dataset, encoder),
    }
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, work in sides.items():
            taken[side].append(timed(work))
    print("side    | pictures/s, each round | median | CPU ms a picture")
    rates = {
        side: [len(dataset.items) / wall for wall, _ in found] for side, found in taken.items()
    }
    cpu = {
        side: median(1000 * used / len(dataset.items) for _, used in found)
        for side, found in taken.items()
    }
    for side, found in rates.items():
        print(
            f"{side:7} | {', '.join(f'{one:.1f}' for one in found):22} | {median(found):6.1f} |"
            f" {cpu[side]:.1f}"
        )
    print(
        f"build / ceiling: {median(rates['build']) / median(rates['ceiling']):.2f} by time, "
        f"{cpu['ceiling'] / cpu['build']:.2f} by CPU time (aim: at least {AIM})"
    )


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds of this process and of the workers that it started and
    ended."""
    began, used = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - began, sum(os.times()[:4]) - used


def ceiling(encoder: Encoder, prepared: list, pictures: int) -> None:
    """So many pictures through the network alone."""
    done = 0
    while done < pictures:
        start = done % len(prepared)
        done += len(
            encoder.encode_prepared(prepared[start : start + min(encoder.batch, pictures - done)])
        )


def built(dataset: Some, encoder: Encoder) -> None:
    """A whole build, which is forgotten again."""
    embed.embed(dataset, [encoder])
    store.delete(embed.KIND, store.key(embed.causes(dataset, encoder)))


if __name__ == "__main__":
    main()
