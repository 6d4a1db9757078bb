"""A zip of pictures, read where it lies: nothing is ever unpacked to disk."""

from __future__ import annotations

import lzma
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from core.datasets.base import Dataset, gathered
from core.datasets.encodings import TITLES
from core.datasets.folder import items_of
from core.datasets.handles import Handle
from core.datasets.layout import SPLIT_WORDS
from core.datasets.names import HIDDEN, is_hidden, passed_over, real, shown
from core.datasets.zip_directory import Archive, Member, place
from core.errors import UserError
from core.fileformats import HEAD
from core.images import MAX_BYTES, only_picture
from core.types import Item, Skipped

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
        """Why a member is not used; None where it is. ``name`` is its place in the archive, None
        for one outside."""
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
        """Why a member with more bytes than a picture may have is not used; None where its picture
        ends before."""
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
