"""What waiting for the disk costs: a small entry of the cache, a note of one file, and a build of
the embedded gallery.

python tools/measure_flush.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROUNDS, BUILDS = 60, 5
ENCODERS = ["tiny.16x16", "hsv.12x4x4"]
_fsync = os.fsync


def main() -> None:
    home = tempfile.mkdtemp(prefix="flush-", dir=Path(__file__).parents[1])
    os.environ["LOOKALIKE_ARTIFACTS"] = home
    try:
        _small_writes()
        _builds()
    finally:
        os.fsync = _fsync
        shutil.rmtree(home)


def _small_writes() -> None:
    from core import store

    def entry(number: int) -> None:
        store.get_or_build(
            "usual",
            {"number": number},
            lambda folder: (folder / "usual.json").write_text("{}") and None,
        )

    _compare("a small entry", entry)
    _compare(
        "a note of one file",
        lambda number: store.write_text(store.root() / "note.json", str(number)),
    )


def _compare(name: str, write: Callable[[int], None]) -> None:
    """Medians of writes with and without, in turn."""
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * ROUNDS):
        flushed = number % 2 == 0
        os.fsync = _fsync if flushed else lambda handle: None
        started = time.perf_counter()
        write(number)
        times[flushed].append((time.perf_counter() - started) * 1000)
    with_it, without = (statistics.median(times[flushed]) for flushed in (True, False))
    print(f"{name}: {with_it:.2f} ms, {without:.2f} ms without waiting", flush=True)


def _builds() -> None:
    """The share of a build that is spent in waiting: on a busy machine two builds differ by more
    than that."""
    from core import store
    from core.services.embedding.build import build
    from core.services.library import library

    spent: list[float] = []

    def timed(handle: int) -> None:
        started = time.perf_counter()
        _fsync(handle)
        spent.append(time.perf_counter() - started)

    os.fsync = timed
    dataset = library.open_dataset(str(store.shipped() / "catalogue" / "images"))
    for _ in range(BUILDS):
        shutil.rmtree(store.root() / "cache", ignore_errors=True)
        spent.clear()
        started = time.perf_counter()
        build(dataset, ENCODERS)
        took = time.perf_counter() - started
        share = sum(spent) / took
        print(
            f"{len(dataset.items)} pictures: {took:.2f} s, of these {sum(spent) * 1000:.0f} ms"
            f" ({share:.1%}) in {len(spent)} waits",
            flush=True,
        )


if __name__ == "__main__":
    main()
