"""``map``: how encoders arrange a dataset, as figures and as one page that works offline."""

import argparse
from pathlib import Path

from core.cli.options import DATASET, LOG, command
from core.cli.output import Progress, emit, table, writing
from core.errors import UserError
from core.services.embedding import build
from core.services.embedding.bound import is_built
from core.services.library import library
from core.services.maps import atlas, colours, maps
from core.services.maps import page as map_page
from core.services.maps.ahead import ATLAS, BUILD, Ahead
from core.services.specs import split_names

COLUMNS = [
    "encoder",
    "projection",
    "points",
    "fitted_on",
    "trustworthiness",
    "continuity",
    "kept",
    "clusters",
]


@command(f"""map
    Arrange a dataset on a plane as encoders see it; write one page that works offline.

    {DATASET}
    --encoders --encoder NAMES  one to four, separated by commas [required]
    --projection PROJECTION  aligned (default), umap, pca or tsne [= aligned]
    --set NAME=VALUE  a parameter of the projection [many]
    --out FILE        write one self-contained HTML page with hover pictures
    --colour FIELD    label, instance, category or an attribute [=]
    --redraw          draw maps anew on which pictures were placed that came later
    {LOG}

    examples:
    map --dataset catalogue --encoder hog.8x8 --out map.html
    map --dataset ~/Pictures --encoders hsv.12x4x4,hog.8x8 --projection aligned \
      --set neighbours=30 --json
""")
def write_map(options: argparse.Namespace) -> None:
    """Maps as ``options`` name them, and the page where they name a file."""
    progress = Progress(f"maps of {options.dataset}", options.log)
    with progress.ending():
        rows = _make(options, progress)
    progress.end("done", f"{len(rows)} map{'s' if len(rows) > 1 else ''} ready")
    if options.json:
        return emit(rows)
    table(rows, COLUMNS)
    if options.out:
        print(
            f"{options.out}: {rows[0]['bytes'] / 1e6:.1f} MB, {rows[0]['pictures']:,} hover"
            " pictures"
        )


def _make(options: argparse.Namespace, progress: Progress) -> list[dict]:
    dataset = library.open_dataset(options.dataset, fresh=True)
    wanted = split_names(options.encoders)
    if not 1 <= len(wanted) <= map_page.MOST_MAPS:
        raise UserError(
            f"{len(wanted)} encoders were named.",
            f"One to {map_page.MOST_MAPS} maps can be drawn together.",
        )
    if options.colour:
        colours.check(dataset, options.colour)
    together = maps.drawn_together(wanted, options.projection, _parameters(options.set), dataset)
    needed = {
        name
        for one in together
        if options.redraw or maps.find(dataset, one) is None
        for name in (one.encoder, one.anchor)
        if name
    }
    missing = [name for name in wanted if name in needed and not is_built(dataset, name)]
    ahead = Ahead(progress)
    if missing:
        ahead.build(dataset, missing)
    maps.expect(ahead, dataset, together)
    if not options.out and atlas.get(dataset, may_build=False) is None:
        ahead.atlas(len(dataset.items))
    if missing:
        build.build(dataset, missing, progress=ahead.begin(BUILD))
    found = []
    for one in together:
        making = ahead.making(maps.shipped_name(one))
        path = maps.build(dataset, one, making, redraw=options.redraw)
        found.append(maps.read(dataset, one, path))
    rows = [{**maps.row_dict(one), "path": str(one.path)} for one in found]
    if not options.out:
        atlas.get(dataset, ahead.begin(ATLAS))
        ahead.steps.close()
        return rows
    ahead.steps.close()
    page, pictures = map_page.write(dataset, found, options.colour, progress)
    with writing(options.out):
        Path(options.out).write_bytes(page)
    return [{**row, "out": options.out, "bytes": len(page), "pictures": pictures} for row in rows]


def _parameters(given: list[str]) -> dict[str, float]:
    """``NAME=VALUE`` pairs as numbers. Raises UserError."""
    found: dict[str, float] = {}
    for pair in given:
        name, _, value = pair.partition("=")
        try:
            number = float(value)
        except ValueError as error:
            raise UserError(
                f"--set {pair} was given.", "It takes NAME=NUMBER, such as neighbours=30."
            ) from error
        found[name] = int(number) if number.is_integer() else number
    return found
