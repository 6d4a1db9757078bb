"""Vectors on the disk: the parts of a build, kept for a resume; finished entries; and those of the
embedded gallery that come with the code, packed small.

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
import zipfile
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.encoders.base import unit_rows
from core.errors import UserError
from core.services.embedding import pieces
from core.services.embedding.parquet_parts import ENDING, Home, ParquetPart
from core.services.embedding.pieces import Pieces
from core.types import Item, Skipped

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


def assemble(
    items: Sequence[Item],
    parts: Sequence[Finished],
    dim: int,
    target: Path,
    in_place: Home | None = None,
) -> tuple[list[str], list[Skipped]]:
    """Write ``vectors.npy`` and ``ids.json`` of ``items`` into ``target`` from parts; returns the
    ids and what was skipped. ``in_place``: where all vectors lie in files there that can be mapped,
    these stay, and what is written is where each row lies."""
    where = {
        key: (number, row)
        for number, (_, keys, _) in enumerate(parts)
        for row, key in enumerate(keys)
    }
    reasons = {key: reason for _, _, skipped in parts for key, reason in skipped.items()}
    keys = [key_of(item) for item in items]
    kept = [row for row, key in enumerate(keys) if key in where]
    skipped = [
        Skipped(items[row].id, reasons[key])
        for row, key in enumerate(keys)
        if key not in where and key in reasons
    ]
    ids = [items[row].id for row in kept]
    sources = [where[keys[row]] for row in kept]
    if in_place is None or not _left_in_place(sources, parts, dim, target, in_place):
        _copy_rows(sources, parts, dim, target / "vectors.npy")
    (target / "ids.json").write_text(json.dumps(ids))
    (target / "keys.json").write_text(json.dumps([keys[row] for row in kept]))
    (target / "skipped.json").write_text(
        json.dumps({key: reasons[key] for key in keys if key not in where and key in reasons})
    )
    return ids, skipped


def _left_in_place(
    sources: list[tuple[int, int]], parts: Sequence[Finished], dim: int, target: Path, home: Home
) -> bool:
    """Whether all vectors can stay in the files of their parts in ``home``; then where they lie is
    written."""
    places = np.array(sources, dtype=np.int64).reshape(-1, 2)
    numbers, at = np.unique(places[:, 0], return_inverse=True)
    files = []
    for number in numbers:
        source = parts[number][0]
        here = isinstance(source, ParquetPart) and source.home is home
        if not here or (piece := source.piece()) is None:
            return False
        files.append(piece)
    pieces.write(target, files, np.column_stack([at, places[:, 1]]), dim)
    return bool(files)


def _copy_rows(
    sources: list[tuple[int, int]], parts: Sequence[Finished], dim: int, path: Path
) -> None:
    picks = np.array(sources, dtype=np.int64).reshape(-1, 2)
    starts = range(0, len(picks), BLOCK)
    write_matrix(
        path,
        (len(picks), dim),
        (_gather(picks[start : start + BLOCK], parts, dim) for start in starts),
    )


def _gather(picks: np.ndarray, parts: Sequence[Finished], dim: int) -> np.ndarray:
    block = np.empty((len(picks), dim), np.float32)
    for number in np.unique(picks[:, 0]):
        rows = np.flatnonzero(picks[:, 0] == number)
        block[rows] = _vectors(parts[number][0])[picks[rows, 1]]
    return block


def _vectors(source: Path | Pieces | ParquetPart) -> np.ndarray | Pieces:
    if isinstance(source, ParquetPart):
        return source.vectors()
    return np.load(source, mmap_mode="r") if isinstance(source, Path) else source


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


NAME = "embeddings"
FITS = "fits"
PACKED = "vectors.npz"
WIDE, DIGITS = 512, 6
"""From so many dimensions a vector is shipped with fewer digits."""
IN_MEMORY = 6
"""Unpacked embeddings that are kept: a few MB each."""


def find(key: str, encoder: str) -> Path | None:
    """The folder of shipped embeddings with this cache key, or None."""
    return _with_key(store.shipped() / NAME / encoder, key)


def find_fit(key: str, encoder: str) -> Path | None:
    """The folder of a shipped fit with this cache key, or None."""
    return _with_key(store.shipped() / FITS / encoder, key)


def _with_key(path: Path, key: str) -> Path | None:
    meta = (store.read_meta(path) or {}) if path.is_dir() else {}
    return path if meta.get("key") == key and store.sound(path) else None


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


def ship(path: Path, dataset: Dataset, encoder: str) -> Path:
    """Copy finished embeddings of the embedded gallery to the shipped ones; returns the folder. For
    maintainers.

    Raises:
        UserError: a picture of the gallery has no vector.
    """
    if ids(path, dataset) != dataset.ids:
        raise UserError(
            f"{encoder} has no vector for some pictures of {dataset.name}.",
            fix="Build its embeddings again.",
        )
    target, meta = store.shipped() / NAME / encoder, store.read_meta(path) or {}
    noted = {
        name: meta[name]
        for name in (
            "source",
            "dataset_name",
            "encoder_name",
            "encoder_key",
            "dim",
            "pictures",
            "skipped",
        )
    }
    half = _brief(np.asarray(vectors(path)).astype(np.float16))
    with store.new_folder(target) as folder:
        _pack(folder / PACKED, half)
        (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))
    return target


def _brief(half: np.ndarray) -> np.ndarray:
    """Wide vectors with ``DIGITS`` of the 10 binary digits of a mantissa: a third smaller when
    packed. Of the ten nearest pictures .994 (tiny image) to .998 (EfficientNet) stay the same."""
    if half.shape[1] < WIDE:
        return half
    unused = 10 - DIGITS
    bits = half.view(np.uint16).astype(np.uint32) + (1 << (unused - 1))
    return (bits >> unused << unused).astype(np.uint16).view(np.float16)


def _pack(path: Path, vectors: np.ndarray) -> None:
    """An ``.npz`` that numpy reads like any other, by a compression that saves a tenth more than
    numpy's own."""
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as packed,
        packed.open("vectors.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array(file, vectors, allow_pickle=False)


def ship_fit(path: Path, encoder: str) -> Path:
    """Copy what was fitted on the embedded gallery to the shipped ones; returns the folder. For
    maintainers."""
    target, meta = store.shipped() / FITS / encoder, store.read_meta(path) or {}
    with store.new_folder(target) as folder:
        for file in path.glob("*.npy"):
            shutil.copyfile(file, folder / file.name)
        noted = {
            name: meta[name]
            for name in ("source", "dataset_name", "encoder_name", "pictures")
            if name in meta
        }
        (folder / "meta.json").write_text(json.dumps({"key": meta.get("key", path.name), **noted}))
    return target
