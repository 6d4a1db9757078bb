"""``datasets``, ``encoders``, ``indexes``: what there is."""

import argparse

from core.cli.options import command
from core.cli.output import aside, emit, listed, table
from core.datasets.base import datasets
from core.errors import UserError
from core.services.library import changing, layouts, library


@command("""datasets
    List datasets, or look into one.

    --dataset PATH_OR_NAME  show one dataset: its contents, protocols and skipped files
    --add PATH       add a folder, zip, CSV manifest or Parquet to the library
    --layout LEVELS  with --dataset or --add: what its folders mean, as split/class,
                     category/instance or */class (* says nothing); 'found' goes back to what is
                     found
    --add-pictures FILE   with --dataset: add pictures, or those of one zip, to a set that was
                          uploaded [several]
    --remove-pictures ID  with --dataset: remove pictures of a set that was uploaded [several]
    --remove PATH    remove an added one and delete what was built for it; its files stay

    examples:
    datasets
    datasets --dataset ~/Pictures --json
""")
def _datasets(options: argparse.Namespace) -> None:
    if options.remove:
        library.remove_dataset(options.remove)
    if options.add:
        options.dataset = library.add_folder(options.add)
    if options.layout:
        if not options.dataset:
            raise UserError(
                "--layout is for one dataset.", fix="Name it.", command="Name it with --dataset."
            )
        layouts.choose_layout(options.dataset, options.layout)
    if options.add_pictures or options.remove_pictures:
        _change(options)
    if options.dataset:
        return _one_dataset(options)
    rows = library.dataset_rows()
    if options.json:
        return emit(rows)
    shown = [{**row, "state": state_of({**row, "bytes": 0})} for row in rows]
    table(shown, ["name", "kind", "pictures", "skipped", "labels", "state", "title"])


def _change(options: argparse.Namespace) -> None:
    """Add and remove pictures of an uploaded set, and say what follows at the next build."""
    if not options.dataset:
        raise UserError(
            "Pictures are added to one dataset, or removed from it.",
            fix="Name it.",
            command="Name it with --dataset.",
        )
    options.dataset = library.open_dataset(options.dataset).locator
    changes = []
    if options.add_pictures:
        changes.append(changing.add(options.dataset, changing.read_files(options.add_pictures)))
    if options.remove_pictures:
        changes.append(changing.remove(options.dataset, options.remove_pictures))
    for one in changes:
        aside(one.words)
    if changes[-1].encoders:
        names = ",".join(changes[-1].encoders)
        aside(
            f"What was built follows with: python -m core build --dataset {options.dataset}"
            f" --encoders {names}"
        )


def _one_dataset(options: argparse.Namespace) -> None:
    row = library.dataset_row(options.dataset)
    if row["state"] == "unavailable" and not (row["added"] or row["name"] in datasets.names()):
        raise UserError(row["detail"])
    ready = row["state"] == "ready"
    row["skipped_pictures"] = library.skipped_rows(options.dataset) if ready else []
    layout = layouts.layout_row(options.dataset) if row["layout"] else None
    row["labels_from"] = layout["examples"] if layout else []
    if options.json:
        return emit(row)
    lists = ("skipped_pictures", "labels_from", "remarks")
    table([{"field": key, "value": value} for key, value in row.items() if key not in lists])
    if row["labels_from"]:
        print(f"\nFolders are read as {row['layout']} (correct it with --layout):")
        table(row["labels_from"], ["picture", "label", "split", "category", "instance"])
    if row["remarks"]:
        print(f"\nRemarks ({len(row['remarks'])}):")
        table(row["remarks"], ["where", "remark"])
    listed("Passed over", row["skipped_pictures"], "picture")


@command("""encoders
    List encoders and whether they can be used now.

    --name NAME  show one, listed or not (any timm name)

    examples:
    encoders
    encoders --json
""")
def _encoders(options: argparse.Namespace) -> None:
    rows = [library.get_encoder_row(options.name)] if options.name else library.encoder_rows()
    if options.json:
        return emit(rows)
    shown = [{**row, "state": state_of(row)} for row in rows]
    table(shown, ["name", "dim", "tier", "state", "title"])
    if options.name and rows[0]["detail"]:
        print(rows[0]["detail"])


def state_of(row: dict) -> str:
    """The state of an encoder or a detector, as a table shows it."""
    size = f" ({row['bytes'] / 1e6:.0f} MB)" if row["bytes"] else ""
    return f"needs download{size}" if row["state"] == "download" else row["state"]


@command("""indexes
    List indexes with their knobs.

    examples:
    indexes
    indexes --json
""")
def _indexes(options: argparse.Namespace) -> None:
    rows = library.index_rows()
    if options.json:
        return emit(rows)
    shown = [
        {**row, "knobs": ", ".join(f"{k}={v}" for k, v in row["knobs"].items())} for row in rows
    ]
    table(shown, ["name", "state", "score", "knobs", "title"])
    for row in (row for row in rows if row["detail"]):
        print(f"{row['name']}: {row['detail']}")
    print(
        "Also any faiss factory string, as factory:IVF64,PQ16. Knobs with ranges and meaning:"
        " python -m core indexes --json"
    )
