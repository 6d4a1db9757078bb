"""Text and tables of any origin: the encoding is found; a wrong line costs that line alone."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from core.datasets.base import gathered
from core.datasets.encodings import (
    JUDGED,
    TABLES,
    TITLES,
    ZIP_NAMES,
    by_chance,
    likeliest,
    likeliness,
    utf8_or,
)
from core.datasets.names import shown
from core.errors import UserError
from core.types import Remark, Skipped

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; those of UTF-32 before those of UTF-16, which they begin with."""
OTHER_FILES = {
    b"PK\x03\x04": "a zip or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "Parquet",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a compressed file",
}
HEAD = 4096
SEPARATORS = (",", ";", "\t")
OPEN_QUOTE = "a quote is opened and never closed"
CLOSED = f"{OPEN_QUOTE}: the cell ends with the line"
STRAY_QUOTE = "a quote stands where none belongs: write it twice inside a quoted cell"
SURPLUS = (
    "there are more cells than columns, and those at the end were left out: put quotes around text"
    " with a separator in it"
)
GUESSED = "this is no UTF-8, or only by chance, and was read as"
IsRow = Callable[[Sequence[str], Sequence[str]], bool]
_STRAY = re.compile("[\udc80-\udcff]")
_TOLD = re.compile(r'(?i)"?sep=(.)"?\s*')


@dataclass(slots=True)
class Table:
    """A table's rows as (line, column -> stripped text), with what was passed over and what was not
    taken as it stands.

    ``seen`` counts the rows below the header that are not blank: those in ``rows`` and those in
    ``skipped``.
    """

    header: list[str]
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    remarks: tuple[Remark, ...] = ()
    seen: int = 0


def read_table(path: str, is_row: IsRow | None = None) -> Table:
    """The rows of a CSV, TSV or ;-separated file. Raises UserError where it is no table.

    ``is_row(header, cells)`` tells whether cells look like a row of their own: a quote that is
    never closed is found by the rows that it would swallow.
    """
    return parse_table(shown(path), read_bytes(path), is_row)


def parse_table(name: str, data: bytes, is_row: IsRow | None = None) -> Table:
    """:func:`read_table` for bytes in memory; ``name`` is for the error."""
    try:
        text, found = decoded(data)
        lines = list(io.StringIO(text, newline=""))
        separator, first = _separator(lines)
        return _rows(Records(lines, separator, is_row), first, found)
    except ValueError as error:
        raise UserError(
            f"{name!r} can't be read as CSV: {error}.", fix="Save it as UTF-8 CSV."
        ) from error


def read_bytes(path: str) -> bytes:
    """A file's bytes. Raises UserError where it can't be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"{shown(path)!r} can't be read: {error.strerror}.") from error


def decoded(data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Text in any encoding, and remarks as pairs of where and what. A byte that fits nowhere
    changes its own character only.

    Raises:
        ValueError: these bytes are no text.
    """
    for start, what in OTHER_FILES.items():
        if data.startswith(start):
            raise ValueError(f"it is {what}")
    mark, encoding = next(
        ((mark, name) for mark, name in MARKS if data.startswith(mark)), (b"", _wide(data))
    )
    data = data[len(mark) :]
    if encoding not in (None, "utf-8"):
        text = data.decode(encoding, "replace")
        lost = [
            (f"line {line}", f"a character that is no {TITLES[encoding[:6]]} was lost")
            for line in _lines_of(text, "\ufffd")
        ]
        return text, lost
    text = data.decode("utf-8", "surrogateescape")
    return (text, []) if text.isascii() else _unmarked(data, text, bool(mark))


def _unmarked(data: bytes, text: str, is_utf8: bool) -> tuple[str, list[tuple[str, str]]]:
    """The better reading of bytes: as UTF-8 (``text``, stray bytes mended), or an old one."""
    mended, remarks = _mended(text) if _STRAY.search(text) else (text, [])
    if is_utf8:
        return mended, remarks
    lines = data.splitlines()
    odd = [number for number, line in enumerate(lines) if not line.isascii()]
    samples = [lines[number] for number in odd]
    encoding = _old_encoding(text, mended, samples) if remarks else utf8_or(samples, TABLES)
    if encoding == "utf-8":
        return mended, remarks
    remark = f"{GUESSED} {TITLES[encoding]}. If that is wrong, save the file as UTF-8"
    return data.decode(encoding), [(f"line {number + 1}", remark) for number in odd]


def _old_encoding(text: str, mended: str, samples: Sequence[bytes]) -> str:
    """The encoding of lines that are not all UTF-8; UTF-8 where most of it is, and reads better."""
    stray = len(_STRAY.findall(text))
    odd_characters = sum(not char.isascii() for char in text)
    if odd_characters >= 3 * stray and not by_chance(_STRAY.sub(" ", text).splitlines()):
        # characters of several bytes that fit one another, twice as many as those that don't
        return "utf-8"
    encoding = likeliest(samples, TABLES)
    if encoding is None:
        return "utf-8"
    odd_text = (line for line in io.StringIO(mended, newline="") if not line.isascii())
    as_utf8 = likeliness(list(islice(odd_text, JUDGED)), "utf-8")
    old = likeliness([sample.decode(encoding) for sample in samples[:JUDGED]], encoding)
    if odd_characters >= 2 * stray and as_utf8 + ZIP_NAMES["utf-8"] >= old + TABLES[encoding]:
        return "utf-8"
    return encoding


