"""``download``: fetch a public dataset, or the weights of an encoder, its text tower or a detector,
before they are needed."""

import argparse

from core.cli.output import Progress, command, emit
from core.errors import UserError
from core.services.library import downloads


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands,
        "download",
        _download,
        "Fetch a public dataset, or the weights of an encoder, of what reads text for it, or of a"
        " detector. Continues where it stopped.",
        "--encoder resnet50.tv_in1k",
        "--text vit_base_patch16_clip_224.openai",
        "--detector ssdlite",
        "--dataset flowers102",
    )
    made.add_argument("--dataset", metavar="NAME")
    made.add_argument("--encoder", metavar="NAME")
    made.add_argument("--text", metavar="NAME", help="the text tower of this encoder")
    made.add_argument("--detector", metavar="NAME")
    made.add_argument("--log", help=argparse.SUPPRESS)


FETCH = {
    "dataset": downloads.fetch_dataset,
    "encoder": downloads.fetch_encoder,
    "text": downloads.fetch_text,
    "detector": downloads.fetch_detector,
}


def _download(options: argparse.Namespace) -> None:
    asked = [(kind, name) for kind in FETCH if (name := getattr(options, kind))]
    if len(asked) != 1:
        raise UserError(
            "Name one thing to download.",
            "Either --dataset NAME, --encoder NAME, --text NAME or --detector NAME.",
        )
    ((kind, name),) = asked
    progress = Progress(f"downloading {name}", options.log)
    with progress.ending():
        row = FETCH[kind](name, progress)
        state = (row["text"] if kind == "text" else row)["state"]
        of = "The text tower of " if kind == "text" else ""
        progress.end("done", f"{of}{row['title']} is {state}.")
    if options.json:
        return emit(row)
    print(f"{row['name']}: {state}")
