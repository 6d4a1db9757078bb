"""A CSV that says where pictures lie and what they show."""

from __future__ import annotations

import csv
import math
import os
import re
import stat
from pathlib import Path

from core.datasets.base import Dataset, stat_stamp
from core.datasets.names import is_picture, real, shown
from core.errors import UserError
from core.images import read_file
from core.types import Item, Skipped

PATHS = ("path", "file", "filename", "file_name", "image", "image_path")
FIELDS = ("id", "label", "instance", "category", "split")
ENCODINGS = ("utf-8-sig", "latin-1")
MAX_CELL = 1 << 20
_ADDRESS = re.compile(r"(?i)^[a-z][a-z0-9+.-]+://|^data:")
_WHOLE = re.compile(r"-?(0|[1-9]\d{0,17})")


class Manifest(Dataset):
    """A CSV (or TSV) with a header row: ``path`` and any of ``id, label, split, instance, category``; others are attributes.

    A relative path starts at the CSV's folder and stays below it; an absolute path is taken as it is. A column in
    which every word is a number becomes numbers. Rows without a usable picture are listed as skipped.
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
        rows = read_table(self.path)
        header = rows[0] if rows else {}
        column = next((name for name in PATHS if name in header), None)
        if column is None:
            raise UserError(
                f"{shown(self.path)!r} has no column 'path'; its columns: {', '.join(header) or 'none, or no rows'}.",
                f"A first row of column names with one of {', '.join(PATHS)}, and any of {', '.join(FIELDS)}.",
            )
        _numbers(rows, {*FIELDS, column})
        where = Where(os.path.dirname(self.path))
        items: dict[str, Item] = {}
        skipped = []
        for row in rows:
            given = row.pop(column)
            name = row.pop("id", "") or given
            found = where.find(given)
            if name in items:
                found = "another row has the same id"
            if isinstance(found, str):
                skipped.append(Skipped(name, found))
            else:
                items[name] = _item(name, *found, row)
        return [items[name] for name in sorted(items)], skipped


def _item(name: str, path: str, stamp: str, row: dict) -> Item:
    told = {key: row.pop(key) or None for key in FIELDS if key in row}
    attributes = {key: value for key, value in row.items() if value != "" and value is not None}
    return Item(id=name, path=shown(path), stamp=stamp, attributes=attributes, **told)


class Where:
    """Finds the files that a manifest names; remembers folders, since a manifest may have a million rows."""

    def __init__(self, folder: str) -> None:
        self.folder, self.top = folder, os.path.realpath(folder)
        self._inside: dict[str, bool] = {}

    def find(self, given: str) -> tuple[str, str] | str:
        """(path, stamp), or the reason why there is none."""
        if _ADDRESS.match(given):
            return "web addresses are not opened: download the picture and give its path"
        if not given or "\0" in given:
            return "the row has no path"
        if not is_picture(given):
            return "its name has no ending of a picture"
        path = real(os.path.join(self.folder, given))
        try:
            if not os.path.isabs(given) and not self._stays(path):
                return "a relative path has to stay below the folder of the CSV"
            told = os.stat(path)
        except OSError as error:
            return f"the file can't be opened: {error.strerror}"
        return (path, stat_stamp(told)) if stat.S_ISREG(told.st_mode) else "this is no ordinary file"

    def _stays(self, path: str) -> bool:
        if os.path.islink(path):
            return self._below(os.path.realpath(path))
        folder = os.path.dirname(path)
        if folder not in self._inside:
            self._inside[folder] = self._below(os.path.realpath(folder))
        return self._inside[folder]

    def _below(self, path: str) -> bool:
        return os.path.commonpath((self.top, path)) == self.top


def read_table(path: str) -> list[dict[str, str]]:
    """The rows of a CSV, TSV or ;-separated file as column -> stripped text. Raises UserError where it is none."""
    for encoding in ENCODINGS:
        try:
            with open(path, newline="", encoding=encoding) as file:
                return _rows(file)
        except UnicodeDecodeError:
            continue
        except (csv.Error, ValueError) as error:
            raise UserError(f"{shown(path)!r} can't be read as CSV: {error}.", fix="Save it as UTF-8 CSV.") from error
        except OSError as error:
            raise UserError(f"{shown(path)!r} can't be read: {error.strerror}.") from error
    raise UserError(f"{shown(path)!r} is no text.", fix="Save it as UTF-8 CSV.")


def _rows(file) -> list[dict[str, str]]:
    first = file.readline(MAX_CELL)
    separator = max((",", ";", "\t"), key=first.count)
    file.seek(0)
    rows = csv.reader(file, delimiter=separator)
    header = [name.strip().lower() for name in next(rows, [])]
    if len(set(header)) < len(header):
        raise ValueError(f"two columns have the same name ({', '.join(header)})")
    return [_row(header, cells) for cells in rows if any(cell.strip() for cell in cells)]


def _row(header: list[str], cells: list[str]) -> dict[str, str]:
    padded = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
    return dict(zip(header, padded, strict=False))


def _numbers(rows: list[dict], words: set[str]) -> None:
    """Turn columns of numbers into numbers, in place; a column with one word in it stays words."""
    for name in rows[0]:
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
    return value if math.isfinite(value) and not re.match(r"-?0\d", text) and "_" not in text else text
