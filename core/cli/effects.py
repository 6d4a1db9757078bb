"""``effect``: what a finished training run changed, on its own pictures and on others."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from core.cli.output import Progress, command, emit, table
from core.services.training import effect

ASKED = {"split": "of the query split", "held": "held out", "other": "", "all": "trained on"}
"""Which pictures the queries are, as the table says it."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands,
        "effect",
        _effect,
        "Before and after a training run: the change of mAP, and forgetting on other data.",
        "--run train-20260101-120000-abcdef",
        "--run train-20260101-120000-abcdef --also catalogue",
    )
    made.add_argument(
        "--run",
        dest="run_id",
        required=True,
        metavar="ID",
        help="a finished run: see train --list-runs",
    )
    made.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="PATH_OR_NAME",
        help="another dataset; repeatable",
    )
    made.add_argument("--log", help=argparse.SUPPRESS)


def _effect(options: argparse.Namespace) -> None:
    progress = Progress("before and after", options.log)
    with progress.ending():
        found = effect.before_after(options.run_id, options.also, progress=progress)
        progress.end("done", f"{len(found)} comparisons.")
    if options.json:
        return emit([row(one) for one in found])
    show(found)


def row(one: effect.Effect) -> dict:
    """An effect for programs."""
    return {**asdict(one), "change": one.change}


def show(found: Sequence[effect.Effect]) -> None:
    """Before and after, for people."""
    rows = [
        {
            "dataset": one.dataset,
            "relevant": one.protocol,
            "queries": f"{one.queries} {ASKED[one.asked]}",
            "mAP": _pair((one.before, one.after)),
            "change": f"{one.change:+.3f}",
            "95 % interval": f"{one.low:+.3f} to {one.high:+.3f}",
            "hit@1": _pair(one.hit1),
            "P@10": _pair(one.p10),
            "better": one.better,
            "worse": one.poorer,
        }
        for one in found
    ]
    if found:
        print(f"Before: {found[0].encoders[0]}. After: {found[0].encoders[1]}.")
    table(rows, list(rows[0]) if rows else ["dataset"])


def _pair(values: tuple[float, float] | None) -> str:
    return f"{values[0]:.3f} > {values[1]:.3f}" if values else ""
