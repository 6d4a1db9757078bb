"""A build against the ceiling of its network: pictures a second from files to vectors, and of
prepared tensors in memory.

    LOOKALIKE_DATA=folder/of/photographs python tools/bench/build_ceiling.py [--encoder NAME]
    [--form bf16] [--pictures 1500] [--rounds 3]

All sides run in turn in this process, in the number format that a build takes on this machine, or
in ``--form``: ``build`` is ``embedding.embed`` on pictures of the clothing set (read, decoded,
resized, normalised, encoded, written), the others are the same network on tensors that are
normalised already: ``whole`` shares each layer among all cores, ``streams`` gives each core a small
batch of its own, ``graph`` does so with the network compiled, where it is. The ceiling is the
quickest of these. ``half`` is torch in bf16, for a network that has to stay in fp32. Ratios are of medians; on a machine with
other work to do, CPU time says more than the clock. Weights that are not here are drawn at random:
that changes no time. Everything is written to a folder that is deleted at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np

from core import store
from core.datasets.folder import Folder
from core.device import team
from core.encoders import precision
from core.encoders.base import encoders
from core.encoders.network import Network
from core.services.embedding import embed, encoding, stored
from core.services.embedding.bound import prepared
from core.services.embedding.encoding import prepare_one
from core.services.hardware import busy, hardware
from core.weights import files as weights
from tools.bench.ratios import Row

TITLE = "Builds beside their network alone"
IN_MEMORY = 128
"""Prepared pictures that the ceiling is measured on; they are shown again until there are as many
as in a build."""
WHOLE = 32
"""Pictures in a batch whose layers all cores share."""
AIM = 0.85
OF_HALF = 0.7
"""Aim for a network that ranks differently in 16 bits: its builds beside torch in bf16."""
LITE0 = "tf_efficientnet_lite0.in1k"
ALONE = 320
"""Pictures that the network alone is measured on, at most: its rate does not depend on them."""
MEASURED = (
    ("ResNet-50", "resnet50.tv_in1k", "bf16-graph", 320),
    ("ViT-S/16", "vit_small_patch16_224.augreg_in21k_ft_in1k", "bf16-graph", 320),
    ("EfficientNet-Lite0", LITE0, "fp32", 1280),
)
"""What ``make bench`` measures, with the pictures of a build. The first two have random weights
here, the third its own: it ranks differently in bf16, so that its ceiling is that of fp32
(docs/measured.md)."""
ROUNDS = 3


class Some(Folder):
    """The first pictures of a folder, evenly spread."""

    most = 0

    def _list(self):
        items, skipped = super()._list()
        return [
            items[at] for at in np.unique(np.linspace(0, len(items) - 1, self.most).astype(int))
        ], skipped


def photographs() -> Path:
    """The folder of clothing, which may not be there."""
    return Path(os.environ.get("LOOKALIKE_DATA") or ROOT.parent / "shared" / "data") / "clothing"


@contextmanager
def alone(form: str | None) -> Iterator[None]:
    """An artifacts folder of its own, and a number format."""
    before = {name: os.environ.get(name) for name in ("LOOKALIKE_ARTIFACTS", precision.ENV)}
    with tempfile.TemporaryDirectory() as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        if form:
            os.environ[precision.ENV] = form
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def drawn(name: str) -> None:
    """Random weights in the place of those that are not here."""
    encoder = encoders.get(name)
    if encoder.state().kind == "ready":
        return
    from core.weights import lean

    lean.load()
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    path = weights.folder(encoder.weights_name) / weights.USUAL
    path.parent.mkdir(parents=True)
    held = timm.create_model(encoder.weights_name).state_dict()
    save_file({key: value.contiguous() for key, value in held.items()}, path)


def sides(dataset: Some, encoder: Network) -> dict[str, Callable[[], None]]:
    """What is timed: the build takes as many pictures as the data set has, the others ``ALONE``."""
    import torch

    step = max(1, len(dataset.items) // IN_MEMORY)
    arrays = [prepare_one(dataset, item, [encoder]).array(0) for item in dataset.items[::step]]
    arrays = [array for array in arrays if array is not None]
    count = min(len(dataset.items), ALONE)

    def batches(size: int) -> list:
        cut = [arrays[at : at + size] for at in range(0, len(arrays) - size + 1, size)]
        made = [encoder._normalised(batch, encoder.model) for batch in cut]
        return [made[number % len(made)] for number in range(max(1, count // size))]

    def forward(pixels, form: str = encoder.form) -> None:
        precision.run(encoder.model, encoder._features, pixels, form)

    large, small = batches(WHOLE), batches(encoding.BATCH)

    def whole() -> None:
        for pixels in large:
            forward(pixels)

    def streamed(work: Callable, given: list) -> None:
        cores = torch.get_num_threads()
        with ThreadPoolExecutor(team(), initializer=lambda: torch.set_num_threads(1)) as pool:
            list(pool.map(work, given))
        torch.set_num_threads(cores)

    made = {"whole": whole, "streams": lambda: streamed(forward, small)}
    if encoder.graph is not None:
        of = [np.stack(arrays[at : at + encoding.BATCH]) for at in range(0, len(arrays), 16)]
        raw = [of[number % len(of)] for number in range(len(small))]
        made["graph"] = lambda: streamed(encoder.graph, raw)
    if encoder.form == precision.FP32:
        half = partial(forward, form="bf16-autocast")
        made["half"] = lambda: streamed(half, small)
    return {**made, "build": lambda: built(dataset, encoder)}


def built(dataset: Some, encoder: Network) -> None:
    """A whole build, which is forgotten again; what it says of its stages stays in ``SPENT``."""
    embed.embed(dataset, [encoder])
    meta = store.read_meta(stored.find(dataset, encoder)) or {}
    SPENT.update(meta["spent_s"])
    store.delete(stored.KIND, store.key(stored.causes(dataset, encoder)))


SPENT: dict[str, float] = {}


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds on the clock, and CPU seconds of this process and of the workers that it started and
    ended."""
    began, used = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - began, sum(os.times()[:4]) - used


