"""Vectors on the disk: the parts of a build, kept for a resume; finished embeddings, read; and
those of the embedded gallery that come with the code, packed small.

A part holds vectors by picture (id and stamp), not by position: it stays good when pictures come
and go meanwhile. What is shipped are ordinary cache entries, named by their encoder: vectors in
half precision, without the ids, which are those of the gallery. One whose causes have changed is
ignored.
"""

import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import Encoder, unit_rows
from core.errors import UserError
from core.services.embedding import pieces
from core.services.embedding.parquet_parts import ENDING, Home, ParquetPart
from core.services.embedding.pieces import Pieces
from core.types import Embeddings, Item, Parts, Skipped

log = logging.getLogger(__name__)
Finished = tuple[Path | Pieces | ParquetPart, list[str], dict[str, str]]
"""A part: the file of its vectors, the keys of their rows, and by key why a picture was skipped."""
BLOCK = 4096
"""Rows copied at a time."""
FULL = 2048
SECONDS = 10.0
"""A part is written when it holds this many pictures or this many seconds of work, whichever comes
first."""


def key_of(item: Item) -> str:
    """32 hex digits for one state of one picture."""
    return _key(item.id, item.stamp)


@lru_cache(maxsize=1 << 16)
def _key(id: str, stamp: str) -> str:
    """Asked for several times in a build for each picture."""
    return hashlib.blake2b(
        f"{id}\0{stamp}".encode("utf-8", "surrogatepass"), digest_size=16
    ).hexdigest()


def short_of(key: str) -> int:
    """The first 64 bits of a key, by which the contents of pictures are noted."""
    return int(key[:16], 16)


class Shards:
    """The parts of one (source, encoder) pair."""

    def __init__(self, folder: Path, dim: int, meta: dict) -> None:
        """``meta`` says whose parts these are, so that an abandoned build can be listed and
        deleted."""
        self.folder, self.dim, self.meta = folder, dim, meta
        self._keys: list[str] = []
        self._vectors: list[np.ndarray] = []
        self._skipped: dict[str, str] = {}
        self._since = time.monotonic()
        self._part = ""
        self.before: Callable[[], None] | None = None
        """Called before a part is written: what has to be on disk no later than it."""

    def add(self, keys: Sequence[str], vectors: np.ndarray, skipped: dict[str, Any]) -> None:
        """Take a batch: ``keys`` of the rows of ``vectors``, and picture keys with the reason for
        being skipped."""
        self._keys += keys
        self._vectors.append(vectors)
        self._skipped |= skipped
        held = len(self._keys) + len(self._skipped)
        if held >= FULL or time.monotonic() - self._since > SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is held as one part. Stopped and called again it writes the same part, so that
        nothing lies there twice."""
        if self._keys or self._skipped:
            if self.before is not None:
                self.before()
            self._part = self._part or f"part-{time.time_ns():020d}-{uuid.uuid4().hex[:6]}"
            self._say_whose()
            with store.new_folder(self.folder / self._part) as part:
                empty = np.zeros((0, self.dim), np.float32)
                np.save(part / "vectors.npy", np.concatenate([empty, *self._vectors]))
                (part / "keys.json").write_text(
                    json.dumps({"keys": self._keys, "skipped": self._skipped})
                )
                store.write_meta(part, {})
        self._keys, self._vectors, self._skipped, self._since, self._part = (
            [],
            [],
            {},
            time.monotonic(),
            "",
        )

    def _say_whose(self) -> None:
        if store.read_meta(self.folder) is None:
            store.write_text(
                self.folder / store.META, json.dumps({**self.meta, "built": time.time()})
            )

    def add_file(self, name: str, data: bytes) -> None:
        """Keep a part that another machine made (:func:`.parquet_parts.packed`)."""
        self._say_whose()
        store.write_bytes(self.folder / name, data)

    def parts(self) -> list[Finished]:
        """Every readable part: what holds its vectors, keys of its rows, skipped pictures."""
        found: list[Finished] = []
        for folder in sorted(self.folder.glob("part-*")):
            if not folder.is_dir() or store.faults(folder):
                continue
            try:
                noted = json.loads((folder / "keys.json").read_text())
                rows = np.load(folder / "vectors.npy", mmap_mode="r").shape
                if rows == (len(noted["keys"]), self.dim):
                    found.append((folder / "vectors.npy", noted["keys"], noted["skipped"]))
            except store.UNREADABLE as error:
                log.warning("ignoring unreadable part %s: %s", folder, error)
        if any(self.folder.glob(f"part-*{ENDING}")):
            made = Home(str(self.folder)).parts(self.dim)
            found += [(part.source, part.keys, part.skipped) for part in made]
        return found

    def drop(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def write_matrix(path: Path, shape: tuple[int, int], blocks: Iterable[np.ndarray]) -> None:
    """A ``.npy`` of float32 from its consecutive blocks of rows, never whole in memory.

    By plain writes: on a full disk these fail with an error, where a memory map ends the process.
    """
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": shape}
        )
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype="<f4").tobytes())


KIND = "embeddings"
INDEXES = "indexes"
INDEX_KEYS = "keys.npy"
"""The file of an index that can follow its gallery: which pictures stand in its rows."""
FITS = "fits"
PACKED = "vectors.npz"
IN_MEMORY = 6
"""Unpacked embeddings that are kept: a few MB each."""


def causes(dataset: Dataset, encoder: Encoder) -> dict:
    """What the embeddings depend on: every picture's state and every cause of the encoder."""
    return {"dataset": dataset.fingerprint(), "encoder": encoder.fingerprint()}


