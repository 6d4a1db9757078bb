"""``probe``, ``perturb``, ``health``, ``audit``: studies of an encoder, a data set, a query."""

import argparse
from dataclasses import asdict

from core.cli.building import ready
from core.cli.options import DATASET, ENCODER, ENCODERS, PROTOCOL, K, command
from core.cli.output import Progress, emit, table
from core.services.evaluation import audit, health, perturb, probes
from core.services.specs import split_names

PROBE = f"""
    Shared factors: what an encoder's neighbours share beyond chance.

    {DATASET}
    {ENCODERS}
    -k K  neighbours looked at [int, default: {probes.K}]

    examples:
    probe --dataset catalogue --encoders hsv.12x4x4,hog.8x8
"""

PERTURB = f"""
    Robustness: whether a distorted picture still finds its original.

    {DATASET}
    {ENCODERS}
    --distortions NAMES  default: all [=]
    --sample SAMPLE      pictures [int, default: {perturb.SAMPLE}]

    examples:
    perturb --dataset catalogue --encoders tiny.16x16 --distortions rotate,blur
"""

HEALTH = f"""
    Data health: near-duplicates, hubness, crowding and score calibration.

    {DATASET}
    {ENCODERS}
    {PROTOCOL}

    examples:
    health --dataset catalogue --encoders hog.8x8 --json
"""

AUDIT = f"""
    One query's list under every published definition.

    {DATASET}
    {ENCODER}
    --query ID  id of a query picture, as NAME or id:NAME [required]
    {PROTOCOL}
    {K}

    examples:
    audit --dataset catalogue --encoder hog.8x8 --query mug-15-0
"""


def add_commands(commands: argparse._SubParsersAction) -> None:
    command(commands, "probe", _probe, PROBE)
    command(commands, "perturb", _perturb, PERTURB)
    command(commands, "health", _health, HEALTH)
    command(commands, "audit", _audit, AUDIT)


def _probe(options: argparse.Namespace) -> None:
    wanted = split_names(options.encoders)
    dataset = ready(options.dataset, wanted)
    found = {
        name: probes.probe(dataset, name, options.k, Progress(f"probing {name}")) for name in wanted
    }
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


def _perturb(options: argparse.Namespace) -> None:
    wanted = split_names(options.encoders)
    dataset = ready(options.dataset, wanted)
    chosen = split_names(options.distortions)
    found = {
        name: perturb.robustness(
            dataset, name, options.sample, chosen, Progress(f"distorting for {name}")
        )
        for name in wanted
    }
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


def _health(options: argparse.Namespace) -> None:
    wanted = split_names(options.encoders)
    dataset = ready(options.dataset, wanted)
    found = {
        name: health.health(dataset, name, options.protocol, Progress(f"examining {name}"))
        for name in wanted
    }
    if options.json:
        return emit(found)
    rows = []
    for name, made in found.items():
        twins, hubs, space, pairs = (
            made[part] for part in ("duplicates", "hubness", "space", "similarity")
        )
        best = pairs["thresholds"][-1] if pairs["thresholds"] else None
        rows.append(
            {
                "encoder": name,
                "near-duplicates": twins["pairs"],
                "mAP": f"{twins['mAP with']:.4f}",
                "without them": f"{twins['mAP without']:.4f}",
                "hubness": f"{hubs['skewness']:.2f}",
                "never found": f"{hubs['never found']:.1%}",
                "mean cosine": f"{space['mean cosine']:.3f}",
                "effective dimensions": (
                    f"{space['effective dimensions']:.0f} of {space['dimensions']}"
                ),
                "threshold": (
                    f"{best['threshold']:.3f} for a precision of {best['precision']:.0%}"
                    if best
                    else "none"
                ),
            }
        )
    table(rows, list(rows[0]))


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
    rows = [
        {
            **row,
            "value": f"{row['value']:.4f}",
            "theirs": "" if row["theirs"] is None else f"{row['theirs']:.4f}",
        }
        for row in found.rows
    ]
    table(rows, ["definition", "value", "package", "theirs", "steps", "who"])
