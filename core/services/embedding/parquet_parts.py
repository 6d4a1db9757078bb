"""Finished parts of a build as Parquet files, in a folder of this machine or at an address: what
other machines write, and what any tool can read.

One file is one stretch of pictures: ``id``, ``key`` (one state of one picture, as in
:mod:`core.services.embedding.stored`), ``content`` (a digest of its bytes, where the key does not
follow from them), ``skipped`` (why there is no vector) and ``vector``, a list of fixed size,
neither compressed nor encoded. A file appears whole or not at all, under a name that follows from
its pictures: one that is made twice, because a worker died, is the same file.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import store
from core.datasets.base import Dataset
from core.datasets.remote import opened
from core.encoders.base import Encoder
from core.errors import UserError
from core.services.embedding.pieces import Piece, mapped

log = logging.getLogger(__name__)
ENDING = ".parquet"
META = b"lookalike"
VECTOR = 4
"""The column of a file that holds the vectors."""
HELD = 3
"""Vectors of so many files are kept in memory while parts are put together."""
READERS = 16
"""Files that are looked at together: an object store answers each in its own time."""
WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "memory")
"""Stores that show a file when all of it is there; elsewhere it gets its name then."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a build learnt of a stretch of pictures: by picture its id, its key, the digest of its
    content (or None) and why it was skipped (or None); ``vectors`` float32 (not skipped, dim) of
    the others."""

    ids: Sequence[str]
    keys: Sequence[str]
    contents: Sequence[int | None]
    skipped: Sequence[str | None]
    vectors: np.ndarray

    @property
    def kept(self) -> list[str]:
        """Keys of the rows of ``vectors``."""
        return [key for key, why in zip(self.keys, self.skipped, strict=True) if why is None]

    @property
    def reasons(self) -> dict[str, str]:
        return {k: why for k, why in zip(self.keys, self.skipped, strict=True) if why is not None}


def file_name(keys: Sequence[str]) -> str:
    """The name of the file that holds the pictures with these keys."""
    digest = hashlib.blake2b("".join(keys).encode(), digest_size=12).hexdigest()
    return f"part-{digest}{ENDING}"


def packed(rows: Rows, about: dict) -> bytes:
    """A Parquet file of ``rows``; ``about`` stands in its metadata as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    dim = rows.vectors.shape[1]
    spread = np.zeros((len(rows.keys), dim), np.float32)
    there = np.array([why is None for why in rows.skipped], bool)
    spread[there] = rows.vectors
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(spread.reshape(-1)), dim, mask=pa.array(~there)
    )
    table = pa.table(
        {
            "id": pa.array(list(rows.ids), pa.string()),
            "key": pa.array(list(rows.keys), pa.string()),
            "content": pa.array(list(rows.contents), pa.uint64()),
            "skipped": pa.array(list(rows.skipped), pa.string()),
            "vector": vectors,
        }
    ).replace_schema_metadata({META: json.dumps({**about, "dim": dim, "plain": True})})
    to = io.BytesIO()
    pq.write_table(
        table,
        to,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        write_page_checksum=True,
        data_page_size=1 << 30,  # one page: its vectors follow one another in the file
        row_group_size=max(len(rows.keys), 1),
    )
    return to.getvalue()


class ParquetPart:
    """One file of finished rows."""

    def __init__(self, home: Home, name: str, dim: int) -> None:
        self.home, self.name, self.dim = home, name, dim

    def vectors(self) -> np.ndarray:
        """float32 (rows that were not skipped, dim). Raises UserError where the file is damaged."""
        return self.home.vectors(self)

    def piece(self) -> Piece | None:
        """Where its vectors lie, checked against what Parquet reads; None where they can't be
        mapped there: in a store, or written by an earlier version. Raises UserError as
        :meth:`vectors`."""
        return self.home.piece(self)


@dataclass(frozen=True, slots=True)
class Part:
    """A file, keys of the rows of its vectors, reasons by key of what was skipped, and what is
    known of contents by key."""

    source: ParquetPart
    keys: list[str]
    skipped: dict[str, str]
    contents: dict[str, int]


def address(shards: str, dataset: Dataset, encoder: Encoder) -> str:
    """Where the parts of a data set and an encoder lie below ``shards``; the same on every machine,
    however it names the place of the pictures."""
    key = store.fingerprint(encoder.fingerprint())
    return f"{shards.rstrip('/')}/{_plain(dataset.name)}/{_plain(encoder.name)}-{key[:12]}"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_.@-") else "_" for c in name)[:80]


