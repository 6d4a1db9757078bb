"""What the embedded gallery brings along, made again: ``python tools/ship_gallery.py [ENCODER
...]``.

Without names every encoder that works offline gets its UMAP, its PCA and its UMAP drawn towards the
first page's first encoder, so that any of them stand side by side at once; those of the first page
are drawn towards one another too, have a t-SNE, and their embeddings are shipped. The room that is
left holds the embeddings of others, the smallest first. What was fitted on the gallery is shipped
always: without it nobody could tell whether a map still belongs to its encoder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from core import store
from core.datasets.base import Dataset
from core.encoders import precision
from core.encoders.base import encoders
from core.errors import UserError
from core.services.embedding import bound, stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.library import library
from core.services.maps import atlas, maps
from core.services.maps.maps import Wanted

DATASET = "catalogue"
LIMIT = 58_000_000
"""Bytes of all files that come with the code."""
SPARE = 400_000
KEPT = ("positions", "axes")
"""Files that a projection reads itself; every other array goes into one packed file."""
WIDE, DIGITS = 512, 6
"""From so many dimensions a vector is shipped with fewer digits."""


def main(given: list[str]) -> None:
    os.environ[precision.ENV] = "fp32"  # a machine without bf16 has to find them, too
    dataset = library.open_dataset(DATASET)
    names = list(dict.fromkeys([*FIRST_ENCODERS, *(given or offline())]))
    build(dataset, names)
    for folder in (stored.KIND, stored.FITS):
        keep_only(folder, names)
    for name in names:
        ship_embeddings(dataset, name)
        ship_fit(dataset, name)
    ship_maps(dataset, names)
    sizes = {
        name: store.folder_bytes(store.shipped() / stored.KIND / name)
        for name in names
        if name not in FIRST_ENCODERS
    }
    for name in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if tracked_bytes() > LIMIT - SPARE:
            shutil.rmtree(store.shipped() / stored.KIND / name)
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
    path = found if (found / stored.PACKED).exists() else copied_embeddings(found, dataset, name)
    print(f"embeddings by {name}: {store.folder_bytes(path) / 1e3:,.0f} kB", flush=True)


def ship_fit(dataset: Dataset, name: str) -> None:
    encoder = encoders.get(name)
    if encoder.base is None and not encoder.fitted:
        key = store.key(bound.fit_causes(dataset, encoder))
        if (path := store.find(stored.FITS, key)) is not None:
            print(f"fit of {name}: {store.folder_bytes(copied_fit(path, name)) / 1e3:,.0f} kB")


def ship_maps(dataset: Dataset, names: list[str]) -> None:
    """Every map that is not there yet or is outdated, and the sheet of small pictures; others are
    removed."""
    ids, wanted = [item.id for item in dataset.items], wanted_maps(names)
    for one in wanted:
        made, name = maps.build(dataset, one), maps.shipped_name(one)
        if not (made / maps.PACKED).exists():
            copied_map(made, name, ids)
        print(
            f"{name}: {store.folder_bytes(store.shipped() / maps.KIND / name) / 1e3:,.0f} kB",
            flush=True,
        )
    atlas.get(dataset)
    if (path := store.find(maps.KIND, store.key(atlas.causes(dataset)))) is not None:
        copied_map(path, "atlas", ids)
    keep_only(maps.KIND, ["atlas", *map(maps.shipped_name, wanted)])


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


def copied_embeddings(path: Path, dataset: Dataset, encoder: str) -> Path:
    """Copy finished embeddings of the embedded gallery to the shipped ones; returns the folder.

    Raises:
        UserError: a picture of the gallery has no vector.
    """
    if stored.ids(path, dataset) != dataset.ids:
        raise UserError(
            f"{encoder} has no vector for some pictures of {dataset.name}.",
            fix="Build its embeddings again.",
        )
    target = store.shipped() / stored.KIND / encoder
    half = _brief(np.asarray(stored.vectors(path)).astype(np.float16))
    with store.new_folder(target) as folder:
        _pack(folder / stored.PACKED, half)
        _note(folder, path, "encoder_name", "encoder_key", "dim", "pictures", "skipped")
    return target


def _brief(half: np.ndarray) -> np.ndarray:
    """Wide vectors with ``DIGITS`` of the 10 binary digits of a mantissa: a third smaller when
    packed. Of the ten nearest pictures .994 (tiny image) to .998 (EfficientNet) stay the same."""
    if half.shape[1] < WIDE:
        return half
    unused = 10 - DIGITS
    bits = half.view(np.uint16).astype(np.uint32) + (1 << (unused - 1))
    return (bits >> unused << unused).astype(np.uint16).view(np.float16)


def _pack(path: Path, vectors: np.ndarray) -> None:
    """An ``.npz`` that numpy reads like any other, by a compression that saves a tenth more than
    numpy's own."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed,
        packed.open("vectors.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, vectors, allow_pickle=False)


def copied_fit(path: Path, encoder: str) -> Path:
    """Copy what was fitted on the embedded gallery to the shipped ones; returns the folder."""
    target = store.shipped() / stored.FITS / encoder
    with store.new_folder(target) as folder:
        for file in path.glob("*.npy"):
            shutil.copyfile(file, folder / file.name)
        _note(folder, path, "encoder_name", "pictures")
    return target


def copied_map(path: Path, name: str, ids: Sequence[str]) -> Path:
    """Copy a finished cache entry to the shipped ones, figures of points in half precision.

    ``ids`` are those of the gallery: a map that shows other pictures brings its own.
    """
    target = store.shipped() / maps.KIND / name
    packed: dict[str, Any] = {}
    with store.new_folder(target) as folder:
        for file in sorted(path.iterdir()):
            if file.suffix == ".npy" and file.stem not in KEPT:
                packed[file.stem] = _small(np.load(file, allow_pickle=False))
            elif file.name == "positions.npy":  # at worst a thousandth of the map off: under a dot
                np.save(folder / file.name, _small(np.load(file, allow_pickle=False)))
            elif file.name not in ("meta.json", maps.PACKED) and not _same_ids(file, ids):
                shutil.copyfile(file, folder / file.name)
        if packed:
            np.savez_compressed(folder / maps.PACKED, **packed)
        _note(folder, path, "facts", "encoder_name", "index_name")
    return target


def _note(folder: Path, path: Path, *names: str) -> None:
    """The meta of a copy in ``folder``: the key of the entry ``path``, and so much of its meta."""
    meta = store.read_meta(path) or {}
    noted = {name: meta[name] for name in ("source", "dataset_name", *names) if name in meta}
    (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))


def _same_ids(file: Path, ids: Sequence[str]) -> bool:
    return file.name == "ids.json" and json.loads(file.read_text()) == list(ids)


def _small(values: np.ndarray) -> np.ndarray:
    """Figures in half precision; row and cluster numbers in two bytes where they fit."""
    if values.dtype.kind == "f":
        return values.astype(np.float16)
    return values.astype(np.int16) if np.abs(values).max(initial=0) < 32768 else values


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
