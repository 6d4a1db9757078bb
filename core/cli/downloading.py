"""``download``: fetch a public dataset, or the weights of an encoder or a detector, before they are
needed."""

from __future__ import annotations

import argparse

from core.cli.output import Progress, command, emit
from core.errors import UserError
from core.services.library import downloads


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands,
        "download",
        _download,
        "Fetch a public dataset, or the weights of an encoder or a detector. Continues where it"
        " stopped.",
        "--encoder resnet50.tv_in1k",
        "--detector ssdlite",
        "--dataset flowers102",
    )
    made.add_argument("--dataset", metavar="NAME")
    made.add_argument("--encoder", metavar="NAME")
    made.add_argument("--detector", metavar="NAME")
    made.add_argument("--log", help=argparse.SUPPRESS)


FETCH = {
    "dataset": downloads.fetch_dataset,
    "encoder": downloads.fetch_encoder,
    "detector": downloads.fetch_detector,
}


def _download(options: argparse.Namespace) -> None:
    asked = [(kind, name) for kind in FETCH if (name := getattr(options, kind))]
    if len(asked) != 1:
        raise UserError(
            "Name one thing to download.",
            "Either --dataset NAME, --encoder NAME or --detector NAME.",
        )
    ((kind, name),) = asked
    progress = Progress(f"downloading {name}", options.log)
    with progress.ending():
        row = FETCH[kind](name, progress)
        progress.end("done", f"{row['title']} is {row['state']}.")
    if options.json:
        return emit(row)
    print(f"{row['name']}: {row['state']}")
