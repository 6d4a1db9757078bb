"""A user's own vectors, standing among the encoders: they know the gallery's pictures and no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import store
from core.encoders.base import Encoder, encoders, unit_rows
from core.errors import UserError
from core.types import State

PREFIX = "imported."


class Imported(Encoder):
    """Vectors of a named source, as ``vectors.npy`` and ``ids.json`` in a folder of the library."""

    tier = "imported"
    family = "vectors"
    about = "Imported vectors. They search the gallery; a new picture can't be encoded with them."

    def __init__(self, folder: Path) -> None:
        meta = store.read_meta(folder)
        if meta is None:
            raise UserError(f"The vectors in {folder.name} can't be read.", fix="Import them again.")
        self.folder, self.source, self.digest = folder, meta["source"], meta["sha256"]
        self.name, self.title, self.dim = PREFIX + folder.name, meta.get("title") or folder.name, int(meta["dim"])

    def state(self) -> State:
        return State("ready", f"for {self.source} only")

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "vectors": self.digest}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        raise UserError(f"{self.name} are imported vectors: a new picture can't be encoded with them.")

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        raise UserError(f"{self.name} are imported vectors: a new picture can't be encoded with them.")

    def lookup(self) -> tuple[list[str], np.ndarray]:
        """Ids, and float32 (n, dim) with unit rows."""
        ids = json.loads((self.folder / "ids.json").read_text())
        return ids, unit_rows(np.load(self.folder / "vectors.npy").astype(np.float32), self.name)


def home() -> Path:
    """Where imported vectors lie."""
    return store.root() / "library" / "vectors"


def _names() -> list[str]:
    folders = sorted(home().iterdir()) if home().is_dir() else []
    return [PREFIX + folder.name for folder in folders if store.read_meta(folder) is not None]


def _find(name: str) -> Imported | None:
    return Imported(home() / name.removeprefix(PREFIX)) if name in _names() else None


encoders.add_finder(_names, _find)
