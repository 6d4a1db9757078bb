"""A zip of pictures, read where it lies: nothing is ever unpacked to disk.

Its table of contents is read entry by entry: one odd name, flag or field costs one member at most,
never the archive. Python's own ``ZipFile`` refuses the whole archive for one name that is not what
its flag says, for one damaged extra field, for one member of a later version, and for a name that
the directory and the member's header spell differently.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from core.datasets.base import Dataset, gathered
from core.datasets.encodings import TITLES, ZIP_NAMES, likeliest, likeliness, utf8_or
from core.datasets.folder import items_of
from core.datasets.handles import Handle
from core.datasets.layout import SPLIT_WORDS
from core.datasets.names import HIDDEN, is_hidden, passed_over, real, shown
from core.errors import UserError
from core.fileformats import HEAD
from core.images import MAX_BYTES, only_picture
from core.types import Item, Skipped

MAX_MEMBERS = 500_000
MAX_DIRECTORY = 48 << 20
UTF8_FLAG, ENCRYPTED_FLAG, DOS_FOLDER = 0x800, 0x1, 0x10
ZIP64, UNICODE_PATH = 0x0001, 0x7075
ENTRY = struct.Struct("<4s4B4HL2L5H2L")
HEADER = struct.Struct("<4s22xHH")
_DRIVE = re.compile(r"[A-Za-z]:(/|$)")


@dataclass(slots=True)
class Member:
    """One entry as written. ``name`` is as read; ``encoding`` of what was guessed, else None."""

    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int
    extra: bytes
    name: str = ""
    encoding: str | None = None

    @property
    def is_folder(self) -> bool:
        return not self.size and (
            self.name.endswith(("/", "\\")) or bool(self.attributes & DOS_FOLDER)
        )

    @property
    def is_encrypted(self) -> bool:
        return bool(self.flags & ENCRYPTED_FLAG)


class Archive:
    """An open zip: its ``members`` in the order of the directory, and their bytes.

    Raises:
        UserError: no zip, a damaged directory, or more members than are read.
    """

    def __init__(self, path: str, opener: Callable[[], BinaryIO] | None = None) -> None:
        """``opener`` gives the file where ``path`` is no path of this machine."""
        self.path, self._lock = path, threading.Lock()
        try:
            self._file: BinaryIO = opener() if opener else open(path, "rb")  # noqa: SIM115 (stays open)
            self.size = self._file.seek(0, os.SEEK_END)
            self.members = _entries(*_directory(self._file))
        except (zipfile.BadZipFile, struct.error) as error:
            given = f"{shown(path)!r} is no zip, or a damaged one ({error})."
            raise UserError(given, fix="Make or download it again.") from error
        except OSError as error:
            raise UserError(f"{shown(path)!r} can't be read: {error.strerror or error}.") from error
        read_names(self.members)

    def read(self, member: Member, limit: int) -> bytes:
        """At most ``limit`` bytes of a member. Raises as :mod:`zipfile` and :mod:`zlib`."""
        info = zipfile.ZipInfo("member")
        info.compress_type = member.method
        info.CRC = member.crc
        info.compress_size = member.packed
        info.file_size = member.size
        with self._lock:
            self._file.seek(member.offset)
            signature, name_length, extra_length = HEADER.unpack(self._file.read(HEADER.size))
            if signature != b"PK\x03\x04":
                raise zipfile.BadZipFile("its header is not where the directory says")
            self._file.seek(name_length + extra_length, os.SEEK_CUR)
            return zipfile.ZipExtFile(self._file, "r", info).read(limit)


def place(name: str) -> str | None:
    """The path inside the archive that a member's name means, ``/`` between folders; None where it
    points outside.

    Programs on Windows write backslashes, and drop ``.`` and ``..`` into names that stay inside all
    the same.
    """
    plain = name.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain):
        return None
    parts: list[str] = []
    for part in plain.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def read_names(members: Sequence[Member]) -> None:
    """Give each member its name: by its flag, or by the Unicode name beside it; the rest as one
    program may have written them.

    One archive is mostly of one program: what can't be UTF-8 decides for all, unless a name reads
    better as UTF-8. Where
    all may be UTF-8, they are.
    """
    unsaid = []
    for member in members:
        told = _told(member)
        if told is None:
            unsaid.append(member)
        else:
            member.name = told
    if not unsaid:
        return
    raw = [member.raw for member in unsaid]
    no_utf8 = [name for name in raw if _utf8(name) is None]
    chosen = (likeliest(no_utf8, ZIP_NAMES) or "cp437") if no_utf8 else utf8_or(raw, ZIP_NAMES)
    for member in unsaid:
        member.encoding = _better(member.raw, chosen)
        member.name = member.raw.decode(member.encoding)


def _told(member: Member) -> str | None:
    """The name where the archive says how it is written."""
    if member.raw.isascii():
        return member.raw.decode("ascii")
    if beside := _unicode_path(member):
        return beside
    return _utf8(member.raw) if member.flags & UTF8_FLAG else None


def _better(raw: bytes, chosen: str) -> str:
    as_utf8 = _utf8(raw)
    if chosen == "utf-8" or as_utf8 is None:
        return chosen
    try:
        other = likeliness([raw.decode(chosen)], chosen) + ZIP_NAMES[chosen]
    except UnicodeDecodeError:
        return "utf-8"
    return "utf-8" if likeliness([as_utf8], "utf-8") + ZIP_NAMES["utf-8"] > other else chosen


def _utf8(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _unicode_path(member: Member) -> str | None:
    """Info-ZIP's field with the name in UTF-8; its checksum tells for which name it holds."""
    data = _field(member.extra, UNICODE_PATH)
    if (
        len(data) < 6
        or data[0] != 1
        or struct.unpack_from("<L", data, 1)[0] != zlib.crc32(member.raw)
    ):
        return None
    return _utf8(data[5:])


