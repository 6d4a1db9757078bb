"""What the pictures of a data set are, whatever its files are called: a hash that another person
with the same files gets too, and marks by which some of them are known again (times and places do
not count)."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.types import Item

T = TypeVar("T")
KIND = "hashes"
DIGESTS = "digests.npy"
MARKS = 64
"""So many pictures stand for a set: those whose digests are the smallest, which is a fixed choice
without any order."""


def content_hash(dataset: Dataset) -> str:
    """20 hex digits over ids and bytes of all pictures in the order of ids; read once for each
    state of the dataset."""
    return _kept(dataset, _hash_in)


def digests(dataset: Dataset) -> np.ndarray:
    """uint64 (n,): the beginning of each picture's sha256, in the order of the items; 0 where it
    can't be read."""

    def read(folder: Path) -> np.ndarray:
        found = np.load(folder / DIGESTS)
        if found.shape != (len(dataset.items),):
            raise ValueError(f"{found.shape} digests of {len(dataset.items)} pictures")
        return found

    return _kept(dataset, read)


def marks(dataset: Dataset, items: Sequence[Item]) -> list[str]:
    """The smallest :data:`MARKS` digests among some pictures of a dataset as hex, ascending."""
    found = np.unique(digests(dataset)[[dataset.rows[item.id] for item in items]])
    return [f"{int(value):016x}" for value in found[found > 0][:MARKS]]


def share_of(values: np.ndarray, known: Sequence[str], pictures: int) -> float:
    """Which share of pictures belongs to the set that marks stand for, as far as these tell; 0
    where they tell nothing.

    Args:
        values: digests of the pictures.
        known: marks of a set of ``pictures``.
    """
    limit = int(known[-1], 16) if pictures > len(known) else 2**64 - 1
    low = values[(values > 0) & (values <= np.uint64(limit))]
    return (
        float(np.isin(low, np.array([int(mark, 16) for mark in known], np.uint64)).mean())
        if len(low)
        else 0.0
    )


def _kept(dataset: Dataset, read: Callable[[Path], T]) -> T:
    def write(folder: Path) -> dict:
        found = _read(dataset)
        np.save(
            folder / DIGESTS,
            np.array([int(found[item.id][:16] or "0", 16) for item in dataset.items], np.uint64),
        )
        (folder / "content.json").write_text(json.dumps(_hash(found)))
        return {"source": dataset.locator, "dataset_name": dataset.name}

    return store.kept(KIND, _causes(dataset), write, read)


def known_hash(dataset: Dataset) -> str | None:
    """The same where it was read before for this state of the dataset; None where that would have
    to be done now."""
    folder = store.find(KIND, store.key(_causes(dataset)))
    try:
        return _hash_in(folder) if folder else None
    except store.UNREADABLE:
        return None


def _hash_in(folder: Path) -> str:
    found = json.loads((folder / "content.json").read_text())
    if not isinstance(found, str):
        raise ValueError("it is no hash")
    return found


def _causes(dataset: Dataset) -> dict:
    return {"dataset": dataset.fingerprint(), "version": 2}


def _read(dataset: Dataset) -> dict[str, str]:
    """Id -> sha256 of the picture, empty where it can't be read."""
    found = {}
    for item in dataset.items:
        try:
            found[item.id] = hashlib.sha256(dataset.read(item)).hexdigest()
        except UserError:
            found[item.id] = ""
    return found


def _hash(found: dict[str, str]) -> str:
    lines = "".join(f"{id}\0{found[id] or 'unreadable'}\n" for id in sorted(found))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:20]
