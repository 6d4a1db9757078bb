"""Finished parts of an unfinished embedding, on disk, so that a killed build goes on where it was.

A part holds vectors by picture (id and stamp), not by position: it stays good when pictures come
and go meanwhile.
"""

import hashlib
import json
import logging
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.services.embedding import parquet_parts, pieces
from core.services.embedding.parquet_parts import Home, ParquetPart
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
        found = []
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
        made = parquet_parts.local(self.folder, self.dim)
        return found + [(part.source, part.keys, part.skipped) for part in made]

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
