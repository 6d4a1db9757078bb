"""Maps of the embedded gallery that come with the code, so that the page opens at once; an outdated one is ignored."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from core import store

NAME = "maps"
HALF = ("trust", "continuity", "kept")


def find(key: str, name: str) -> Path | None:
    """The folder of a shipped map (or sheet of pictures) with this cache key, or None."""
    path = store.shipped() / NAME / name
    meta = (store.read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key else None


def ship(path: Path, name: str) -> Path:
    """Copy a finished cache entry to the shipped ones, figures of points in half precision. For maintainers."""
    target, meta = store.shipped() / NAME / name, store.read_meta(path) or {}
    noted = {one: meta[one] for one in ("facts", "source", "dataset_name", "encoder_name", "index_name") if one in meta}
    with store.new_folder(target) as folder:
        for file in path.iterdir():
            if file.stem in HALF:
                np.save(folder / file.name, np.load(file, allow_pickle=False).astype(np.float16))
            elif file.stem in ("clusters", "nearest") and _fits(file):
                np.save(folder / file.name, np.load(file, allow_pickle=False).astype(np.int16))
            elif file.name not in ("meta.json", "ids.json"):  # ids stand with the shipped embeddings
                shutil.copyfile(file, folder / file.name)
        (folder / "meta.json").write_text(json.dumps({"key": path.name, **noted}))
    return target


def _fits(file: Path) -> bool:
    """Whether whole numbers of a file can be kept in two bytes."""
    return bool(np.abs(np.load(file, allow_pickle=False)).max(initial=0) < 32768)
