"""``compile``: make networks ready for this processor before they are needed."""

import argparse

from core.cli.output import Progress, command, emit
from core.services.library import downloads


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands,
        "compile",
        _compile,
        "Compile networks for this processor, once a machine: their vectors stay the same but for"
        " rounding, and take up to half of the time less. Builds of 256 pictures or more do it by"
        " themselves.",
        "",
        "--encoders siamese.lookalike,vgg.lookalike",
    )
    made.add_argument(
        "--encoders", metavar="A,B", help="default: every network that is on this machine"
    )


def _compile(options: argparse.Namespace) -> None:
    given = options.encoders
    names = (
        [one.strip() for one in given.split(",") if one.strip()] if given else downloads.at_hand()
    )
    progress = Progress("compiling networks", None)
    with progress.ending():
        rows = downloads.compile_networks(names, progress)
        progress.end("done", f"{sum(row.compiled for row in rows)} of {len(rows)} compiled.")
    if options.json:
        return emit(downloads.told(rows))
    for row in rows:
        gain = f", {row.gain:.1f} times as fast as torch" if row.gain else ""
        print(f"{row.encoder}: " + (f"compiled{gain}" if row.compiled else f"torch ({row.reason})"))
