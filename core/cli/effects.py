"""``effect``: what a finished training run changed, on its own pictures and on others."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from core.cli.output import Progress, command, emit, table
from core.services import effect


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "effect", _effect, "Before and after a training run: the change of mAP, and what was forgotten elsewhere.",
        "--run train-20260101-120000-abcdef", "--run train-20260101-120000-abcdef --also catalogue",
    )  # fmt: skip
    made.add_argument("--run", dest="run_id", required=True, metavar="ID", help="a finished run: see train --list-runs")
    made.add_argument("--also", action="append", default=[], metavar="PATH_OR_NAME", help="another dataset; repeatable")
    made.add_argument("--log", help=argparse.SUPPRESS)


def _effect(options: argparse.Namespace) -> None:
    progress = Progress("before and after", options.log)
    with progress.ending():
        found = effect.before_after(options.run_id, options.also, progress=progress)
        progress.end("done", f"{len(found)} comparisons.")
    if options.json:
        return emit([{**asdict(one), "change": one.change} for one in found])
    rows = [
        {
            "dataset": one.dataset, "relevant": one.protocol, "queries": one.queries, "before": one.before, "after": one.after,
            "change": f"{one.change:+.4f}", "95 % interval": f"{one.low:+.4f} to {one.high:+.4f}",
            "better": one.better, "worse": one.poorer, "learned from": "yes" if one.learned else "no",
        }
        for one in found
    ]  # fmt: skip
    table(rows, list(rows[0]) if rows else ["dataset"])
