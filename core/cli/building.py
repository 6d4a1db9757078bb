"""``build``: embeddings and index of a dataset."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict

from core.cli.options import DATASET, LOG, command, declare
from core.cli.output import Progress, aside, emit, table
from core.datasets.base import Dataset
from core.errors import UserError
from core.services.embedding import build, crops, embed, ray_build
from core.services.embedding.bound import is_built
from core.services.embedding.build import Estimate, estimate
from core.services.embedding.passes import build_seconds, build_times
from core.services.library import content_check, library
from core.services.maps import maps
from core.services.specs import split_names
from core.services.steps import Steps
from core.types import Progress as Counts

CHECK, BUILD = "check", "build"
CHECK_S = 5e-4
"""A picture is read and its content compared."""
TOLD = 100
"""From so many pictures on a build says where its time went."""


MACHINES = """
    --engine {local,ray}  who encodes: this process, or workers of a Ray cluster [default: local]
    --address HOST:PORT   of a running Ray cluster, or auto (default: RAY_ADDRESS, else Ray starts
                          here)
    --ray-workers N       workers (default: as many as there is room) [int]
    --ray-cpus N          CPUs of each worker (default: as many as this process may use) [int]
    --ray-gpus N          GPUs of each worker, 0.5 for half of one [float]
    --shards PLACE        a folder or an address for finished parts as Parquet: workers write them
                          there, and every build finds what lies there (default: inside the
                          artifacts) [=]
"""


def _machines(made: argparse.ArgumentParser) -> None:
    declare(made.add_argument_group("on several machines (docs/ray.md)"), MACHINES)


def ready(locator: str, encoders: Sequence[str]) -> Dataset:
    """An open dataset whose embeddings are built (said on standard error where not yet)."""
    dataset = library.open_dataset(locator)
    missing = [name for name in encoders if not is_built(dataset, name)]
    if missing:
        build.build(dataset, missing, progress=Progress(f"building {', '.join(missing)}"))
    return dataset


def _elsewhere(options: argparse.Namespace) -> embed.Elsewhere | None:
    """How other machines take part. Raises UserError where the options don't go together."""
    own = ("address", "ray_workers", "ray_cpus", "ray_gpus")
    given = {name: getattr(options, name) for name in own if getattr(options, name) is not None}
    if options.engine == "local":
        if given:
            name = f"--{next(iter(given)).replace('_', '-')}"
            raise UserError(f"{name} was given without Ray.", fix="Add --engine ray.")
        return embed.Elsewhere(options.shards) if options.shards else None
    for name in own[1:]:
        if name in given and not given[name] > 0:
            raise UserError(f"--{name.replace('_', '-')} {given[name]:g}.", "More than 0.")
    ray_build.require()
    cluster = ray_build.Cluster(
        given.get("address") or os.environ.get("RAY_ADDRESS", ""),
        given.get("ray_workers", 0),
        given.get("ray_cpus", 0),
        given.get("ray_gpus", 0.0),
    )
    return embed.Elsewhere(options.shards, cluster.encode)


@command(
    f"""build
    Embed a dataset and index it. Resumes where an earlier build stopped.

    {DATASET}
    --encoders --encoder NAMES  one or more, separated by commas [required]
    --crop DETECTOR   encode what this detector finds in each picture: the encoder is
                      NAME@DETECTOR then
    --objects N       with --crop, so many boxes of each picture: the encoder is NAME@DETECTOR:N
                      then, and a picture is found by its best one (default: 1, the main box)
                      [int, = 1]
    --index INDEX     index to build over the gallery [default: exact]
    --check-content   read every picture first: one that was changed in place, with the same size
                      and time, is encoded again
    --estimate        say what it would cost, and do nothing
    {LOG}

    examples:
    build --dataset catalogue --encoders hsv.12x4x4,hog.8x8
    build --dataset catalogue --encoders tiny.16x16 --estimate
    build --dataset ~/Pictures --encoders tiny.16x16 --json
    build --dataset ~/Pictures --encoders tiny.16x16 --crop saliency
    build --dataset ~/Pictures --encoders tiny.16x16 --crop objects --objects 3
""",
    _machines,
)
def _build(options: argparse.Namespace) -> None:
    progress = Progress(f"building {options.encoders}", options.log)
    with progress.ending():
        elsewhere = _elsewhere(options)
        dataset = library.open_dataset(options.dataset, fresh=True)
        wanted = split_names(options.encoders)
        if options.crop:
            wanted = [crops.named(name, options.crop, options.objects) for name in wanted]
        elif options.objects != 1:
            raise UserError(
                f"--objects {options.objects} was given without a detector.",
                fix="Add --crop DETECTOR.",
            )
        if options.estimate:
            return _show_estimates({name: estimate(dataset, name) for name in wanted}, options.json)
        steps = Steps(progress)
        building: Counts = progress
        if options.check_content:
            dataset, building = _checked(dataset, wanted, steps)
        built = build.build(dataset, wanted, options.index, building, elsewhere)
        steps.close()
        maps.follow(dataset, [one.encoder for one in built], progress)
    progress.end("done", _said(built))
    rows = [
        {**asdict(one), "path": str(one.path), "seconds": round(one.seconds, 3)} for one in built
    ]
    if options.json:
        return emit(rows)
    table(rows, ["dataset", "encoder", "index", "pictures", "skipped", "encoded", "seconds"])
    for one in built:
        if one.encoded >= TOLD and any(one.spent_s.values()):
            aside(f"{one.encoder}: of the work {_shares(one.spent_s)}.")
    if any(one.skipped for one in built):
        aside(f"Skipped pictures with reasons: python -m core datasets --dataset {options.dataset}")


def _checked(dataset: Dataset, names: Sequence[str], steps: Steps) -> tuple[Dataset, Counts]:
    """The data set as it is once every picture was read, and the progress of the build that
    follows."""
    times = build_times()
    steps.add(CHECK, CHECK, CHECK_S * len(dataset.items))
    steps.add(BUILD, BUILD, sum(build_seconds(dataset, name, times) for name in names))
    dataset, checked = content_check.checked(dataset, steps.begin(CHECK))
    aside(f"Content check: {checked.words}.")
    return dataset, steps.begin(BUILD)


def _shares(spent: dict[str, float]) -> str:
    """``encode 91 %, decode 4 %, ...``: largest first."""
    whole = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{stage} {100 * seconds / whole:.0f} %" for stage, seconds in ordered)


def _said(built: Sequence[build.Built]) -> str:
    """How a build ended, in one line where it was the same for every encoder."""
    same = len({(one.pictures, one.skipped) for one in built}) == 1
    by = f" by {len(built)} encoders" if len(built) > 1 else ""
    if same:
        return f"{built[0].pictures} pictures{by}, {built[0].skipped} skipped."
    told = (f"{one.encoder}: {one.pictures} pictures, {one.skipped} skipped" for one in built)
    return "; ".join(told)


def _show_estimates(costs: dict[str, Estimate], as_json: bool) -> None:
    if as_json:
        return emit({name: asdict(cost) for name, cost in costs.items()})
    table([_row(name, cost) for name, cost in costs.items()])


def _row(name: str, cost: Estimate) -> dict:
    return {
        "encoder": name,
        "to encode": cost.to_encode,
        "time": "unknown" if cost.seconds is None else f"{cost.seconds:.0f} s",
        "memory": f"{cost.ram_bytes / 1e6:.0f} MB",
        "disk": f"{cost.disk_bytes / 1e6:.1f} MB",
        "download": f"{cost.download_bytes / 1e6:.0f} MB",
        "missing": "; ".join(cost.missing) or "nothing",
    }
