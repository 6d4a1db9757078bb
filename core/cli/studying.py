"""``probe``, ``perturb``, ``health``, ``audit``: studies of an encoder, a data set, a query."""

import argparse
from collections.abc import Callable
from dataclasses import asdict
from typing import TypeVar

from core.cli.building import ready
from core.cli.options import DATASET, ENCODER, ENCODERS, PROTOCOL, K, command
from core.cli.output import Progress, emit, table
from core.services.evaluation import audit, health, perturb, probes
from core.services.specs import split_names

T = TypeVar("T")


def _each(
    options: argparse.Namespace, doing: str, study: Callable[..., T], *asked: object
) -> dict[str, T]:
    """Encoder -> what ``study(dataset, encoder, *asked, progress)`` finds of it."""
    wanted = split_names(options.encoders)
    dataset = ready(options.dataset, wanted)
    return {name: study(dataset, name, *asked, Progress(f"{doing} {name}")) for name in wanted}


@command(f"""probe
    Shared factors: what an encoder's neighbours share beyond chance.

    {DATASET}
    {ENCODERS}
    -k K  neighbours looked at [int, default: {probes.K}]

    examples:
    probe --dataset catalogue --encoders hsv.12x4x4,hog.8x8
""")
def _probe(options: argparse.Namespace) -> None:
    found = _each(options, "probing", probes.probe, options.k)
    if options.json:
        return emit({name: [asdict(row) for row in rows] for name, rows in found.items()})
    for name, rows in found.items():
        print(f"\n{name}: neighbours share this more often than chance")
        shown = [
            {
                "factor": r.factor,
                "lift": f"{r.lift:.2f}",
                "95 %": f"{r.low:.2f} to {r.high:.2f}",
                "observed": f"{r.observed:.1%}",
                "by chance": f"{r.expected:.1%}",
            }
            for r in rows
        ]
        table(shown, ["factor", "lift", "95 %", "observed", "by chance"])


@command(f"""perturb
    Robustness: whether a distorted picture still finds its original.

    {DATASET}
    {ENCODERS}
    --distortions NAMES  default: all [=]
    --sample SAMPLE      pictures [int, default: {perturb.SAMPLE}]

    examples:
    perturb --dataset catalogue --encoders tiny.16x16 --distortions rotate,blur
""")
def _perturb(options: argparse.Namespace) -> None:
    chosen = split_names(options.distortions)
    found = _each(options, "distorting for", perturb.robustness, options.sample, chosen)
    if options.json:
        return emit(found)
    for name, made in found.items():
        print(f"\n{name}, {made['sample']} pictures")
        rows = [
            {"distortion": kind, **{key: f"{value:.3g}" for key, value in row.items()}}
            for kind, rows in made["curves"].items()
            for row in rows[1:]
        ]
        table(rows, ["distortion", "strength", "recall@1", "recall@10", "overlap", "rbo", "cosine"])


@command(f"""health
    Data health: near-duplicates, hubness, crowding and score calibration.

    {DATASET}
    {ENCODERS}
    {PROTOCOL}

    examples:
    health --dataset catalogue --encoders hog.8x8 --json
""")
def _health(options: argparse.Namespace) -> None:
    found = _each(options, "examining", health.health, options.protocol)
    if options.json:
        return emit(found)
    table([_health_row(name, made) for name, made in found.items()])


def _health_row(name: str, made: dict) -> dict:
    twins, hubs, space, pairs = (
        made[part] for part in ("duplicates", "hubness", "space", "similarity")
    )
    threshold = "none"
    if pairs["thresholds"]:
        best = pairs["thresholds"][-1]
        threshold = f"{best['threshold']:.3f} for a precision of {best['precision']:.0%}"
    return {
        "encoder": name,
        "near-duplicates": twins["pairs"],
        "mAP": f"{twins['mAP with']:.4f}",
        "without them": f"{twins['mAP without']:.4f}",
        "hubness": f"{hubs['skewness']:.2f}",
        "never found": f"{hubs['never found']:.1%}",
        "mean cosine": f"{space['mean cosine']:.3f}",
        "effective dimensions": f"{space['effective dimensions']:.0f} of {space['dimensions']}",
        "threshold": threshold,
    }


@command(f"""audit
    One query's list under every published definition.

    {DATASET}
    {ENCODER}
    --query ID  id of a query picture, as NAME or id:NAME [required]
    {PROTOCOL}
    {K}

    examples:
    audit --dataset catalogue --encoder hog.8x8 --query mug-15-0
""")
def _audit(options: argparse.Namespace) -> None:
    dataset = ready(options.dataset, [options.encoder])
    query = options.query if options.query in dataset.rows else options.query.removeprefix("id:")
    found = audit.audit(dataset, options.encoder, query, options.protocol, options.k)
    if options.json:
        return emit(found)
    ranks = ", ".join(map(str, found.hits[:20])) + (" ..." if len(found.hits) > 20 else "")
    print(
        f"R = {found.relevant} of {found.length} pictures are relevant; they stand at ranks {ranks}"
    )
    rows = [{**row, **{key: _four(row[key]) for key in ("value", "theirs")}} for row in found.rows]
    table(rows, ["definition", "value", "package", "theirs", "steps", "who"])


def _four(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
