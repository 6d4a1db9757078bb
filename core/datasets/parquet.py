"""Pictures in Parquet, as on the Hugging Face hub: a row a picture, its bytes in one column."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from core.datasets.base import Dataset, file_stamp
from core.datasets.handles import Handle
from core.datasets.layout import SPLIT_WORDS
from core.datasets.names import HIDDEN, is_hidden, real, shown
from core.datasets.parquet_columns import Columns
from core.errors import UserError
from core.images import only_picture
from core.items import Items, Repeated
from core.types import Item, Skipped

BATCH = 128
BATCH_BYTES = 8 << 20
"""Pictures, and their bytes, held in memory at once while reading; row groups can be far larger."""


def _opened(files: Sequence[str], skipped: list[Skipped]) -> Iterator[tuple[str, Columns]]:
    """Each file with its columns; one that can't be read joins ``skipped`` instead."""
    for file in files:
        try:
            columns = Columns.of(open_parquet(file), shown(file))
        except UserError as error:
            skipped.append(Skipped(shown(file), str(error)))
            continue
        yield file, columns


class Parquet(Dataset):
    """One file, or a folder of ``train-00000-of-00004.parquet``, ``validation.parquet``,
    ``test/0000.parquet`` ...

    The split is in the file's or its folder's name, or in a column ``split``. Ids are a column
    ``id``, else ``file/row``. Columns other than the picture, label, category, instance and split
    become attributes. Every row becomes an item or is listed as passed over, and so is every other
    file that lies there.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = os.path.abspath(real(os.fspath(path)))
        file_name = shown(os.path.basename(self.path)) or shown(self.path)
        self.name = self.title = re.sub(r"(?i)\.(parquet|pq)$", "", file_name) or file_name
        self._handle = Handle(self._open)

    @property
    def locator(self) -> str:
        return shown(self.path)

    def _open(self) -> Reader:
        return Reader()

    def _list(self) -> tuple[Sequence[Item], list[Skipped]]:
        files, skipped = parquet_files(self.path)
        return self._columnar(files, list(skipped)) or self._one_by_one(files, skipped)

    def _columnar(
        self, files: Sequence[str], skipped: list[Skipped]
    ) -> tuple[Items, list[Skipped]] | None:
        """Columns in place of objects, so that a million rows are listed in a second; None where a
        row has to be passed over, which only looking at each of them tells."""
        parts = []
        for file, columns in _opened(files, skipped):
            stem, split, stamp = self._named(file)
            part = columns.part(stem, split, f"{shown(file)}!/", f"{stamp}-")
            if part is None:
                return None
            parts.append(part)
        try:
            return Items(parts), skipped
        except Repeated:
            return None

    def _one_by_one(
        self, files: Sequence[str], skipped: list[Skipped]
    ) -> tuple[list[Item], list[Skipped]]:
        items: dict[str, Item] = {}
        for file, columns in _opened(files, skipped):
            for item in self._items(file, columns):
                if isinstance(item, Skipped):
                    skipped.append(item)
                elif item.id in items:
                    skipped.append(Skipped(item.id, "another row has this id"))
                else:
                    items[item.id] = item
        return list(items.values()), skipped

    def _items(self, file: str, columns: Columns) -> Iterator[Item | Skipped]:
        """An item for each row; for each row that can't be read, what is wrong with it."""
        stem, split, stamp = self._named(file)
        row = 0
        try:
            for told in _readable(columns.rows(), file):
                own_id = told.pop("id")
                yield Item(
                    id=f"{stem}/{row:06d}" if own_id is None else own_id,
                    path=f"{shown(file)}!/{row}",
                    split=told.pop("split") or split,
                    stamp=f"{stamp}-{row}",
                    **told,
                )
                row += 1
        except UserError as error:
            yield from (
                Skipped(f"{stem}/{lost:06d}", str(error))
                for lost in range(row, columns.parquet.metadata.num_rows)
            )

    def _named(self, file: str) -> tuple[str, str | None, str]:
        """What the ids of a file's rows begin with, its split, and its stamp."""
        home = self.path if os.path.isdir(self.path) else os.path.dirname(self.path)
        inside = shown(os.path.relpath(file, home))
        return inside.rpartition(".")[0], split_of(inside), file_stamp(file)

    def read(self, item: Item) -> bytes:
        file, _, row = item.path.rpartition("!/")
        with self._handle.use() as reader:
            data = reader.read(real(file), int(row))
        if data is None:
            raise UserError(
                f"The row of {item.id!r} holds no picture.",
                "Its bytes have to be in the Parquet file itself.",
            )
        return only_picture(data, len(data))