def _wide(data: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of western text is zero."""
    head = data[:HEAD]
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 < len(head) or 4 * min(even, odd) > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _mended(text: str) -> tuple[str, list[tuple[str, str]]]:
    """UTF-8 with stray bytes: each becomes the character that it is in Windows-1252."""

    def mend(match: re.Match) -> str:
        return bytes((ord(match[0]) - 0xDC00,)).decode("cp1252", "replace")

    remarks = [
        (
            f"line {number}",
            (
                "bytes that are no UTF-8 were read as Windows-1252:"
                f" {', '.join(map(mend, _STRAY.finditer(line)))}"
            ),
        )
        for number, line in enumerate(io.StringIO(text, newline=""), 1)
        if not line.isascii() and _STRAY.search(line)
    ]
    return _STRAY.sub(mend, text), remarks


def _lines_of(text: str, char: str) -> list[int]:
    return [number for number, line in enumerate(io.StringIO(text, newline=""), 1) if char in line]


def _separator(lines: Sequence[str]) -> tuple[str, int]:
    """The separator, and the line of the header: ``sep=;`` says it, else the header shows it."""
    first = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    if first == len(lines):
        return ",", first
    if told := _TOLD.fullmatch(lines[first]):
        return told[1], first + 1
    return max(SEPARATORS, key=lines[first].count), first


@dataclass(frozen=True, slots=True)
class Record:
    """A record and the line that it starts in: cells, or what is wrong; ``remark`` where mended."""

    line: int
    cells: list[str]
    trouble: str = ""
    remark: str = ""

    @property
    def is_blank(self) -> bool:
        return not self.trouble and not any(cell.strip() for cell in self.cells)


class Records:
    """Lines cut into records; a quote that is never closed costs its own line and no other."""

    def __init__(self, lines: Sequence[str], separator: str, is_row: IsRow | None) -> None:
        self._lines, self._is_row = lines, is_row
        self._dialect: dict[str, Any] = {"delimiter": separator, "skipinitialspace": True}
        self.header: list[str] = []

    def read(self, start: int) -> Iterator[Record]:
        """All records from line ``start`` on (counted from 0), blank ones too."""
        while start < len(self._lines):
            lines = (self._lines[number] for number in range(start, len(self._lines)))
            reader = csv.reader(lines, strict=True, **self._dialect)
            taken = start
            try:
                for cells in reader:
                    end = start + reader.line_num
                    if self._swallows(taken + 1, end):
                        break
                    yield Record(taken + 1, cells)
                    taken = end
                else:
                    return
            except csv.Error:
                pass
            yield self._alone(taken)
            start = taken + 1

    def _swallows(self, first: int, end: int) -> bool:
        """Whether a cell that goes on over these lines has rows in it."""
        if self._is_row is None or not self.header:
            return False
        return any(
            self._is_row(self.header, self._plain(self._lines[number]))
            for number in range(first, end)
        )

    def _alone(self, number: int) -> Record:
        """A line whose quotes are not as they should be, read by itself."""
        line = self._lines[number].rstrip("\r\n")
        try:
            # an open quote swallows the second
            closed = list(csv.reader([line, "end"], **self._dialect))
            if len(closed) == 2:
                return Record(number + 1, closed[0], remark=STRAY_QUOTE)
            cells = self._plain(line)
        except csv.Error as error:
            return Record(number + 1, [], f"the line can't be read ({error})")
        if self.header and len(cells) != len(self.header):
            return Record(number + 1, [], OPEN_QUOTE)
        return Record(number + 1, [cell.strip().strip('"') for cell in cells], remark=CLOSED)

    def _plain(self, line: str) -> list[str]:
        return next(csv.reader([line.rstrip("\r\n")], quoting=csv.QUOTE_NONE, **self._dialect), [])


def _rows(records: Records, first: int, found: list[tuple[str, str]]) -> Table:
    kept = (record for record in records.read(first) if not record.is_blank)
    header = next(kept, None)
    if header is None:
        return Table([])
    if header.trouble:
        raise ValueError(f"in line {header.line}, {header.trouble}")
    table = Table(_names(header.cells))
    records.header = table.header
    _remark(found, header, "")
    for record in kept:
        table.seen += 1
        if record.trouble:
            table.skipped.append(Skipped(f"line {record.line}", record.trouble))
            continue
        cells = [cell.strip() for cell in record.cells]
        _remark(found, record, SURPLUS if any(cells[len(table.header) :]) else "")
        cells += [""] * (len(table.header) - len(cells))
        table.rows.append((record.line, dict(zip(table.header, cells, strict=False))))
    table.remarks = gathered(found)
    return table


def _remark(found: list[tuple[str, str]], record: Record, more: str) -> None:
    found += [(f"line {record.line}", text) for text in (record.remark, more) if text]


def _names(cells: Sequence[str]) -> list[str]:
    """Names of columns: spreadsheets leave empty ones at the end."""
    names = [cell.strip().lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    names = [name or f"column {number}" for number, name in enumerate(names, 1)]
    if len(set(names)) < len(names):
        raise ValueError(f"two columns have the same name ({', '.join(names)})")
    return names
