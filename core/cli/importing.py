"""``vectors``: compare a model from elsewhere by the vectors that it made."""

from __future__ import annotations

import argparse
import sys

from core.cli.output import command, emit, table
from core.errors import UserError
from core.services import imports


def add_commands(commands: argparse._SubParsersAction) -> None:
    made = command(
        commands, "vectors", _vectors, "Import vectors for the pictures of a dataset, list them, or remove them.",
        "", "--dataset ~/Pictures --name mymodel --file vectors.npy --ids ids.txt", "--remove mymodel",
    )  # fmt: skip
    made.add_argument("--dataset", metavar="PATH_OR_NAME", help="whose pictures the vectors belong to")
    made.add_argument("--name", help="what to call them: they become the encoder imported.NAME")
    made.add_argument("--file", help=".npy of shape (n, dim), or Parquet with columns 'id' and 'vector'")
    made.add_argument("--ids", metavar="FILE", help="ids of the rows of a .npy: .txt, .json, .csv (default: beside it)")
    made.add_argument("--replace", action="store_true", help="take the place of vectors of the same name")
    made.add_argument("--remove", metavar="NAME", help="forget vectors; your files stay")


def _vectors(options: argparse.Namespace) -> None:
    if options.remove:
        imports.remove_vectors(options.remove)
    elif options.dataset or options.name or options.file:
        lacking = [f"--{part}" for part in ("dataset", "name", "file") if not getattr(options, part)]
        if lacking:
            raise UserError(f"To import vectors, give {' and '.join(lacking)} too.")
        name = imports.import_vectors(options.dataset, options.name, options.file, options.ids, replace=options.replace)
        print(f"Ready: search with --encoder {name}", file=sys.stderr)
    rows = imports.vector_rows()
    if options.json:
        return emit(rows)
    table(rows, ["name", "dim", "source"])
