"""Every index along its search knobs on one gallery, as a table in Markdown: ``python
tools/measure_indexes.py DATASET``.

    python tools/measure_indexes.py ../shared/data/tiny_imagenet --limit 600 --out indexes.md

Each index is a process of its own (``python -m core tune``), one after the other, and is stopped
after ``--limit`` seconds; its row then says so. What was measured is kept: the same command goes on
where it was stopped, and ``--again`` forgets it first. The times are those of the machine as it
was: the last column says how many programs wanted each core meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core import store
from core.cli.output import Progress
from core.datasets.base import Dataset
from core.errors import UserError
from core.indexes.base import indexes
from core.services.embedding import build
from core.services.embedding.bound import is_built
from core.services.hardware import hardware
from core.services.index_lab import curves
from core.services.index_lab.curves import Plan, Point
from core.services.library import library

HEAD = (
    "index",
    "recall@10",
    "worst 5 %",
    "p50 ms",
    "batch p50 ms",
    "memory MB",
    "disk MB",
    "build s",
    "busy",
)
K = 10


def measure(dataset: Dataset, encoder: str, name: str, limit: float) -> tuple[Plan, str]:
    """What is known of an index after at most ``limit`` seconds, and what has to be said of it
    (empty: all is there)."""
    planned = curves.plan(dataset, encoder, [name], K, timed=False)
    if not planned.left and not planned.refused:
        return planned, ""
    command = [
        sys.executable,
        "-m",
        "core",
        *curves.job_arguments(dataset, encoder, [name], K),
        "--json",
    ]
    said, started = "", time.perf_counter()
    try:
        done = subprocess.run(
            command, cwd=ROOT, timeout=limit, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (
                done.stderr.strip().splitlines()[-1]
                if done.stderr.strip()
                else f"ended with {done.returncode}"
            )
    except subprocess.TimeoutExpired:
        said = f"stopped at the limit of {limit:.0f} s"
    planned = curves.plan(dataset, encoder, [name], K, timed=False)
    said = "; ".join([said, *dict.fromkeys(planned.refused.values())]).strip("; ")
    print(f"{name}: {time.perf_counter() - started:.0f} s {said}", file=sys.stderr, flush=True)
    return planned, said


def rows(name: str, planned: Plan, said: str) -> Iterator[tuple[str, ...]]:
    """A row for each search knob, the others at their defaults, with the values of the knob and
    what they gave."""
    note = f" ({said})" if said else ""
    note += (
        f" ({len(planned.found)} of {len(planned.settings)} settings)"
        if len(planned.found) < len(planned.settings)
        else ""
    )
    usual = {knob: row.default for knob, row in indexes.get(name).search_knobs.items()}
    drawn = {knob: line for knob in usual if len(line := _along(planned.found, knob, usual)) > 1}
    for knob, points in drawn.items():
        yield _row(
            f"{name}, {knob} {_joined(f'{point.search[knob]:g}' for point in points)}{note}", points
        )
    if not drawn:
        yield _row(name + note, planned.found)


def _along(found: Sequence[Point], knob: str, usual: dict) -> list[Point]:
    """The points along one knob, by its value; 0 is a choice of the index's own and stands last."""
    others = [other for other in usual if other != knob]
    line = [
        point for point in found if all(point.search[other] == usual[other] for other in others)
    ]
    return sorted(line, key=lambda point: point.search[knob] or float("inf"))


def _row(text: str, points: Sequence[Point]) -> tuple[str, ...]:
    if not points:
        return (text, *[""] * (len(HEAD) - 1))
    one = points[0]
    loads = [point.busy for point in points if point.busy is not None]
    return (
        text,
        _joined(f"{point.recall:.3f}" for point in points),
        _joined(f"{point.worst:g}" for point in points),
        _joined(f"{point.p50:.3g}" for point in points),
        _joined(f"{point.batch_p50:.3g}" for point in points),
        f"{one.ram_bytes / 1e6:.1f}",
        f"{one.disk_bytes / 1e6:.1f}",
        f"{one.build_s:.1f}",
        f"{max(loads, default=0):.1f}",
    )


def _joined(values: Iterator[str]) -> str:
    return " / ".join(values)


def forget(dataset: Dataset) -> None:
    """Points and built indexes of this data set."""
    for kind in (curves.KIND, "indexes"):
        for entry in store.entries(kind):
            if entry.meta.get("source") == dataset.locator:
                store.delete(kind, entry.key)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dataset", help="name or path")
    parser.add_argument("--encoder", default="resnet.lookalike")
    parser.add_argument("--only", default="", help="indexes, separated by commas (default: all)")
    parser.add_argument(
        "--limit", type=float, default=600, help="seconds for each index (default: 600)"
    )
    parser.add_argument(
        "--again", action="store_true", help="forget what was measured of this data set before"
    )
    parser.add_argument("--out", type=Path, help="write the table there, too, after each index")
    chosen = parser.parse_args()
    try:
        _run(chosen)
    except UserError as error:
        raise SystemExit(str(error)) from error


def _run(chosen: argparse.Namespace) -> None:
    names = chosen.only.split(",") if chosen.only else indexes.names()
    for name in names:
        indexes.get(name)  # a name typed wrong is said before hours of work
    dataset = library.open_dataset(chosen.dataset)
    if not is_built(dataset, chosen.encoder):
        build.build(
            dataset,
            [chosen.encoder],
            progress=Progress(f"embedding {dataset.name} by {chosen.encoder}"),
        )
    if chosen.again:
        forget(dataset)
    lines = []
    for name in names:
        planned, said = measure(dataset, chosen.encoder, name, chosen.limit)
        if not lines:
            lines = [
                f"{dataset.name}, {planned.size:,} vectors, `{chosen.encoder}`, {hardware()}:\n",
                f"| {' | '.join(HEAD)} |",
                "|---" * len(HEAD) + "|",
            ]
        lines += [f"| {' | '.join(row)} |" for row in rows(name, planned, said)]
        if chosen.out:
            chosen.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
