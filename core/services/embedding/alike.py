"""Pictures whose bytes were encoded before under another name or time: moved, touched, or brought
again in another zip. Their vectors are taken over by the digest of the content.

Only finished embeddings by the same encoder count, its fit and weights included: where an encoder
was fitted again nothing is alike.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding import contents, pieces, shipped
from core.services.embedding.contents import Notes
from core.services.embedding.shards import Finished, key_of, short_of
from core.types import Item

SAMPLE = 128
"""Of more pictures than this so many are read first: if none of them is known, no other is read
before it is encoded."""


@dataclass
class Known:
    """Digest of a content -> folder of embeddings and row, of everything that one encoder made."""

    rows: dict[int, tuple[Path, int]] = field(default_factory=dict)

    def vectors(self, digests: Sequence[int]) -> np.ndarray:
        """float32 (n, dim) of known contents."""
        found = [self.rows[one] for one in digests]
        return np.stack([np.asarray(shipped.vectors(path)[row]) for path, row in found])


def known_by(encoder: Encoder, folders: Sequence[Path]) -> Known:
    """What ``encoder`` made, in these folders of embeddings, of pictures whose content was
    noted."""
    key, found = store.fingerprint(encoder.fingerprint()), Known()
    noted: dict[str, dict[int, int]] = {}
    for path in folders:
        meta = store.read_meta(path) or {}
        if meta.get("encoder_key") != key or not (source := meta.get("source")):
            continue
        try:
            digests = noted.setdefault(source, contents.known(source))
            if digests and store.sound(path):
                _take(found, path, digests, encoder.stored_dim)
        except store.UNREADABLE:
            continue
    return found


def _take(found: Known, path: Path, digests: dict[int, int], dim: int) -> None:
    keys = contents.keys_in(path)
    if shipped.vectors(path).shape != (len(keys), dim):
        return
    for row, key in enumerate(keys):
        digest = digests.get(short_of(key))
        if digest is not None:
            found.rows.setdefault(digest, (path, row))


class Reader:
    """Reads pictures of a data set for their digests, each once however many encoders ask, and
    notes what the content is of those that are known."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset, self._notes = dataset, Notes()
        self._digests: dict[str, int | None] = {}

    def alike(self, items: Sequence[Item], known: Known) -> tuple[list[str], np.ndarray]:
        """Keys of those of ``items`` whose content is known, and their vectors."""
        if not known.rows or not items:
            return [], np.zeros((0, 0), np.float32)
        sample = items[:: -(-len(items) // SAMPLE)]
        few = len(items) <= SAMPLE
        if not few and not any(self._digest(item) in known.rows for item in sample):
            return [], np.zeros((0, 0), np.float32)
        pairs = [(key_of(item), self._digest(item)) for item in items]
        hits = [(key, one) for key, one in pairs if one is not None and one in known.rows]
        if not hits:
            return [], np.zeros((0, 0), np.float32)
        self._notes.keep()
        return [key for key, _ in hits], known.vectors([one for _, one in hits])

    def _digest(self, item: Item) -> int | None:
        key = key_of(item)
        if key not in self._digests:
            try:
                self._digests[key] = contents.digest(self._dataset.read(item))
            except (UserError, *store.UNREADABLE):
                self._digests[key] = None
            self._notes.add(self._dataset, item, self._digests[key])
        return self._digests[key]


def finished(folders: Sequence[Path], dim: int) -> list[Finished]:
    """The vectors, keys and skipped pictures of folders of embeddings; those that can't be read are
    left out."""
    found: list[Finished] = []
    for path in folders:
        if not store.sound(path):
            continue
        try:
            keys = contents.keys_in(path)
            skipped = json.loads((path / "skipped.json").read_text())
            there = (path / pieces.FILE).exists()
            source = pieces.read(path) if there else path / "vectors.npy"
            if shipped.vectors(path).shape == (len(keys), dim):
                found.append((source, keys, skipped))
        except store.UNREADABLE:
            continue
    return found


def borrowed(
    dataset: Dataset, held: Mapping[Dataset, Path], done: Collection[str]
) -> tuple[list[str], np.ndarray]:
    """Keys and vectors of pictures that sets have which a set is put together from; ``held`` are
    their embeddings, ``done`` the keys that are there."""
    rows = {
        member: (
            shipped.vectors(path),
            {id: row for row, id in enumerate(shipped.ids(path, member))},
        )
        for member, path in held.items()
    }
    keys, vectors = [], []
    for item in dataset.items:
        member, own = dataset.origin(item)
        if member not in rows or key_of(item) in done:
            continue
        known, places = rows[member]
        if own.id in places:
            keys.append(key_of(item))
            vectors.append(known[places[own.id]])
    return keys, np.stack(vectors) if keys else np.zeros((0, 0), np.float32)
