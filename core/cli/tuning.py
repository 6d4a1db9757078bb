"""``tune``: what approximation costs."""

import argparse
import csv
import math
import shlex
from dataclasses import asdict, fields
from pathlib import Path

from core.cli.building import ready
from core.cli.options import DATASET, ENCODER, LOG, K, command
from core.cli.output import Progress, aside, emit, table, writing
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.index_lab import space
from core.services.index_lab.advice import Advice, equal_recall, recommend
from core.services.index_lab.curves import Plan, curves, plan, split
from core.services.index_lab.enlarge import Likeness
from core.services.index_lab.point import Point
from core.services.index_lab.space import likeness_of
from core.services.library import library


@command(f"""tune
    Measure recall against latency, size and build time of indexes on your own vectors.

    {DATASET}
    {ENCODER}
    --indexes NAMES   names, or one setting as hnsw:efSearch=64; apart by , or ; (default: all) [=]
    --recall RECALL   compare indexes at this recall (default: .95) [float, = .95]
    {K}
    --size SIZE       enlarge the gallery to so many vectors, like its own [int, = 0]
    --full            points along the build knobs too: one build for each value
    --memory GB       memory that the index may take (default: what is free) [float]
    --estimate        say how long it would take, and do nothing
    --again           measure anew what was measured before, as on a busy machine
    --csv FILE        write the points
    {LOG}

    examples:
    tune --dataset catalogue --encoder hog.8x8
    tune --dataset ~/Pictures --encoder tiny.16x16 --indexes hnsw,ivf_flat --full
    tune --dataset catalogue --encoder hsv.12x4x4 --indexes exact,hnsw:efSearch=64 --recall .99 \
      --csv points.csv
    tune --dataset catalogue --encoder hsv.12x4x4 --indexes hnsw --size 1000000 --estimate
    tune --dataset catalogue --encoder hog.8x8 --indexes exact,hnsw --again
""")
def _tune(options: argparse.Namespace) -> None:
    if not 0 < options.recall <= 1:
        raise UserError(
            f"A recall of {options.recall:g} was asked for.", "It is above 0 and at most 1."
        )
    if options.memory is not None and not (
        math.isfinite(options.memory) and options.memory * 1e9 >= 1
    ):
        raise UserError(
            f"A memory of {options.memory:g} GB was given.", "It is a number of gigabytes above 0."
        )
    if options.csv:
        _writable(options.csv)
    progress = Progress(f"measuring {options.indexes or 'all indexes'}", options.log)
    with progress.ending():
        if options.estimate:
            dataset = library.open_dataset(options.dataset)
        else:
            dataset = ready(options.dataset, [options.encoder])
        named = split(options.indexes)
        if options.indexes and not named:
            raise UserError(
                f"--indexes {options.indexes!r} names none.", "Known: python -m core indexes."
            )
        wanted = (dataset, options.encoder, named, options.k, options.size)
        if options.estimate:
            trials = Progress("trial builds")
            return _show_plan(
                plan(*wanted, full=options.full, again=options.again, progress=trials), options
            )
        points = []
        for point in curves(*wanted, progress=progress, full=options.full, again=options.again):
            points.append(point)
            if not options.json:
                aside(f"{point.text}: recall {point.recall:.3f}, {point.p50:.3g} ms")
    progress.end("done", f"{len(points)} points")
    planned = plan(*wanted, full=options.full, timed=False)
    if not points:
        raise _nothing(planned)
    _report(options, dataset, points, planned)


def _nothing(planned: Plan) -> UserError:
    one, *more = (spec.text for spec in planned.settings)
    given = f"None of the {len(more) + 1} settings" if more else one
    can = "can be measured." if more else "can't be measured."
    return UserError(f"{given} {can}", " ".join(dict.fromkeys(planned.refused.values())))


