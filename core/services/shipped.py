"""Embeddings of the embedded gallery that come with the code, so that the first page answers at once.

They are ordinary embeddings kept in half precision, named by their encoder; one whose causes have changed is ignored.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from core import store
from core.encoders.base import unit_rows

NAME = "embeddings"


def find(key: str, encoder: str) -> Path | None:
    """The folder of shipped embeddings with this cache key, or None."""
    path = store.shipped() / NAME / encoder
    meta = (store.read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key else None


def vectors(path: Path) -> np.ndarray:
    """The vectors of an entry, float32 (n, dim) unit rows: memory-mapped, or widened where they were kept in half precision."""
    found = np.load(path / "vectors.npy", mmap_mode="r")
    return found if found.dtype == np.float32 else unit_rows(found.astype(np.float32), path.name)


def ship(path: Path, encoder: str) -> Path:
    """Copy a finished cache entry to the shipped ones; returns its folder. For maintainers."""
    target, meta = store.shipped() / NAME / encoder, store.read_meta(path) or {}
    noted = {name: meta[name] for name in ("source", "dataset_name", "encoder_name", "encoder_key", "dim", "pictures", "skipped")}
    with store.new_folder(target) as folder:
        np.save(folder / "vectors.npy", np.load(path / "vectors.npy").astype(np.float16))
        for name in ("ids.json", "keys.json", "skipped.json"):
            shutil.copyfile(path / name, folder / name)
        (folder / "meta.json").write_text(json.dumps({"key": path.name, **noted}))
    return target
