"""A CSV that says where pictures lie and what they show."""

import math
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from core import disk
from core.datasets.base import Dataset, gathered, stat_stamp
from core.datasets.names import is_picture, passed_over, real, shown
from core.datasets.tables import parse_table, read_table
from core.errors import UserError
from core.fileformats import beginning
from core.images import read_file
from core.types import Item, Skipped

PATHS = ("path", "file", "filename", "file_name", "image", "image_path")
FIELDS = ("id", "label", "instance", "category", "split")
BACKSLASHES = "the backslashes in the path were read as slashes"
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_ADDRESS = re.compile(r"(?i)^[a-z][a-z0-9+.-]+://|^data:")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")


class Manifest(Dataset):
    """A CSV (or TSV) with a header row: ``path`` and any of ``id, label, split, instance,
    category``; others are attributes.

    A relative path starts at the CSV's folder and stays below it; an absolute path is taken as it
    is, but for a table that a visitor of a public server uploaded. A column in which every word is
    a number becomes numbers. Every row becomes an item or is listed as passed over, with its line.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = os.path.abspath(real(os.fspath(path)))
        self.name = self.title = shown(os.path.splitext(os.path.basename(self.path))[0])

    @property
    def locator(self) -> str:
        return shown(self.path)

    def read(self, item: Item) -> bytes:
        return read_file(real(item.path))

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        table = read_table(self.path, _is_row)
        column = _path_column(table.header)
        if column is None or not table.seen:
            raise UserError(
                (
                    f"{shown(self.path)!r} has no column 'path'; its columns:"
                    f" {', '.join(table.header) or 'none'}."
                    if column is None
                    else f"{shown(self.path)!r} has no rows below its column names."
                ),
                f"A first row of column names with one of {', '.join(PATHS)}, and any of"
                f" {', '.join(FIELDS)}.",
            )
        _numbers([row for _, row in table.rows], {*FIELDS, column})
        where = Where(os.path.dirname(self.path))
        items: dict[str, Item] = {}
        skipped, mended = list(table.skipped), []
        for line, row in table.rows:
            given = row.pop(column)
            found = where.find(given)
            name = row.pop("id", "") or (given.replace("\\", "/") if where.turned else given)
            if name in items:
                found = "another row has the same id"
            if isinstance(found, str):
                skipped.append(Skipped(f"line {line}: {name}" if name else f"line {line}", found))
            else:
                items[name] = _item(name, *found, row)
                mended += [(f"line {line}", BACKSLASHES)] if where.turned else []
        self._remarks = (*table.remarks, *gathered(mended))
        return [items[name] for name in sorted(items)], skipped


def named(name: str, data: bytes) -> list[str]:
    """The paths that a table in memory names, in its order. Raises UserError: it is no table."""
    table = parse_table(name, data, _is_row)
    column = _path_column(table.header)
    return [row[column] for _, row in table.rows] if column else []


def _path_column(header: Sequence[str]) -> str | None:
    return next((name for name in PATHS if name in header), None)


def _is_row(header: Sequence[str], cells: Sequence[str]) -> bool:
    """Whether the cells of a line are a row: as many as columns, with a picture's path."""
    column = _path_column(header)
    return (
        column is not None
        and len(cells) == len(header)
        and is_picture(cells[header.index(column)].strip().strip('"'))
    )


def _item(name: str, path: str, stamp: str, row: dict) -> Item:
    told = {key: row.pop(key) or None for key in FIELDS if key in row}
    attributes = {key: value for key, value in row.items() if value != "" and value is not None}
    return Item(id=name, path=shown(path), stamp=stamp, attributes=attributes, **told)


class Where:
    """Finds the files that a manifest names; remembers folders: there may be a million rows."""

    def __init__(self, folder: str) -> None:
        self.folder, self.top = folder, os.path.realpath(folder)
        self.turned = False
        """Whether the backslashes of the last path were read as slashes."""
        self._inside: dict[str, bool] = {}
        self._confined = disk.is_visitors(folder)

    def find(self, given: str) -> tuple[str, str] | str:
        """(path, stamp), or the reason why the row has no picture."""
        self.turned = False
        if _ADDRESS.match(given):
            return "web addresses are not opened: download the picture and give its path"
        if not given or "\0" in given:
            return "the row has no path"
        if self._confined and os.path.isabs(given):  # before any file is asked for: none is told
            return "a table that was uploaded names files that were uploaded with it"
        path = real(os.path.join(self.folder, given))
        if "\\" in given and not os.path.lexists(path):
            if _DRIVE.match(given):
                return (
                    "this is a path of Windows on another machine: write paths that start at the"
                    " folder of the CSV"
                )
            given, self.turned = given.replace("\\", "/"), True
            path = real(os.path.join(self.folder, given))
        try:
            if not os.path.isabs(given) and not self._stays(path):
                return "a relative path has to stay below the folder of the CSV"
            told = os.stat(path)
            if not stat.S_ISREG(told.st_mode):
                return "this is no ordinary file"
            return passed_over(given, lambda: beginning(path)) or (path, stat_stamp(told))
        except OSError as error:
            return f"the file can't be opened: {error.strerror}"

    def _stays(self, path: str) -> bool:
        if os.path.islink(path):
            return self._below(os.path.realpath(path))
        folder = os.path.dirname(path)
        if folder not in self._inside:
            self._inside[folder] = self._below(os.path.realpath(folder))
        return self._inside[folder]

    def _below(self, path: str) -> bool:
        return os.path.commonpath((self.top, path)) == self.top


def _numbers(rows: list[dict], words: set[str]) -> None:
    """Turn columns of numbers into numbers, in place; a column with one word in it stays words."""
    for name in rows[0] if rows else ():
        if name in words:
            continue
        values = [number(row[name]) if row[name] else None for row in rows]
        if not any(isinstance(value, str) for value in values):
            for row, value in zip(rows, values, strict=True):
                row[name] = value


def number(text: str) -> int | float | str:
    """``7`` and ``7.5`` as numbers; anything else, ``007`` and ``nan`` too, as it was."""
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        value = float(text)
    except ValueError:
        return text
    return (
        value if math.isfinite(value) and not re.match(r"-?0\d", text) and "_" not in text else text
    )