def _report(
    options: argparse.Namespace, dataset: Dataset, points: list[Point], planned: Plan
) -> None:
    equal = equal_recall(points, options.recall)
    like = likeness_of(dataset, options.encoder) if points[0].real < points[0].size else None
    if options.csv:
        _write(options.csv, points)
    if options.json:
        return emit(
            {
                "dataset": dataset.name,
                "encoder": options.encoder,
                "k": options.k,
                "size": planned.size,
                "points": points,
                "refused": dict(planned.refused),
                "equal_recall": equal,
                "advice": _advice(options, points, planned.size),
                "likeness": like,
            }
        )
    table([_row(point) for point in points])
    if machine := next((point.machine for point in points if point.machine), ""):
        aside(f"Times that came with the code are those of {machine}: --again measures here.")
    # the settings of one build share their reason
    for why in dict.fromkeys(planned.refused.values()):
        texts = [text for text, other in planned.refused.items() if other == why]
        aside(f"Not measured: {', '.join(texts)}. {why}")
    print(f"\n{equal.sentence}")
    if like:
        _show_likeness(like, planned.size, points[0].real)
    advice = _advice(options, points, planned.size)  # last: where nothing fits, it fails
    print(" ".join(filter(None, (advice.sentence, advice.exact))))
    if advice.source == "rule":
        print(f"Measure it with: {_command(options, advice.text)}")


def _show_likeness(like: Likeness, size: int, real: int) -> None:
    rows = [
        {"": name, "real": own, "synthetic": made, "kept": "yes" if kept else "no"}
        for name, own, made, _, kept in like.rows
    ]
    print(f"\n{size - real:,} of {size:,} vectors are synthetic. {like.about}")
    table(rows)
    print()


def _advice(options: argparse.Namespace, points: list[Point], size: int) -> Advice:
    free = options.memory * 1e9 if options.memory else space.free_bytes() or 4e9
    return recommend(size, points[0].dim, int(free), options.recall, points, options.k)


def _command(options: argparse.Namespace, index: str) -> str:
    given = ["tune", "--dataset", options.dataset, "--encoder", options.encoder, "--indexes", index]
    return shlex.join(
        ["python", "-m", "core", *given, *(["--size", str(options.size)] if options.size else [])]
    )


def _row(point: Point) -> dict:
    return {
        "index": point.text,
        "recall": f"{point.recall:.4f}",
        "worst 5 %": f"{point.worst:.2f}",
        "p50 ms": f"{point.p50:.3g}",
        "p95 ms": f"{point.p95:.3g}",
        "batch ms": f"{point.batch_p50:.3g}",
        "memory": f"{point.ram_bytes / 1e6:.1f} MB",
        "disk": f"{point.disk_bytes / 1e6:.1f} MB",
        "build": f"{point.build_s:.2f} s",
    }


def _show_plan(planned: Plan, options: argparse.Namespace) -> None:
    if options.json:
        settings = [spec.text for spec in planned.settings]
        return emit({**asdict(planned), "settings": settings, "left": planned.left})
    seconds = "unknown" if planned.seconds is None else f"about {planned.seconds:.0f} s"
    free = "unknown" if planned.free_bytes is None else f"{planned.free_bytes / 1e9:.1f} GB"
    again = {"to measure again": planned.left}
    rows = {
        "vectors": f"{planned.size:,}",
        "settings": len(planned.settings),
        **(again if options.again else {"measured before": len(planned.found)}),
        "time for the others": seconds,
        "from": planned.basis,
        "memory": f"{planned.ram_bytes / 1e9:.2f} GB",
        "free": free,
    }
    table([{"what": what, "value": value} for what, value in rows.items()])


def _writable(name: str) -> None:
    """Raises UserError before hours of work, not after them."""
    path = Path(name).expanduser()
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{name} can't be written.", fix="Choose a file in a folder that exists.")


def _write(name: str, points: list[Point]) -> None:
    path = Path(name).expanduser()
    with writing(name), open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in fields(Point))
        writer.writerows([_flat(value) for value in asdict(point).values()] for point in points)


def _flat(value: object) -> object:
    if isinstance(value, dict):
        return ";".join(f"{name}={number:g}" for name, number in value.items())
    return value