def find(dataset: Dataset, encoder: Encoder) -> Path | None:
    """The folder of finished embeddings, or None."""
    key = store.key(causes(dataset, encoder))
    return store.find(KIND, key) or store.came(KIND, encoder.name, key)


def read(dataset: Dataset, encoder: Encoder) -> Embeddings:
    """Finished embeddings, vectors memory-mapped. Some that can't be read count as absent.

    Raises:
        UserError: they are not built.
    """
    while (path := find(dataset, encoder)) is not None:
        try:
            return read_folder(path, dataset, encoder)
        except store.UNREADABLE as error:
            store.drop(path, error)
    raise not_built(dataset, encoder.name, since(dataset, encoder))


def since(dataset: Dataset, encoder: Encoder) -> str:
    """What changed since an earlier build for this source that no longer holds, or that its files
    are damaged; empty without such a build."""
    built = dict(of_source(KIND, dataset, encoder))
    if not built:
        return ""
    title = dataset.title or dataset.name
    if store.key(causes(dataset, encoder)) in {path.name for path in built}:
        return f"The stored vectors of {title} by {encoder.name} are damaged."
    key = store.fingerprint(encoder.fingerprint())
    if all(meta.get("encoder_key") != key for meta in built.values()):
        return f"{encoder.name} has changed since it was built for {title}: its vectors are others."
    known = {one for _, keys, reasons in earlier(dataset, encoder) for one in (*keys, *reasons)}
    new, all_of = len({key_of(item) for item in dataset.items} - known), len(dataset.items)
    return (
        f"The pictures of {title} have changed since {encoder.name} was built:"
        f" {new:,} of {all_of:,} are new or other."
        if new
        else f"Pictures of {title} went since {encoder.name} was built."
    )


def earlier(dataset: Dataset, encoder: Encoder) -> list[Finished]:
    """Finished embeddings of the same source by the same encoder, from when it held other
    pictures; those that can't be read are left out."""
    encoder_key = store.fingerprint(encoder.fingerprint())
    found: list[Finished] = []
    for path, meta in of_source(KIND, dataset, encoder):
        if meta.get("encoder_key") != encoder_key or not store.sound(path):
            continue
        with suppress(*store.UNREADABLE):
            keys, there = keys_in(path), (path / pieces.FILE).exists()
            source = pieces.read(path) if there else path / "vectors.npy"
            if vectors(path).shape == (len(keys), encoder.stored_dim):
                found.append((source, keys, skipped(path)))
    return found


