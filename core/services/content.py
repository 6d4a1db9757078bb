"""A hash of what the pictures are, that another person with the same files gets too (times and places do not count)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.errors import UserError
from core.types import Progress, report

KIND = "hashes"


def content_hash(dataset: Dataset, progress: Progress | None = None) -> str:
    """20 hex digits over ids and bytes of all pictures in the order of ids; read once for each state of the dataset."""

    def write(folder: Path) -> dict:
        (folder / "content.json").write_text(json.dumps(_hash(dataset, progress)))
        return {"source": dataset.locator, "dataset_name": dataset.name}

    folder = store.get_or_build(KIND, _causes(dataset), write)
    return json.loads((folder / "content.json").read_text())


def known_hash(dataset: Dataset) -> str | None:
    """The same where it was read before for this state of the dataset; None where that would have to be done now."""
    folder = store.find(KIND, store.key(_causes(dataset)))
    try:
        return json.loads((folder / "content.json").read_text()) if folder else None
    except (OSError, ValueError):
        return None


def _causes(dataset: Dataset) -> dict:
    return {"dataset": dataset.fingerprint(), "version": 1}


def _hash(dataset: Dataset, progress: Progress | None) -> str:
    digests = {}
    for done, item in enumerate(dataset.items):
        report(progress, done, len(dataset.items))
        try:
            digests[item.id] = hashlib.sha256(dataset.read(item)).hexdigest()
        except UserError:
            digests[item.id] = "unreadable"
    lines = "".join(f"{id}\0{digests[id]}\n" for id in sorted(digests))
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:20]
