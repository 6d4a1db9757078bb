"""What pictures hold: digests of what was read for a build, by source, and what they are good for.

Pictures whose bytes were encoded before under another name or time (moved, touched, or brought
again in another zip) take their vectors over by the digest of the content. Only finished embeddings
by the same encoder count, its fit and weights included: where an encoder was fitted again nothing
is alike. The hash of a whole data set is what another person with the same files gets too, and its
marks are those by which some of them are known again (times and places do not count).
"""

import hashlib
import io
import json
from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.stored import key_of, keys_in, short_of
from core.types import Item

KIND = "contents"
ROW = np.dtype([("key", "<u8"), ("digest", "<u8")])


def digest(data: bytes) -> int:
    """64 bits of the sha256 of a picture's bytes."""
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


class Notes:
    """Contents of the pictures that a build reads; 16 bytes each."""

    def __init__(self) -> None:
        self._rows: dict[Dataset, tuple[array, array]] = {}
        self._kept: dict[Dataset, int] = {}

    def add(self, dataset: Dataset, item: Item, content: int | None) -> None:
        """Note a picture with the source that it comes from."""
        if content is not None:
            self.add_own(*dataset.origin(item), content)

    def add_own(self, source: Dataset, own: Item, content: int | None) -> None:
        """Note a picture of the source itself."""
        if content is not None:
            keys, digests = self._rows.setdefault(source, (array("Q"), array("Q")))
            keys.append(short(own))
            digests.append(content)

    def keep(self) -> None:
        """Add to what is known of each source. What was known first stays: by that the vectors were
        made."""
        for source, (keys, digests) in self._rows.items():
            if self._kept.get(source) == len(keys):
                continue
            write(
                source.locator,
                source.items,
                dict(zip(keys, digests, strict=True)) | known(source.locator),
            )
            self._kept[source] = len(keys)


def short(item: Item) -> int:
    """64 bits for one state of one picture."""
    return short_of(key_of(item))


def known(locator: str) -> dict[int, int]:
    """State of a picture -> digest of its content; empty where nothing was noted, or nothing that
    can be read."""
    try:
        rows = np.load(store.existing(_file(locator)), allow_pickle=False)
        return dict(zip(rows["key"].tolist(), rows["digest"].tolist(), strict=True))
    except store.UNREADABLE:
        return {}


def write(locator: str, items: Sequence[Item], found: dict[int, int]) -> None:
    """Keep what is known of the pictures of a source as they are now, and of about as many that
    went: embeddings of before may hold what came back under another name."""
    now = dict.fromkeys(short(item) for item in items)
    gone = [key for key in found if key not in now][: len(now)]
    keys = [*(key for key in now if key in found), *gone]
    to = io.BytesIO()
    np.save(to, np.array([(key, found[key]) for key in keys], ROW))
    store.write_bytes(_file(locator), to.getvalue())


def _file(locator: str) -> Path:
    return store.cache(KIND) / f"{store.fingerprint(locator)}.npy"


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
        return np.stack([np.asarray(stored.vectors(path)[row]) for path, row in found])


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
            digests = noted.setdefault(source, known(source))
            if digests and store.sound(path):
                _take(found, path, digests, encoder.stored_dim)
        except store.UNREADABLE:
            continue
    return found


def _take(found: Known, path: Path, digests: dict[int, int], dim: int) -> None:
    keys = keys_in(path)
    if stored.vectors(path).shape != (len(keys), dim):
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
                self._digests[key] = digest(self._dataset.read(item))
            except (UserError, *store.UNREADABLE):
                self._digests[key] = None
            self._notes.add(self._dataset, item, self._digests[key])
        return self._digests[key]


def borrowed(
    dataset: Dataset, held: Mapping[Dataset, Path], done: Collection[str]
) -> tuple[list[str], np.ndarray]:
    """Keys and vectors of pictures that sets have which a set is put together from; ``held`` are
    their embeddings, ``done`` the keys that are there."""
    rows = {
        member: (stored.vectors(path), {id: row for row, id in enumerate(stored.ids(path, member))})
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


T = TypeVar("T")
HASHES = "hashes"
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
        return dataset.owned()

    return store.kept(HASHES, _causes(dataset), write, read)


def known_hash(dataset: Dataset) -> str | None:
    """The same where it was read before for this state of the dataset; None where that would have
    to be done now."""
    folder = store.find(HASHES, store.key(_causes(dataset)))
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