def _field(extra: bytes, wanted: int) -> bytes:
    """An extra field's data, empty where there is none; damage behind it does not matter."""
    place = 0
    while place + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, place)
        if kind == wanted:
            return extra[place + 4 : place + 4 + length]
        place += 4 + length
    return b""


def _directory(file: BinaryIO) -> tuple[bytes, int]:
    """The bytes of the directory, and what has to be added to its offsets (something may lie before
    the zip)."""
    own: Any = zipfile  # its table of contents is not for the public, and is read as it reads it
    end = own._EndRecData(file)
    if not end:
        raise zipfile.BadZipFile("it has no table of contents")
    size, offset = end[own._ECD_SIZE], end[own._ECD_OFFSET]
    if size > MAX_DIRECTORY or end[own._ECD_ENTRIES_TOTAL] > MAX_MEMBERS:
        raise too_many()
    before = end[own._ECD_LOCATION] - size - offset
    if end[own._ECD_SIGNATURE] == own.stringEndArchive64:
        before -= own.sizeEndCentDir64 + own.sizeEndCentDir64Locator
    if offset + before < 0:
        raise zipfile.BadZipFile("its table of contents is not where it says")
    file.seek(offset + before)
    return file.read(size), before


def _entries(data: bytes, before: int) -> list[Member]:
    members, place = [], 0
    while place < len(data):
        if place + ENTRY.size > len(data):
            raise zipfile.BadZipFile("its table of contents is cut off")
        told = ENTRY.unpack_from(data, place)
        if told[0] != b"PK\x01\x02":
            raise zipfile.BadZipFile("its table of contents is damaged")
        lengths = told[12:15]
        start = place + ENTRY.size
        raw = data[start : start + lengths[0]]
        extra = data[start + lengths[0] : start + lengths[0] + lengths[1]]
        packed, size, offset = _wide(extra, told[10], told[11], told[18])
        members.append(
            Member(raw, told[5], told[6], told[9], packed, size, told[17], offset + before, extra)
        )
        place = start + sum(lengths)
        if len(members) > MAX_MEMBERS:
            raise too_many()
    return members


def _wide(extra: bytes, packed: int, size: int, offset: int) -> tuple[int, int, int]:
    """Packed size, size and offset, beyond 32 bits from the field for these."""
    data = _field(extra, ZIP64)
    wide = [struct.unpack_from("<Q", data, at)[0] for at in range(0, len(data) - 7, 8)]
    found = [
        wide.pop(0) if value == 0xFFFF_FFFF and wide else value for value in (size, packed, offset)
    ]
    return found[1], found[0], found[2]


def too_many() -> UserError:
    """The error for more members than are read."""
    return UserError(
        "This zip has too many members.",
        f"At most {MAX_MEMBERS:,} are read.",
        "Open a folder or Parquet instead.",
    )