class Reader:
    """Bytes by row, cheap in order: keeps its place in one file and the current batch of rows."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._file, self._starts, self._first = "", [0], 0
        self._parquet: Any = None
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None

    def read(self, file: str, row: int) -> bytes | None:
        """The bytes in one row, None where there are none. Raises UserError."""
        try:
            if file != self._file:
                self._enter(file)
            if not self._holds(row) and not self._next_holds(row):
                self._jump(row)
            value = self._batch.column(0)[row - self._first].as_py()
        except (OSError, ValueError, LookupError, NotImplementedError, StopIteration) as error:
            self._reset()
            raise UserError(
                f"Row {row} of {shown(file)!r} can't be read ({error}).", fix="Get the file again."
            ) from error
        return value.get("bytes") if isinstance(value, dict) else value

    def _enter(self, file: str) -> None:
        self._reset()
        parquet = open_parquet(file)
        self._column = Columns.of(parquet, shown(file)).picture
        counts = [parquet.metadata.row_group(g).num_rows for g in range(parquet.num_row_groups)]
        self._starts = [sum(counts[:g]) for g in range(len(counts) + 1)]
        self._parquet, self._file = parquet, file

    def _holds(self, row: int) -> bool:
        return self._batch is not None and self._first <= row < self._first + self._batch.num_rows

    def _next_holds(self, row: int) -> bool:
        if self._batch is None or row != self._first + self._batch.num_rows:
            return False
        self._first, self._batch = row, next(self._batches)
        return self._holds(row)

    def _jump(self, row: int) -> None:
        """To the row's group, through its batches, and on to the next groups when read in order."""
        group = max(g for g, start in enumerate(self._starts[:-1]) if start <= row)
        self._batches = self._parquet.iter_batches(
            self._rows_at_once(group),
            row_groups=range(group, len(self._starts) - 1),
            columns=[self._column],
            use_threads=False,
        )
        self._first, self._batch = self._starts[group], next(self._batches)
        while not self._holds(row):
            self._first, self._batch = self._first + self._batch.num_rows, next(self._batches)

    def _rows_at_once(self, group: int) -> int:
        told = self._parquet.metadata.row_group(group)
        mean = max(told.total_byte_size // max(told.num_rows, 1), 1)
        return min(max(BATCH_BYTES // mean, 1), BATCH)


def _readable(rows: Iterator[dict], file: str) -> Iterator[dict]:
    try:
        yield from rows
    except (
        OSError,
        ValueError,
        NotImplementedError,
        KeyError,
    ) as error:  # pyarrow's errors are children of these
        raise UserError(
            f"{shown(file)!r} is damaged ({error}).", fix="Get the file again."
        ) from error


def open_parquet(file: str):
    """A ``pyarrow.parquet.ParquetFile`` that reads in pieces and holds little."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        raise UserError(
            f"{shown(file)!r} is no Parquet file, or a damaged one.", fix="Get it again."
        ) from error


def parquet_files(path: str) -> tuple[list[str], list[Skipped]]:
    """The Parquet files of a dataset, sorted by path (the file itself, or those at most three
    folders deep), and what else lies there: a folder that is not entered is one thing."""
    if not os.path.isdir(path):
        return [path], []
    found, skipped = [], []

    def unreadable(error: OSError) -> None:
        skipped.append(
            Skipped(shown(error.filename), f"this folder can't be read: {error.strerror}")
        )

    for folder, folders, names in os.walk(path, onerror=unreadable):
        deep = os.path.relpath(folder, path).count(os.sep) >= 2
        closed = {
            one: reason
            for one in folders
            if (reason := _why_closed(os.path.join(folder, one), deep))
        }
        folders[:] = [one for one in folders if one not in closed]
        others = {one: reason for one in names if (reason := _why_no_parquet(one))}
        found += [os.path.join(folder, one) for one in names if one not in others]
        skipped += [
            Skipped(shown(os.path.join(folder, one)), reason)
            for one, reason in (closed | others).items()
        ]
    return sorted(found), sorted(skipped, key=lambda one: one.id)


def _why_closed(folder: str, deep: bool) -> str | None:
    if is_hidden(os.path.basename(folder)):
        return HIDDEN
    if os.path.islink(folder):
        return "a link to a folder is not followed among Parquet files"
    return "Parquet is looked for three folders deep" if deep else None


def _why_no_parquet(name: str) -> str | None:
    if is_hidden(name):
        return HIDDEN
    if name.lower().endswith((".parquet", ".pq")):
        return None
    return "this is no Parquet, as the files beside it are"


def split_of(relative: str) -> str | None:
    """``train`` for ``data/train-00000-of-00004.parquet`` and ``train/0000.parquet``; None where no
    part is a split word."""
    *folders, name = relative.replace(os.sep, "/").split("/")
    words = [re.split(r"[-_.]", name)[0], *reversed(folders)]
    return next((word for word in words if word.lower() in SPLIT_WORDS), None)