class Home:
    """A folder of parts: a path, or an address that fsspec knows.

    Raises:
        UserError: it can't be opened.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._system, self._root = opened(place)
        self._held: OrderedDict[str, np.ndarray] = OrderedDict()

    def __reduce__(self) -> tuple:  # file systems of fsspec belong to their process
        return Home, (self.place,)

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that a reader finds all of it or nothing. Raises UserError where that
        fails."""
        target = f"{self._root}/{name}"
        if "file" in self._kinds:
            return store.write_bytes(Path(target), data)
        try:
            if self._kinds & set(WHOLE):
                return self._system.pipe_file(target, data)
            self._system.makedirs(self._root, exist_ok=True)
            fresh = f"{self._root}/{store.NEW}{uuid.uuid4().hex}"
            self._system.pipe_file(fresh, data)
            self._system.mv(fresh, target)
        except Exception as error:  # each file system has errors of its own
            raise UserError(
                f"{self.place} can't be written ({type(error).__name__}: {error}).",
                fix="Check the address, and that every worker may write there.",
            ) from error

    def parts(self, dim: int) -> list[Part]:
        """What lies there and can be read, with vectors of ``dim`` numbers, sorted by name."""
        names = self._names()
        with ThreadPoolExecutor(min(READERS, len(names) or 1)) as pool:
            found = pool.map(lambda name: self._part(name, dim), names)
            return [part for part in found if part is not None]

    def _names(self) -> list[str]:
        try:
            self._system.invalidate_cache()
            listed = self._system.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:  # each file system has errors of its own
            raise UserError(
                f"{self.place} can't be read ({type(error).__name__}: {error}).",
                fix="Check the address, and that this machine may read it.",
            ) from error
        names = (str(path).rstrip("/").rpartition("/")[2] for path in listed)
        return sorted(name for name in names if name.startswith("part-") and name.endswith(ENDING))

    def _part(self, name: str, dim: int) -> Part | None:
        """None (logged) where it is of another kind, or can't be read."""
        try:
            with self._system.open(f"{self._root}/{name}", "rb") as file:
                opened_file = _parquet(file)
                about = json.loads((opened_file.schema_arrow.metadata or {})[META])
                if about["dim"] != dim:
                    raise ValueError(f"vectors of {about['dim']} numbers, not {dim}")
                told = opened_file.read(["key", "content", "skipped"]).to_pydict()
        except Exception as error:  # pyarrow's errors, and those of each file system
            log.warning("ignoring %s/%s: %s: %s", self.place, name, type(error).__name__, error)
            return None
        rows = list(zip(told["key"], told["content"], told["skipped"], strict=True))
        return Part(
            self.part(name, dim),
            [key for key, _, why in rows if why is None],
            {key: why for key, _, why in rows if why is not None},
            {key: content for key, content, _ in rows if content is not None},
        )

    def part(self, name: str, dim: int) -> ParquetPart:
        """A file that was just written here, with vectors of ``dim`` numbers."""
        return ParquetPart(self, name, dim)

    def vectors(self, part: ParquetPart) -> np.ndarray:
        """The vectors of a part; of the last few they stay in memory."""
        if part.name not in self._held:
            self._held[part.name] = self._read(part)
            if len(self._held) > HELD:
                self._held.popitem(last=False)
        self._held.move_to_end(part.name)
        return self._held[part.name]

    def piece(self, part: ParquetPart) -> Piece | None:
        """:meth:`ParquetPart.piece`."""
        if "file" not in self._kinds:
            return None
        vectors, path = self._read(part), Path(self._root, part.name).absolute()
        with open(path, "rb") as file:
            about = _parquet(file)
            plain = json.loads((about.schema_arrow.metadata or {})[META]).get("plain")
            column = about.metadata.row_group(0).column(VECTOR)
        end = column.data_page_offset + column.total_compressed_size
        if not plain or (offset := end - vectors.nbytes) < 0:
            return None
        if not np.array_equal(mapped(path, offset, *vectors.shape), vectors):
            return None
        now = path.stat()
        return Piece(str(path), offset, len(vectors), now.st_size, now.st_mtime_ns)

    @property
    def _kinds(self) -> set[str]:
        kinds = self._system.protocol
        return {kinds} if isinstance(kinds, str) else set(kinds)

    def _read(self, part: ParquetPart) -> np.ndarray:
        try:
            with self._system.open(f"{self._root}/{part.name}", "rb") as file:
                column = _parquet(file).read(["vector"]).column(0).combine_chunks()
            flat = column.drop_null().flatten().to_numpy(zero_copy_only=True)
            return flat.reshape(-1, part.dim)
        except Exception as error:  # pyarrow's errors, and those of each file system
            raise UserError(
                f"{self.place}/{part.name} can't be read ({type(error).__name__}: {error}).",
                fix="Delete this file and build again: its pictures are encoded anew.",
            ) from error


def _parquet(file: Any) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, page_checksum_verification=True)