MAX_RATIO = 200
SMALL = 1 << 30
"""Archives that unpack to less than this may pack as well as they like."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
OUTSIDE = "its name points outside the archive"


class Zip(Dataset):
    """All pictures in a zip, with folders as in :class:`core.datasets.folder.Folder`. Ids are
    member names.

    One folder around everything is taken off the ids. Every member that is no folder becomes an
    item or is listed as passed over: those that point outside, links, encrypted ones, archives,
    other kinds of files, pictures that are too large. Names that were read in a guessed encoding,
    or with backslashes between folders, are remarks.

    Raises:
        UserError: the file is no zip, or one made to harm (too many members, too much in too
            little).
    """

    stamps_tell_content = True

    def __init__(self, path: Path | str) -> None:
        self.path = os.path.abspath(real(os.fspath(path)))
        file_name = shown(os.path.basename(self.path))
        self.name = self.title = re.sub(r"(?i)\.zip$", "", file_name) or file_name
        self._handle = Handle(self._open)

    @property
    def locator(self) -> str:
        return shown(self.path)

    def _open(self) -> Opened:
        return Opened(self.path)

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        with self._handle.use() as opened:
            used, skipped = opened.used, opened.skipped
        self._remarks = _remarks(used)
        stamps = {name: f"{member.crc:08x}-{member.size}" for name, member in used.items()}
        found = items_of(
            stamps, lambda name: f"{self.locator}!/{name}", self.locator, around(stamps)
        )
        return found, sorted(skipped, key=lambda s: s.id)

    def read(self, item: Item) -> bytes:
        name = item.path.removeprefix(f"{self.locator}!/")
        with self._handle.use() as opened:
            if name not in opened.used:
                raise UserError(
                    f"{self.title} holds no picture {item.id!r} any more.",
                    fix="Open the zip again.",
                )
            return opened.read(name)


class Opened:
    """An archive with the members that are used, by their place in it, and what was passed over."""

    def __init__(self, path: str, opener: Callable[[], BinaryIO] | None = None) -> None:
        self._archive = Archive(path, opener)
        _refuse_bombs(self._archive)
        self.used: dict[str, Member] = {}
        self.skipped: list[Skipped] = []
        for member in self._archive.members:
            if not member.is_folder:
                self._take(member)

    def _take(self, member: Member) -> None:
        name = place(member.name)
        reason = self._refusal(member, name)
        if reason is None and name in self.used:
            reason = "another member has this name"
        if reason is None:
            self.used[name] = member
        else:
            self.skipped.append(Skipped(member.name, reason))

    def read(self, name: str) -> bytes:
        """A used member's bytes. Raises UserError where they are damaged."""
        try:
            data = self._archive.read(self.used[name], MAX_BYTES + 1)
        except DAMAGE as error:
            raise UserError(
                f"{name!r} in the zip is damaged ({error}).", fix="Make the zip again."
            ) from error
        return only_picture(data, self.used[name].size)

    def _refusal(self, member: Member, name: str | None) -> str | None:
        """Why a member is not used; None where it is. ``name``: its place, None if outside."""
        if name is None:
            return OUTSIDE
        if not name or "\0" in name:
            return "its name is empty, or holds a null character"
        if any(is_hidden(part) for part in name.split("/")):
            return HIDDEN
        if stat.S_ISLNK(member.attributes >> 16):
            return "it is a link"
        if member.is_encrypted:
            return "it is encrypted"
        if member.method not in METHODS:
            return f"its compression method ({member.method}) is not read"
        if reason := passed_over(name, lambda: self._begin(member)):
            return reason
        return self._too_large(member) if member.size > MAX_BYTES else None

    def _begin(self, member: Member) -> bytes:
        """The first bytes of a member; none where they can't be read."""
        try:
            return self._archive.read(member, HEAD)
        except DAMAGE:
            return b""

    def _too_large(self, member: Member) -> str | None:
        """Why a member that is too large is not used; None where its picture ends before."""
        try:
            only_picture(self._archive.read(member, MAX_BYTES), member.size)
        except DAMAGE as error:
            return f"it is damaged ({error})"
        except UserError as error:
            return error.given
        return None


def _refuse_bombs(archive: Archive) -> None:
    unpacked = sum(member.size for member in archive.members)
    if unpacked > SMALL and unpacked > MAX_RATIO * archive.size:
        raise UserError(
            f"This zip claims to unpack to {unpacked / 1e9:.0f} GB, {MAX_RATIO} times its size or"
            " more.",
            fix="Zip the pictures again.",
        )


def _remarks(used: dict[str, Member]) -> tuple:
    guessed = ((name, _guess(member.encoding)) for name, member in used.items() if member.encoding)
    slashes = (
        (name, "its folders are set apart by backslashes, which were read as slashes")
        for name, member in used.items()
        if "\\" in member.name
    )
    return gathered((*guessed, *slashes))


def _guess(encoding: str) -> str:
    fix = (
        ""
        if encoding == "utf-8"
        else " If that is wrong, zip the pictures again with a program that writes UTF-8 names."
    )
    return f"the zip does not say how its name is written; it was read as {TITLES[encoding]}.{fix}"


def around(names: Iterable[str]) -> str:
    """``folder/`` where everything lies in one folder that is no split, else the empty string."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    top = next(iter(tops)) if len(tops) == 1 else ""
    return "" if not top or top.lower() in SPLIT_WORDS else f"{top}/"
