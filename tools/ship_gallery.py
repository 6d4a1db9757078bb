"""What the embedded gallery brings along, made again: ``python tools/ship_gallery.py [ENCODER
...]``.

Without names every encoder that works offline gets its UMAP, its PCA and its UMAP drawn towards the
first page's first encoder, so that any of them stand side by side at once; those of the first page
are drawn towards one another too, have a t-SNE, and their embeddings are shipped. The room that is
left holds the embeddings of others, the smallest first. What was fitted on the gallery is shipped
always: without it nobody could tell whether a map still belongs to its encoder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core import store
from core.datasets.base import Dataset
from core.encoders import precision
from core.encoders.base import encoders
from core.services.embedding import bound, stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.library import library
from core.services.maps import atlas, maps
from core.services.maps import placed as shipped_maps
from core.services.maps.maps import Wanted

DATASET = "catalogue"
LIMIT = 58_000_000
"""Bytes of all files that come with the code."""
SPARE = 400_000


def main(given: list[str]) -> None:
    os.environ[precision.ENV] = "fp32"  # a machine without bf16 has to find them, too
    dataset = library.open_dataset(DATASET)
    names = list(dict.fromkeys([*FIRST_ENCODERS, *(given or offline())]))
    build(dataset, names)
    for folder in (stored.NAME, stored.FITS):
        keep_only(folder, names)
    for name in names:
        ship_embeddings(dataset, name)
        ship_fit(dataset, name)
    ship_maps(dataset, names)
    sizes = {
        name: store.folder_bytes(store.shipped() / stored.NAME / name)
        for name in names
        if name not in FIRST_ENCODERS
    }
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if tracked_bytes() > LIMIT - SPARE:
            shutil.rmtree(store.shipped() / stored.NAME / name)
            print(f"No room for the embeddings by {name}: they are made when they are needed")
    print(f"All files together: {tracked_bytes() / 1e6:.1f} of {LIMIT / 1e6:.0f} MB")


def offline() -> list[str]:
    """Every listed encoder with vectors of its own that comes with the code or with its packages,
    the user's own models aside."""
    names = [
        row["name"] for row in library.encoder_rows() if row["tier"] in ("bundled", "packaged")
    ]
    return [name for name in names if encoders.get(name).base is None]


def ship_embeddings(dataset: Dataset, name: str) -> None:
    found = prepared(dataset, name).path
    path = found if (found / stored.PACKED).exists() else stored.ship(found, dataset, name)
    print(f"embeddings by {name}: {store.folder_bytes(path) / 1e3:,.0f} kB", flush=True)


def ship_fit(dataset: Dataset, name: str) -> None:
    encoder = encoders.get(name)
    if encoder.base is None and not encoder.fitted:
        key = store.key(bound.fit_causes(dataset, encoder))
        if (path := store.find(bound.FITS, key)) is not None:
            print(f"fit of {name}: {store.folder_bytes(stored.ship_fit(path, name)) / 1e3:,.0f} kB")


def ship_maps(dataset: Dataset, names: list[str]) -> None:
    """Every map that is not there yet or is outdated, and the sheet of small pictures; others are
    removed."""
    ids, wanted = [item.id for item in dataset.items], wanted_maps(names)
    for one in wanted:
        made, name = maps.build(dataset, one), maps.shipped_name(one)
        if not (made / shipped_maps.LAYERS).exists():
            shipped_maps.ship(made, name, ids)
        print(
            f"{name}:"
            f" {store.folder_bytes(store.shipped() / shipped_maps.NAME / name) / 1e3:,.0f} kB",
            flush=True,
        )
    atlas.get(dataset)
    if (path := store.find(maps.KIND, store.key(atlas.causes(dataset)))) is not None:
        shipped_maps.ship(path, "atlas", ids)
    keep_only(shipped_maps.NAME, ["atlas", *map(maps.shipped_name, wanted)])


def wanted_maps(names: list[str]) -> list[Wanted]:
    """Every map worth shipping, with the usual parameters."""
    alone = [(name, projection, "") for projection in ("umap", "pca") for name in names]
    alone += [(name, "tsne", "") for name in FIRST_ENCODERS]
    pairs = [
        *permutations(FIRST_ENCODERS, 2),
        *((FIRST_ENCODERS[0], name) for name in names if name not in FIRST_ENCODERS),
    ]
    return [usual(*one) for one in [*alone, *((name, "aligned", anchor) for anchor, name in pairs)]]


def usual(name: str, projection: str, anchor: str) -> Wanted:
    return Wanted(
        name,
        projection,
        anchor,
        {name: one.default for name, one in maps.settings_of(projection).items()},
    )


def keep_only(folder: str, names: list[str]) -> None:
    """Remove what is shipped in a folder under another name."""
    for path in store.listed(store.shipped() / folder):
        if path.name not in names:
            shutil.rmtree(path)


def tracked_bytes() -> int:
    """Bytes of the files that git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = {ROOT / name for name in listed.stdout.decode().split("\0") if name}
    return sum(path.stat().st_size for path in paths if path.is_file())


if __name__ == "__main__":
    main(sys.argv[1:])
