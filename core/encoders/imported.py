"""A user's own vectors, standing among the encoders: they know these pictures alone."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core import store
from core.encoders.base import Encoder, encoders, unit_rows
from core.errors import UserError
from core.types import State

PREFIX = "imported."
PLACE = Path("library", "vectors")


class Imported(Encoder):
    """Vectors of a named source, as ``vectors.npy`` and ``ids.json`` in a folder of the library."""

    version = 2
    tier = "imported"
    family = "vectors"
    about = "Imported vectors. They search the gallery; a new picture can't be encoded with them."

    def __init__(self, folder: Path) -> None:
        meta = store.read_meta(folder)
        if meta is None:
            raise UserError(
                f"The vectors in {folder.name} can't be read.", fix="Import them again."
            )
        self.folder, self.source, self.digest = folder, meta["source"], meta["sha256"]
        self.name = PREFIX + folder.name
        self.title = meta.get("title") or folder.name
        self.dim = int(meta["dim"])

    def state(self) -> State:
        return State("ready", f"for {self.source} only")

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "vectors": self.digest}

    def prepare(self, image: np.ndarray) -> np.ndarray:
        raise UserError(
            f"{self.name} are imported vectors: a new picture can't be encoded with them."
        )

    def _encode(self, batch: Sequence[np.ndarray]) -> np.ndarray:
        raise UserError(
            f"{self.name} are imported vectors: a new picture can't be encoded with them."
        )

    def lookup(self) -> tuple[list[str], np.ndarray]:
        """Ids, and float32 (n, dim) as brought, memory-mapped. Raises UserError: damaged files."""
        return self._stored()

    def unit(self, vectors: np.ndarray) -> np.ndarray:
        """Some of them float32 (m, dim) as unit rows, zeros where a vector has no direction."""
        # so that no square is too large or too small for 32 bits
        largest = np.abs(vectors).max(axis=1, keepdims=True)
        vectors = np.divide(vectors, largest, out=np.zeros_like(vectors), where=largest > 0)
        return np.where(largest > 0, unit_rows(vectors, self.name), np.float32(0))

    def ids(self) -> list[str]:
        """The ids of all rows, as they were brought; some may be no picture's. Raises UserError."""
        return self._stored()[0]

    def zero_ids(self) -> set[str]:
        """The ids of vectors without direction. Raises UserError."""
        ids, vectors = self._stored()
        return {ids[row] for row in np.flatnonzero(~vectors.any(axis=1))}

    def _stored(self) -> tuple[list[str], np.ndarray]:
        try:
            if wrong := store.faults(self.folder):
                raise ValueError("; ".join(f"{name}: {fault}" for name, fault in wrong.items()))
            ids = json.loads((self.folder / "ids.json").read_text())
            stored = np.load(self.folder / "vectors.npy", mmap_mode="r")
            vectors = np.asarray(stored, np.float32)  # rows of a memmap itself are slow to take
            if vectors.shape != (len(ids), self.dim):
                raise ValueError(f"vectors of shape {vectors.shape} for {len(ids)} ids")
        except store.UNREADABLE as error:
            raise UserError(
                f"The vectors {self.name} can't be read ({error}).", fix="Import them again."
            ) from error
        return ids, vectors


def home() -> Path:
    """Where imported vectors are kept."""
    return store.root() / PLACE


def _folders() -> dict[str, Path]:
    """Name -> folder, the own one where there are two."""
    return {
        PREFIX + folder.name: folder
        for home in reversed(store.layers())
        for folder in store.listed(home / PLACE)
        if store.read_meta(folder) is not None
    }


def _names() -> list[str]:
    return list(_folders())


def _find(name: str) -> Imported | None:
    folder = _folders().get(name) if name.startswith(PREFIX) else None
    return Imported(folder) if folder else None


encoders.add_finder(_names, _find)
