"""What 1 % new pictures cost beside a build of all of them, and what landmarks cost a map.

A folder of photographs is built by the encoders that pages open with and, once more, by the fastest
one; then 1 % are added and it is built again. An IVF index and a map follow and are set beside
fresh ones. Seconds are those of a processor, the worker processes included; listing the folder
belongs to both sides. Needs ``LOOKALIKE_DATA``.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
from core.device import threads
from core.indexes.base import indexes
from core.projections import quality
from core.projections.base import arranged, projections
from core.services.embedding import build, stored
from core.services.embedding.bound import bound
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.library import library
from core.services.maps import maps
from core.services.maps.maps import Wanted
from tools.bench.ratios import Row

TITLE = "Adding pictures"
PICTURES, FASTEST, MAPPED = 1000, "tiny.16x16", "hsv.12x4x4"
ROWS, DIM = 100_000, 128


def rows() -> Iterator[Row]:
    data = Path(os.environ.get("LOOKALIKE_DATA", "")) / "clothing"
    found = sorted(data.rglob("*.jpg"))[:: max(1, len(list(data.rglob("*.jpg"))) // 1010)]
    yield _index()
    if len(found) < PICTURES * 1.01:
        return
    for names, told in ((list(FIRST_ENCODERS), "the first page's encoders"), ([FASTEST], FASTEST)):
        with _apart() as home:
            whole, more = _built(home, found, names)
        yield Row(
            f"1 % new pictures / a build of {PICTURES:,}, {told}", more / whole, 0.03, True,
            told=f"{more:.2f} s, {whole:.2f} s",
        )  # fmt: skip
    with _apart() as home:
        yield from _mapped(home, found)


def _apart() -> tempfile.TemporaryDirectory[str]:
    """A folder for pictures and for everything that is made of them."""
    made = tempfile.TemporaryDirectory()
    os.environ["LOOKALIKE_ARTIFACTS"] = str(Path(made.name) / "artifacts")
    return made


def seconds(work: Callable[[], object]) -> float:
    """Seconds of a processor that ``work`` takes, with those of processes that it starts."""
    before = os.times()
    work()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])


def _copied(found: list[Path], pictures: Path) -> None:
    for path in found:
        folder = pictures / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, folder)


def _built(home: str, found: list[Path], names: list[str]) -> tuple[float, float]:
    """Seconds of the whole build, and of the one with 1 % more; weights are in memory for both."""
    pictures = Path(home) / "pictures"

    def work() -> object:
        return build.build(library.open_dataset(str(pictures), fresh=True), names)

    _copied(found[:PICTURES], pictures)
    kept = [bound(library.open_dataset(str(pictures)), name).loaded() for name in names]
    whole = seconds(work)
    _copied(found[PICTURES : PICTURES + PICTURES // 100], pictures)
    more = seconds(work)
    del kept
    return whole, more


def _index() -> Row:
    """An IVF index of synthetic vectors in 500 groups, taken over with 1 % new rows in the
    middle."""
    rng = np.random.default_rng(0)
    middles = rng.standard_normal((500, DIM))
    vectors = middles[rng.integers(0, 500, ROWS)] + 0.7 * rng.standard_normal((ROWS, DIM))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    stayed = np.delete(np.arange(ROWS), np.arange(50_000, 50_000 + ROWS // 100))
    old, new, fresh = (indexes.get("ivf_flat") for _ in range(3))
    old.build(vectors[stayed])
    with tempfile.TemporaryDirectory() as folder:
        old.save(Path(folder))
        more = seconds(lambda: new.follow(Path(folder), stayed, vectors))
    whole = seconds(lambda: fresh.build(vectors))
    asked = vectors[rng.choice(ROWS, 500, replace=False)]
    exact = indexes.get("exact")
    exact.build(vectors)
    wanted = exact.search(asked, 10).ids
    recall = [np.mean([len({*a} & {*b}) for a, b in zip(one.search(asked, 10).ids, wanted, strict=True)]) / 10
              for one in (new, fresh)]  # fmt: skip
    return Row(
        f"1 % new rows / an IVF index of {ROWS:,} x {DIM}", more / whole,
        told=f"{more:.2f} s, {whole:.2f} s; recall@10 {recall[0]:.3f}, {recall[1]:.3f}; {threads()} threads",
    )  # fmt: skip


def _mapped(home: str, found: list[Path]) -> Iterator[Row]:
    """A map with 1 % placed beside a fresh one, and one by landmarks beside the full one."""
    pictures, wanted = Path(home) / "pictures", Wanted(MAPPED, "umap")

    def opened():
        dataset = library.open_dataset(str(pictures), fresh=True)
        build.build(dataset, [MAPPED])
        return dataset

    _copied(found[:PICTURES], pictures)
    maps.build(opened(), Wanted(MAPPED, "umap", "", {"epochs": 10}))  # compiles
    whole = seconds(lambda: maps.build(opened(), wanted))
    _copied(found[PICTURES : PICTURES + PICTURES // 100], pictures)
    dataset = opened()
    more = seconds(lambda: maps.build(dataset, wanted))
    yield Row(
        f"1 % new pictures placed / a map of {PICTURES:,} drawn", more / whole,
        told=f"{more:.2f} s, {whole:.2f} s",
    )  # fmt: skip
    vectors = np.array(stored.read(dataset, bound(dataset, MAPPED).encoder).vectors)
    full = maps.read(dataset, wanted, maps.build(dataset, wanted, redraw=True))
    made = projections.get(wanted.projection)
    marks = arranged(made, vectors, None, None, wanted.params, len(vectors) // 4)
    some = quality.measure(vectors, made.positions)
    told = (f"a quarter are landmarks: {some.trustworthiness:.3f}, continuity "
            f"{some.mean_continuity:.3f}; all: {full.facts['trustworthiness']:.3f}, "
            f"{full.facts['continuity']:.3f}")  # fmt: skip
    ratio = some.trustworthiness / full.facts["trustworthiness"]
    yield Row(
        f"trustworthiness by {len(marks)} landmarks / of the full map", ratio, 0.95, told=told
    )


if __name__ == "__main__":
    from tools.bench import ratios

    for _row in rows():
        print(ratios.line(_row), flush=True)
