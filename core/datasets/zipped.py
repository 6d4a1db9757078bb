"""A zip of pictures, read where it lies: nothing is ever unpacked to disk."""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from pathlib import Path

from core.datasets.base import Dataset
from core.datasets.folder import items_of
from core.datasets.handles import Handle
from core.datasets.layout import SPLIT_WORDS
from core.datasets.names import is_hidden, is_picture, real, shown, why_not
from core.errors import UserError
from core.images import MAX_BYTES, too_large
from core.types import Item, Skipped

MAX_MEMBERS = 500_000
MAX_DIRECTORY = 48 << 20
MAX_RATIO = 200
SMALL = 1 << 30
"""Archives that unpack to less than this may pack as well as they like."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Zip(Dataset):
    """All pictures in a zip, with folders as in :class:`core.datasets.folder.Folder`. Ids are member names.

    One folder around everything is taken off the ids. Members that point outside, links, encrypted ones, archives and
    pictures that are too large are listed as skipped.

    Raises:
        UserError: the file is no zip, or one made to harm (too many members, too much in too little).
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

    def _open(self) -> dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]]:
        archive = open_zip(self.path)
        members: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        for info in archive.infolist():
            members.setdefault(info.filename, (archive, info))
        return members

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        stamps: dict[str, str] = {}
        skipped = []
        with self._handle.use() as members:
            wanted = [info for _, info in members.values() if _is_wanted(info)]
        for info in wanted:
            if reason := _refusal(info):
                skipped.append(Skipped(info.filename, reason))
            else:
                stamps[info.filename] = f"{info.CRC:08x}-{info.file_size}"
        around = _around(stamps)
        ids = {name[len(around) :]: stamp for name, stamp in stamps.items()}
        return items_of(ids, lambda name: f"{self.locator}!/{around}{name}"), sorted(skipped, key=lambda s: s.id)

    def read(self, item: Item) -> bytes:
        member = item.path.removeprefix(f"{self.locator}!/")
        with self._handle.use() as members:
            if member not in members:
                raise UserError(f"{self.title} holds no picture {item.id!r} any more.", fix="Open the zip again.")
            archive, info = members[member]
            return _read(archive, info)


def open_zip(path: str) -> zipfile.ZipFile:
    """Open a zip whose table of contents is not absurd."""
    try:
        _check_directory(path)
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError(f"{shown(path)!r} is no zip, or a damaged one ({error}).", fix="Make or download it again.") from error
    except OSError as error:
        raise UserError(f"{shown(path)!r} can't be read: {error.strerror or error}.") from error
    _refuse_bombs(archive)
    return archive


def _check_directory(path: str) -> None:
    """Python reads the whole table of contents into memory: look at its size first (the record at the zip's end)."""
    with open(path, "rb") as file:
        end = zipfile._EndRecData(file)
    if not end:
        raise zipfile.BadZipFile("it has no table of contents")
    if end[zipfile._ECD_SIZE] > MAX_DIRECTORY:
        raise _too_many()


def _refuse_bombs(archive: zipfile.ZipFile) -> None:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise _too_many()
    unpacked = sum(info.file_size for info in infos)
    if unpacked > SMALL and unpacked > MAX_RATIO * os.path.getsize(archive.filename):
        raise UserError(
            f"This zip claims to unpack to {unpacked / 1e9:.0f} GB, {MAX_RATIO} times its size or more.",
            fix="Zip the pictures again.",
        )


def _too_many() -> UserError:
    return UserError("This zip has too many members.", f"At most {MAX_MEMBERS:,} are read.", "Open a folder or Parquet instead.")


def _parts(name: str) -> list[str]:
    return re.split(r"[/\\]", name)


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    """Pictures, and what people may miss; not folders, hidden files and other kinds."""
    if info.is_dir() or any(is_hidden(part) and part not in ("..", ".") for part in _parts(info.filename)):
        return False
    return is_picture(info.filename) or why_not(info.filename) is not None


def _refusal(info: zipfile.ZipInfo) -> str | None:
    parts = _parts(info.filename)
    if parts[0] in ("", "~") or parts[0].endswith(":") or ".." in parts or "\\" in info.filename:
        return "its name points outside the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a link"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if reason := why_not(info.filename):
        return reason
    if info.compress_type not in METHODS:
        return f"its compression method ({info.compress_type}) is not read"
    if info.file_size > MAX_BYTES:
        return too_large(info.file_size).given
    return None


def _around(names) -> str:
    """``folder/`` where everything lies in one folder that is no split, else the empty string."""
    tops = {name.partition("/")[0] if "/" in name else "" for name in names}
    top = next(iter(tops)) if len(tops) == 1 else ""
    return "" if not top or top.lower() in SPLIT_WORDS else f"{top}/"


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(info) as member:
            data = member.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{info.filename!r} in the zip is damaged ({error}).", fix="Make the zip again.") from error
    if len(data) > MAX_BYTES:
        raise too_large(len(data))
    return data
