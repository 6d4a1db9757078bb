"""Judge every picture against every other, as a process of its own: ``python
tools/measure_evaluation.py DATASET``; Markdown out.

DATASET is any set in which each picture searches all others: a folder of classes, or Parquet files
of one split, chosen with
``--only``: ``path/to/tiny_imagenet --only "train-*"`` is 50,000 x 50,000. The pictures are encoded
first, by another process. The peak is the kernel's own high-water mark of resident memory (VmHWM),
read from ``/proc`` while the process lives. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
EVERY_S = 0.2


def run(arguments: list[str], artifacts: Path) -> tuple[float, int, str]:
    """Seconds with start-up, peak bytes of the process (not of its workers), and what it wrote on
    standard output."""
    env, peak, started = (
        {**os.environ, "LOOKALIKE_ARTIFACTS": str(artifacts)},
        0,
        time.perf_counter(),
    )
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "core", *arguments, "--json"], cwd=ROOT, env=env, stdout=out
        )
        while child.poll() is None:
            peak = max(peak, high_water(child.pid))
            time.sleep(EVERY_S)
        seconds = time.perf_counter() - started
        out.seek(0)
        text = out.read()
    if child.returncode:
        raise SystemExit(f"{arguments[0]} ended with {child.returncode}")
    return seconds, peak, text


def chosen(source: Path, only: str, folder: Path) -> str:
    """A folder of links to the files of ``source`` that match."""
    folder.mkdir()
    for path in source.resolve().glob(only):
        (folder / path.name).symlink_to(path)
    return str(folder)


def high_water(pid: int) -> int:
    """VmHWM in bytes; 0 once the process has ended."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", help="name or path")
    parser.add_argument("--encoder", default="tiny.16x16")
    parser.add_argument("--protocol", default="class")
    parser.add_argument(
        "--only", metavar="GLOB", help="of the files in the folder DATASET, only these"
    )
    parser.add_argument(
        "--latency", action="store_true", help="measure times of single queries too"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="measure-") as folder:
        dataset = (
            chosen(Path(options.dataset), options.only, Path(folder, "pictures"))
            if options.only
            else options.dataset
        )
        run(
            ["build", "--dataset", dataset, "--encoders", options.encoder],
            Path(folder, "artifacts"),
        )
        wanted = [
            "--datasets",
            dataset,
            "--encoders",
            options.encoder,
            "--protocols",
            options.protocol,
        ]
        more = [] if options.latency else ["--no-latency"]
        seconds, peak, text = run(["evaluate", *wanted, *more], Path(folder, "artifacts"))
    (board,) = json.loads(text)["leaderboards"]
    (row,) = board["standings"]
    queries = board["queries"] + board["unjudged"]
    print(
        f"| every picture of {Path(options.dataset).name} against every other | {options.encoder}"
        " |\n|---|---|"
    )
    print(f"| queries judged | {queries:,} |\n| time, with start-up | {seconds:,.0f} s |")
    print(
        f"| pairs judged | {queries**2 / seconds / 1e6:,.1f} million/s |\n| peak memory (VmHWM) |"
        f" {peak / 1e6:,.0f} MB |"
    )
    print(
        f"| {board['metric']}, 95 % interval | {row['mean']:.4f}, {row['low']:.4f} to"
        f" {row['high']:.4f} |"
    )


if __name__ == "__main__":
    main()
