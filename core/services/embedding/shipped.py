"""What comes with the code for the embedded gallery, so that its pages answer at once: embeddings,
and what was fitted on it.

They are ordinary cache entries, named by their encoder: vectors in half precision and packed,
without the ids, which are
those of the gallery. One whose causes have changed is ignored.
"""

import json
import shutil
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import unit_rows
from core.errors import UserError
from core.services.embedding import pieces

NAME = "embeddings"
FITS = "fits"
PACKED = "vectors.npz"
WIDE, DIGITS = 512, 6
"""From so many dimensions a vector is shipped with fewer digits."""
IN_MEMORY = 6
"""Unpacked embeddings that are kept: a few MB each."""


def find(key: str, encoder: str) -> Path | None:
    """The folder of shipped embeddings with this cache key, or None."""
    return _with_key(store.shipped() / NAME / encoder, key)


def find_fit(key: str, encoder: str) -> Path | None:
    """The folder of a shipped fit with this cache key, or None."""
    return _with_key(store.shipped() / FITS / encoder, key)


def _with_key(path: Path, key: str) -> Path | None:
    meta = (store.read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key and store.sound(path) else None


def vectors(path: Path) -> np.ndarray:
    """The vectors of an entry, float32 (n, dim) unit rows: memory-mapped, unpacked where it is a
    shipped one, or read where other machines wrote them (:class:`.pieces.Pieces`, which stands for
    an array)."""
    if (path / PACKED).exists():
        return _unpacked(path, (path / PACKED).stat().st_mtime_ns)
    if (path / pieces.FILE).exists():
        return cast(np.ndarray, pieces.read(path))
    return np.load(path / "vectors.npy", mmap_mode="r")


@lru_cache(maxsize=IN_MEMORY)
def _unpacked(path: Path, changed: int) -> np.ndarray:
    with np.load(path / PACKED) as packed:
        found = _unit(packed["vectors"].astype(np.float32), path.name)
    found.flags.writeable = False
    return found


def _unit(vectors: np.ndarray, name: str) -> np.ndarray:
    """Unit rows. Raises ValueError where they can't be: these are no vectors that were shipped."""
    try:
        return unit_rows(vectors, name)
    except UserError as error:
        raise ValueError(str(error)) from error


def ids(path: Path, dataset: Dataset) -> Sequence[str]:
    """The ids of an entry's rows; those of every item where it does not say. The data set's own
    where they are these, so that a million are not held twice."""
    if not (path / "ids.json").exists():
        return dataset.ids
    told = tuple(json.loads((path / "ids.json").read_text()))
    return dataset.ids if dataset.ids == told else told


def skipped(path: Path) -> dict[str, str]:
    """Picture keys with the reason for being skipped; shipped embeddings skip none."""
    return (
        json.loads((path / "skipped.json").read_text()) if (path / "skipped.json").exists() else {}
    )


def ship(path: Path, dataset: Dataset, encoder: str) -> Path:
    """Copy finished embeddings of the embedded gallery to the shipped ones; returns the folder. For
    maintainers.

    Raises:
        UserError: a picture of the gallery has no vector.
    """
    if ids(path, dataset) != dataset.ids:
        raise UserError(
            f"{encoder} has no vector for some pictures of {dataset.name}.",
            fix="Build its embeddings again.",
        )
    target, meta = store.shipped() / NAME / encoder, store.read_meta(path) or {}
    noted = {
        name: meta[name]
        for name in (
            "source",
            "dataset_name",
            "encoder_name",
            "encoder_key",
            "dim",
            "pictures",
            "skipped",
        )
    }
    half = _brief(np.asarray(vectors(path)).astype(np.float16))
    with store.new_folder(target) as folder:
        _pack(folder / PACKED, half)
        (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))
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


def ship_fit(path: Path, encoder: str) -> Path:
    """Copy what was fitted on the embedded gallery to the shipped ones; returns the folder. For
    maintainers."""
    target, meta = store.shipped() / FITS / encoder, store.read_meta(path) or {}
    with store.new_folder(target) as folder:
        for file in path.glob("*.npy"):
            shutil.copyfile(file, folder / file.name)
        noted = {
            name: meta[name]
            for name in ("source", "dataset_name", "encoder_name", "pictures")
            if name in meta
        }
        (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))
    return target
