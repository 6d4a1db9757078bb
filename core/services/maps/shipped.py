"""Maps of the embedded gallery that come with the code; an outdated one is ignored.

They need no embeddings to be drawn: their ids are those of the gallery, and their key follows from
the causes alone. What compares vectors (neighbours in the space, the place of a new picture) waits
for the embeddings.
"""

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core import store

NAME = "maps"
LAYERS = "layers.npz"
KEPT = ("positions", "axes")
"""Files that a projection reads itself; every other array goes into one packed file."""


def find(key: str, name: str) -> Path | None:
    """The folder of a shipped map (or sheet of pictures) with this cache key, or None."""
    path = store.shipped() / NAME / name
    meta = (store.read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key and store.sound(path) else None


def anchors(projection: str) -> list[str]:
    """Encoders to whose map shipped maps of ``projection`` are drawn, the one of most maps
    first."""
    parts = [path.name.split("--") for path in store.listed(store.shipped() / NAME)]
    found = Counter(part[2] for part in parts if len(part) == 3 and part[1] == projection)
    return [name for name, _ in found.most_common()]


def layers(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Arrays of a map by name, from its packed file or one file each."""
    if not (path / LAYERS).exists():
        return {name: np.load(path / f"{name}.npy", allow_pickle=False) for name in names}
    with np.load(path / LAYERS, allow_pickle=False) as packed:
        return {name: packed[name] for name in names}


def ship(path: Path, name: str, ids: Sequence[str]) -> Path:
    """Copy a finished cache entry to the shipped ones, figures of points in half precision. For
    maintainers.

    ``ids`` are those of the gallery: a map that shows other pictures brings its own.
    """
    target, meta = store.shipped() / NAME / name, store.read_meta(path) or {}
    noted = {
        one: meta[one]
        for one in ("facts", "source", "dataset_name", "encoder_name", "index_name")
        if one in meta
    }
    packed: dict[str, Any] = {}
    with store.new_folder(target) as folder:
        for file in sorted(path.iterdir()):
            if file.suffix == ".npy" and file.stem not in KEPT:
                packed[file.stem] = _small(np.load(file, allow_pickle=False))
            elif (
                file.name == "positions.npy"
            ):  # read as float32 again: at worst a thousandth of the map, less than a dot
                np.save(folder / file.name, _small(np.load(file, allow_pickle=False)))
            elif file.name not in ("meta.json", LAYERS) and not _same_ids(file, ids):
                shutil.copyfile(file, folder / file.name)
        if packed:
            np.savez_compressed(folder / LAYERS, **packed)
        (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))
    return target


def _same_ids(file: Path, ids: Sequence[str]) -> bool:
    return file.name == "ids.json" and json.loads(file.read_text()) == list(ids)


def _small(values: np.ndarray) -> np.ndarray:
    """Figures in half precision; row and cluster numbers in two bytes where they fit."""
    if values.dtype.kind == "f":
        return values.astype(np.float16)
    return values.astype(np.int16) if np.abs(values).max(initial=0) < 32768 else values
