"""``download`` and ``compile``: files and networks made ready before they are needed."""

import argparse

from core.cli.output import Progress, command, emit, log_option, option
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
    option(made, "--dataset NAME")
    option(made, "--encoder NAME")
    option(made, "--text NAME", "the text tower of this encoder")
    option(made, "--detector NAME")
    log_option(made)
    _add_compile(commands)


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


def _add_compile(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands,
        "compile",
        _compile,
        "Compile networks for this processor, once a machine: their results stay the same but for"
        " rounding, and take up to half of the time less. Builds of 256 pictures or more do it by"
        " themselves.",
        "",
        "--encoders resnet.lookalike,vgg.lookalike",
    )
    option(made, "--encoders A,B", "or detectors; default: every network that is on this machine")


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
        print(f"{row.network}: " + (f"compiled{gain}" if row.compiled else f"torch ({row.reason})"))
