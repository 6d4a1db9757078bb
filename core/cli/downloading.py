"""``download``: fetch a public dataset or the weights of an encoder before they are needed."""

from __future__ import annotations

import argparse

from core.cli.output import Progress, command, emit
from core.errors import UserError
from core.services import downloads


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "download", _download, "Fetch a public dataset, or the weights of an encoder. Continues where it stopped.",
        "--encoder resnet50.tv_in1k", "--dataset flowers102",
    )  # fmt: skip
    made.add_argument("--dataset", metavar="NAME")
    made.add_argument("--encoder", metavar="NAME")
    made.add_argument("--log", help=argparse.SUPPRESS)


def _download(options: argparse.Namespace) -> None:
    if bool(options.dataset) == bool(options.encoder):
        raise UserError("Name one thing to download.", "Either --dataset NAME or --encoder NAME.")
    name = options.dataset or options.encoder
    progress = Progress(f"downloading {name}", options.log)
    with progress.ending():
        fetch = downloads.fetch_dataset if options.dataset else downloads.fetch_encoder
        row = fetch(name, progress)
        progress.end("done", f"{row['title']} is {row['state']}.")
    if options.json:
        return emit(row)
    print(f"{row['name']}: {row['state']}")