def measured(
    name: str, pictures: int, rounds: int
) -> tuple[str, dict[str, tuple[float, float]], str]:
    """(what ran, side -> pictures a second and CPU milliseconds a picture, shares of the stages of
    a build); medians of rounds in turn."""
    drawn(name)
    dataset = Some(photographs())
    dataset.most = pictures
    encoder = prepared(dataset, name).loaded()
    works = sides(dataset, encoder)
    for side, work in works.items():
        if side != "build":
            work()
    taken: dict[str, list[tuple[float, float]]] = {side: [] for side in works}
    for number in range(rounds):
        for side in works if number % 2 else reversed(works):
            taken[side].append(timed(works[side]))
    found = {}
    for side, runs in taken.items():
        count = len(dataset.items) if side == "build" else min(len(dataset.items), ALONE)
        wall, spent = (median(each) for each in zip(*runs, strict=True))
        found[side] = count / wall, 1000 * spent / count
    whole = sum(SPENT.values())
    shares = ", ".join(f"{stage} {100 * spent / whole:.1f} %" for stage, spent in SPENT.items())
    return f"{encoder.name} in {encoder.form}, {count:,} pictures", found, shares


def ratios(found: dict[str, tuple[float, float]]) -> tuple[float, float]:
    """Build / ceiling by the clock, and by CPU time."""
    alone = [found[side] for side in ("whole", "streams", "graph") if side in found]
    fastest, thriftiest = max(rate for rate, _ in alone), min(spent for _, spent in alone)
    return found["build"][0] / fastest, thriftiest / found["build"][1]


def rows() -> Iterator[Row]:
    if not photographs().is_dir():
        return
    for title, name, form, pictures in MEASURED:
        with alone(form):
            _, found, shares = measured(name, pictures, ROUNDS)
        clock, cpu = ratios(found)
        rates = {side: f"{rate:.0f}" for side, (rate, _) in found.items()}
        yield Row(
            f"{title}, {form}: build / ceiling",
            clock,
            goal=AIM,
            told=f"{rates['build']} pictures/s; network alone {rates['whole']} by all cores"
            f" together, {rates['streams']} by one each, {rates.get('graph', 'not')} compiled; by"
            f" CPU time {cpu:.2f}; {shares}",
        )
        if "half" in found:
            yield Row(
                f"{title}, {form}: build / torch's bf16 network alone",
                found["build"][0] / found["half"][0],
                goal=OF_HALF,
                told=f"{rates['half']} pictures/s in bf16, which would rank differently; by CPU"
                f" time {found['half'][1] / found['build'][1]:.2f}",
            )


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--encoder", default=LITE0, help=f"(default: {LITE0})")
    told.add_argument(
        "--form",
        choices=("fp32", "bf16", "bf16-graph"),
        help="number format (default: what a build of the set chooses)",
    )
    told.add_argument("--pictures", type=int, default=1500, help="(default: 1500)")
    told.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = told.parse_args()
    if not photographs().is_dir():
        return print(f"No photographs in {photographs()}: set LOOKALIKE_DATA to their folder.")
    print(f"{hardware()}; programs that want each core: {busy()}")
    with alone(options.form):
        what, found, shares = measured(options.encoder, options.pictures, options.rounds)
    print(f"{what}\nside    | pictures/s | CPU ms a picture")
    for side, (rate, cpu) in found.items():
        print(f"{side:7} | {rate:10.1f} | {cpu:.1f}")
    clock, cpu = ratios(found)
    print(f"build / ceiling: {clock:.2f} by time, {cpu:.2f} by CPU time (aim: at least {AIM})")
    print(f"of the work of a build: {shares}")


if __name__ == "__main__":
    main()
