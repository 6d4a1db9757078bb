"""``detect`` and ``detectors``: where the subject of a picture is, and what can find it."""

import argparse

from core.cli.listing import state_of
from core.cli.options import command, declare
from core.cli.output import Progress, aside, emit, table
from core.errors import UserError
from core.images import read_file
from core.services.embedding import detecting
from core.services.library import downloads
from core.services.search.request import Query
from core.services.search.subject import Box, detect

USUAL = "auto"


CHOICE = """
    --box x0,y0,x1,y1  search with this part of the picture alone: fractions from 0 to 1, origin
                       top left [edges]
    --crop NAME        search with the main box that this detector finds [=]
"""


def add_choice(made: argparse.ArgumentParser) -> None:
    """``--box`` or ``--crop`` for a command with a query."""
    declare(made.add_mutually_exclusive_group(), CHOICE, edges=edges)


def edges(text: str) -> tuple[float, float, float, float]:
    """``x0,y0,x1,y1`` as numbers."""
    parts = text.split(",")
    if len(parts) != 4:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no box: four numbers with commas between, as 0.2,0.1,0.8,0.9"
        )
    try:
        x0, y0, x1, y1 = (float(part) for part in parts)
        return x0, y0, x1, y1
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no box: {error}") from error


def fetched(name: str) -> None:
    """Download the weights of a detector that lacks them; one that can't be used says so later."""
    downloads.fetch_detector(name, Progress(f"downloading {name}"))


@command(f"""detect
    Find the subject of a picture: boxes, best first, edges in fractions of the picture.

    --image FILE     a picture file [required]
    --detector NAME  see the command detectors [default: {USUAL}]

    examples:
    detect --image photo.jpg
    detect --image photo.jpg --detector fasterrcnn --json
""")
def _detect(options: argparse.Namespace) -> None:
    fetched(options.detector)
    found = detect(Query(data=read_file(options.image), name=options.image), options.detector)
    if found.note:
        aside(found.note)
    if options.json:
        return emit({"boxes": [_plain(box) for box in found.boxes]})
    rows = [
        {
            "box": ", ".join(f"{edge:.3f}" for edge in box.edges),
            "score": f"{box.score:.3f}",
            "label": box.label,
            "main": "yes" if box == found.main else "",
        }
        for box in found.boxes
    ]
    table(rows, ["box", "score", "label", "main"])
    print(f"{found.detector} {found.ms:.1f} ms")


def _plain(box: Box) -> dict:
    return {
        "box": [round(edge, 6) for edge in box.edges],
        "score": round(box.score, 6),
        "label": box.label,
    }


@command("""detectors
    List detectors, bring a YOLO network as ONNX, or remove one.

    --bring FILE   an ONNX file of a YOLO network; it becomes the detector yolo.NAME
    --name NAME    what to call it
    --remove NAME  delete the copy of one that was brought; your file stays

    examples:
    detectors
    detectors --bring best.onnx --name mine
    detectors --remove yolo.mine
""")
def _detectors(options: argparse.Namespace) -> None:
    if options.remove:
        detecting.remove(options.remove)
    if options.bring:
        if not options.name:
            raise UserError("The network has no name.", fix="Add --name NAME.")
        aside(f"Ready: detect with --detector {detecting.bring(options.bring, options.name)}")
    rows = detecting.detector_rows()
    if options.json:
        return emit(rows)
    table(
        [{**row, "state": state_of(row), "labels": "yes" if row["named"] else ""} for row in rows],
        ["name", "tier", "labels", "state", "title"],
    )
    for row in (row for row in rows if row["state"] == "unavailable"):
        print(f"{row['name']}: {row['detail']}")