def of_source(kind: str, dataset: Dataset, encoder: Encoder) -> list[tuple[Path, dict]]:
    """Entries of one kind that this source and an encoder of this name led to, whatever the
    pictures were then."""
    mark = (dataset.locator, encoder.name)
    found = [
        (path, store.read_meta(path) or {}) for path in store.folders(kind) if path.name[0] != "."
    ]
    return [
        (path, meta)
        for path, meta in found
        if (meta.get("source"), meta.get("encoder_name")) == mark
    ]


def read_folder(path: Path, dataset: Dataset, encoder: Encoder) -> Embeddings:
    reasons, rows = skipped(path), vectors(path)
    names = {key_of(item): item.id for item in dataset.items} if reasons else {}
    if rows.shape[1:] != (encoder.stored_dim,):
        raise ValueError(
            f"vectors of shape {rows.shape} by {encoder.name} of {encoder.stored_dim} numbers"
        )
    several = encoder.stored_dim != encoder.dim
    return Embeddings(
        ids=ids(path, dataset),
        vectors=rows[:, : encoder.dim] if several else rows,
        parts=Parts(rows, encoder.dim) if several else None,
        dataset=dataset.fingerprint(),
        encoder=store.fingerprint(encoder.fingerprint()),
        skipped=tuple(
            Skipped(names[key], reason) for key, reason in reasons.items() if key in names
        ),
    )


def keys_in(path: Path) -> list[str]:
    """The key of the picture in each row of finished embeddings. Raises ValueError and the like
    where they can't be read."""
    return list(json.loads((path / "keys.json").read_text()))


def skipped_in(dataset: Dataset) -> tuple[Skipped, ...]:
    """What decoding and preparing passed over, in all finished embeddings of the dataset as it is
    now."""
    found: dict[tuple[str, str], None] = {}
    for path in store.folders(KIND):
        meta = store.read_meta(path) or {}
        now = meta.get("causes", {}).get("dataset") == dataset.fingerprint()
        if now and meta.get("source") == dataset.locator:
            with suppress(*store.UNREADABLE):  # it counts as absent
                found |= dict.fromkeys(skipped(path).items())
    names = {key_of(item): item.id for item in dataset.items} if found else {}
    return tuple(Skipped(names[key], reason) for key, reason in found if key in names)


def item_rows(dataset: Dataset, found: Embeddings) -> Sequence[Item]:
    """The item of each row of the embeddings."""
    if found.ids is dataset.ids:
        return dataset.items
    return [dataset.items[dataset.rows[id]] for id in found.ids]


def keys_of(dataset: Dataset, found: Embeddings, rows: np.ndarray) -> np.ndarray:
    """uint64 (n, 2): which state of which picture stands in each of ``rows`` int64 (n,) of
    embeddings."""
    items = item_rows(dataset, found)
    held = b"".join(bytes.fromhex(key_of(items[row])) for row in rows)
    return np.frombuffer(held, np.uint64).reshape(-1, 2)


def places(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """int64 (rows before): the row among the keys ``now`` (n, 2) of each of those ``before``, -1
    where it is gone."""
    row_of = {tuple(key): row for row, key in enumerate(now.tolist())}
    return np.array([row_of.get(tuple(key), -1) for key in before.tolist()], np.int64)


def not_built(dataset: Dataset, name: str, changed: str = "") -> UserError:
    """The error for a search in what has not been built, or is no longer what was (``changed``,
    :func:`since`)."""
    return UserError(
        changed or f"{dataset.title or dataset.name} has no embeddings by {name} yet.",
        fix="Build them on the Library page.",
        command=(
            "Build them on the Library page, or with: python -m core build --dataset"
            f" {dataset.locator} --encoders {name}"
        ),
    )


def lacks_vector(found: Embeddings, encoder: str, id: str) -> UserError:
    """The error for a query that was passed over when the embeddings were made, with the reason."""
    why = next((f": {one.reason.rstrip('.')}" for one in found.skipped if one.id == id), "")
    return UserError(f"{encoder} holds no vector for {id!r}{why}.", fix="Choose another query.")


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
