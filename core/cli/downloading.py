"""``download`` and ``compile``: files and networks made ready before they are needed."""

import argparse

from core.cli.options import LOG, command
from core.cli.output import Progress, emit
from core.errors import UserError
from core.services.library import downloads

FETCH = {
    "dataset": downloads.fetch_dataset,
    "encoder": downloads.fetch_encoder,
    "text": downloads.fetch_text,
    "detector": downloads.fetch_detector,
}


@command(f"""download
    Fetch a public dataset, or the weights of an encoder, of what reads text for it, or of a
    detector. Continues where it stopped.

    --dataset NAME
    --encoder NAME
    --text NAME      the text tower of this encoder
    --detector NAME
    {LOG}

    examples:
    download --encoder resnet50.tv_in1k
    download --text vit_base_patch16_clip_224.openai
    download --detector ssdlite
    download --dataset flowers102
""")
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


@command("""compile
    Compile networks for this processor, once a machine: their results stay the same but for
    rounding, and take up to half of the time less. Builds of 256 pictures or more do it by
    themselves.

    --encoders A,B  or detectors; default: every network that is on this machine

    examples:
    compile
    compile --encoders resnet.lookalike,vgg.lookalike
""")
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
