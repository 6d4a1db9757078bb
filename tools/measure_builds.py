"""Measure builds, each as a process of its own: ``python tools/measure_builds.py DATASET
[--encoders a,b]``; Markdown out.

For each encoder: the whole build (time, rate, peak memory of all its processes), a build that is
killed halfway and goes
on, a rebuild with nothing changed, one with 1 % new pictures, and a search. Memory is the sum over
the process tree of the proportional set size (PSS), which counts what processes share once, sampled
ten times a second. Linux only; needs psutil.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
EVERY_S = 0.1


class Run:
    """A command, watched until its end; ``peak`` bytes of PSS of its process tree, ``seconds`` with
    start-up."""

    def __init__(
        self, arguments: list[str], artifacts: Path, kill_after: int | None = None
    ) -> None:
        env = {**os.environ, "LOOKALIKE_ARTIFACTS": str(artifacts)}
        started = time.perf_counter()
        self.peak, self.killed_at = 0, None
        with tempfile.TemporaryFile("w+") as out:
            child = subprocess.Popen(
                [sys.executable, "-m", "core", *arguments, "--json"], cwd=ROOT, env=env, stdout=out
            )
            while child.poll() is None:
                self.peak = max(self.peak, tree_pss(child.pid))
                if kill_after is not None and (done := finished(artifacts)) >= kill_after:
                    os.kill(child.pid, signal.SIGKILL)
                    self.killed_at = done
                time.sleep(EVERY_S)
            self.seconds = time.perf_counter() - started
            out.seek(0)
            text = out.read()
        if child.returncode not in (0, -signal.SIGKILL):
            raise SystemExit(f"{arguments} ended with {child.returncode}")
        self.answer = json.loads(text) if text else None


def tree_pss(pid: int) -> int:
    """Bytes of the process and all its descendants, what they share counted once."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M)[1]) * 1024
    except (psutil.NoSuchProcess, OSError, TypeError):
        pass  # one of them ended meanwhile
    return total


def finished(artifacts: Path) -> int:
    """Pictures in finished parts."""
    done = 0
    for path in artifacts.glob("cache/partial/*/part-*/keys.json"):
        try:
            done += len(json.loads(path.read_text())["keys"])
        except (OSError, ValueError):
            continue
    return done


def measure(source: str, encoder: str, pictures: int) -> list[tuple[str, str]]:
    """(what, figure) rows for one encoder."""
    build = ["build", "--dataset", source, "--encoders", encoder]
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        whole = Run(build, Path(folder))
        (row,) = whole.answer
        again = Run(build, Path(folder))
        query = library_item(source)
        search = Run(
            ["search", "--dataset", source, "--encoder", encoder, "--query", f"id:{query}"],
            Path(folder),
        )
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        cut = Run(build, Path(folder), kill_after=pictures // 2)
        rest = Run(build, Path(folder))
        rest_row = rest.answer[0]
    stages = search.answer["timing_ms"]
    return [
        ("pictures encoded / skipped", f"{row['encoded']:,} / {row['skipped']:,}"),
        ("time, with start-up", f"{whole.seconds:.1f} s"),
        ("rate", f"{row['encoded'] / row['seconds']:,.0f} pictures/s"),
        ("peak memory of all processes (PSS)", f"{whole.peak / 1e6:,.0f} MB"),
        ("on disk: embeddings and exact index", f"{stored / 1e6:,.0f} MB"),
        (
            "unchanged rebuild, after start-up",
            f"{again.answer[0]['seconds']:.3f} s ({again.seconds:.1f} s in all)",
        ),
        ("kill -9 with so many finished", f"{cut.killed_at or 0:,}"),
        ("then encoded by the next build", f"{rest_row['encoded']:,} in {rest.seconds:.1f} s"),
        (
            "repeated work",
            f"{rest_row['encoded'] + (cut.killed_at or 0) - row['encoded']:,} pictures",
        ),
        ("peak memory of a search", f"{search.peak / 1e6:,.0f} MB"),
        (
            "search: decode, preprocess, encode, search",
            " / ".join(f"{ms:.1f}" for ms in stages.values()) + " ms",
        ),
    ]


def one_percent(source: str, encoder: str, count: int) -> list[tuple[str, str]]:
    """A folder of ``count`` pictures of the source, then 1 % more."""
    from core.services.library import library

    items, dataset = library.open_dataset(source).items, library.open_dataset(source)
    new = max(1, count // 100)
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        pictures, artifacts = Path(folder, "pictures"), Path(folder, "artifacts")
        pictures.mkdir()
        for number, item in enumerate(items[: count + new]):
            (pictures / f"{number:07d}.jpg").write_bytes(dataset.read(item))
        held = sorted(pictures.iterdir())[-new:]
        aside = Path(folder, "aside")
        aside.mkdir()
        for path in held:
            path.rename(aside / path.name)
        build = ["build", "--dataset", str(pictures), "--encoders", encoder]
        first = Run(build, artifacts)
        for path in aside.iterdir():
            shutil.move(path, pictures / path.name)
        second = Run(build, artifacts)
    one, two = first.answer[0], second.answer[0]
    return [
        (
            f"a folder of {one['pictures']:,} pictures",
            f"{one['encoded']:,} encoded, {one['seconds']:.2f} s after start-up",
        ),
        ("1 % new pictures", f"{two['encoded']:,} encoded, {two['seconds']:.2f} s after start-up"),
    ]


def library_item(source: str) -> str:
    from core.services.library import library

    return library.open_dataset(source).items[0].id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="name or path")
    parser.add_argument("--encoders", default="tiny.16x16,hsv.12x4x4", help="separated by commas")
    parser.add_argument(
        "--part", type=int, default=10_000, help="pictures in the test of 1 %% new ones"
    )
    options = parser.parse_args()
    from core.services.library import library

    pictures = len(library.open_dataset(options.dataset).items)
    tables = {}
    for encoder in options.encoders.split(","):
        rows = measure(options.dataset, encoder, pictures)
        tables[encoder] = rows + one_percent(
            options.dataset, encoder, min(options.part, pictures * 9 // 10)
        )
        print(f"{encoder}: measured", file=sys.stderr)
    names = list(tables)
    print(f"| {Path(options.dataset).name}, {pictures:,} pictures | {' | '.join(names)} |")
    print("|---" * (len(names) + 1) + "|")
    for place, (what, _) in enumerate(tables[names[0]]):
        print(f"| {what} | {' | '.join(tables[name][place][1] for name in names)} |")


if __name__ == "__main__":
    main()
