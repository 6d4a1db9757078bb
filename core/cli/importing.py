"""``vectors``: compare a model from elsewhere by the vectors that it made."""

import argparse

from core.cli.options import command
from core.cli.output import aside, emit, listed, table
from core.errors import UserError
from core.services.library import imports


@command("""vectors
    Import vectors for the pictures of a dataset, list them, or remove them.

    --dataset PATH_OR_NAME  whose pictures the vectors belong to
    --name NAME    what to call them: they become the encoder imported.NAME
    --file FILE    .npy of shape (n, dim), or Parquet with columns 'id' and 'vector'
    --ids FILE     ids of the rows of a .npy: .txt, .json, .csv (default: beside it)
    --check        count what could be used, and take nothing
    --replace      take the place of vectors of the same name
    --remove NAME  forget vectors; your files stay

    examples:
    vectors
    vectors --dataset ~/Pictures --name mymodel --file vectors.npy --ids ids.txt
    vectors --dataset ~/Pictures --file vectors.npy --check
    vectors --remove mymodel
""")
def _vectors(options: argparse.Namespace) -> None:
    if options.remove:
        imports.remove_vectors(options.remove)
    elif options.dataset or options.name or options.file:
        parts = ("dataset", "file") if options.check else ("dataset", "name", "file")
        if lacking := [f"--{part}" for part in parts if not getattr(options, part)]:
            raise UserError(f"To import vectors, give {' and '.join(lacking)} too.")
        if options.check:
            return _told(
                imports.check_vectors(options.dataset, options.file, options.ids), options.json
            )
        name = imports.import_vectors(
            options.dataset,
            options.name,
            options.file,
            options.ids,
            replace=options.replace,
            told=_counted,
        )
        aside(f"Ready: search with --encoder {name}")
    rows = imports.vector_rows()
    if options.json:
        return emit(rows)
    table(rows, ["name", "dim", "vectors", "used", "skipped", "source"])
    for row in rows:
        listed(f"Passed over in {row['name']}", row["passed_over"], "id")


def _told(check: imports.Check, as_json: bool) -> None:
    """What a file holds, and that nothing was taken of it."""
    if as_json:
        return emit(check)
    _counted(check)
    listed("Passed over", [{"id": one.id, "reason": one.reason} for one in check.skipped], "id")


def _counted(check: imports.Check) -> None:
    """The counts, said before anything is taken."""
    aside(check)
    for remark in check.remarks:
        aside(f"{remark.id} {remark.text}.")
