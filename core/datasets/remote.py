"""Pictures at an address: a folder of an object store or a file server, or a zip there. Addresses
(``s3://bucket/folder``) go through fsspec, this machine's files as ``file://`` too."""

import os
import re
from functools import partial
from typing import Any, BinaryIO

from core.datasets.base import Dataset
from core.datasets.folder import items_of
from core.datasets.handles import Handle
from core.datasets.names import HIDDEN, is_hidden, nfc, passed_over, real, shown
from core.datasets.zipped import Opened, Zip
from core.errors import UserError
from core.fileformats import HEAD
from core.images import MAX_BYTES, only_picture
from core.types import Item, Skipped

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
WEB = ("http", "https", "data", "ftp")
EXAMPLES = "s3://bucket/folder, gs://bucket/folder, abfs://container/folder, file:///folder"


def is_address(locator: str) -> bool:
    """Whether a text names a place by an address and not by a path."""
    return _ADDRESS.match(locator) is not None


def opened(place: str) -> tuple[Any, str]:
    """The ``fsspec`` file system of an address or a path, and the path inside it.

    An object of fsspec serves the process that made it: after a fork it has to be asked for again.

    Raises:
        UserError: no such kind of address, or the package for it is not installed.
    """
    from fsspec.core import url_to_fs

    kind = place.partition("://")[0].lower() if is_address(place) else "file"
    if kind in WEB:
        raise UserError(
            f"{place!r} is a web address.", f"Accepted: {EXAMPLES}.", "Download what lies there."
        )
    try:
        return url_to_fs(place if is_address(place) else os.path.abspath(real(place)))
    except ImportError as error:
        raise UserError(
            f"{kind}:// needs a package that is not installed ({error}).",
            fix="Ask whoever set this up to install it.",
            command=f"Install it beside the project's packages: {error}",
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise UserError(
            f"{place!r} can't be opened ({type(error).__name__}: {error}).",
            f"Accepted: {EXAMPLES}.",
        ) from error


def unreadable(place: str, error: Exception) -> UserError:
    """The error for a place whose file system refuses: each has exceptions of its own."""
    return UserError(
        f"{place!r} can't be read ({type(error).__name__}: {error}).",
        fix="Check the address, and that this machine may read it.",
    )


MARKS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified")
LATER = ("updated", "created")
"""What file systems say that changes with a file, the best first."""


def open_address(locator: str) -> Dataset:
    """Pictures at an address. What is there is looked at when they are listed."""
    plain = locator.rstrip("/")
    return RemoteZip(plain) if plain.lower().endswith(".zip") else Remote(plain)


class Remote(Dataset):
    """All pictures below an address, with folders as in :class:`core.datasets.folder.Folder`.

    Ids are names below the address. A picture's stamp is its size and what the store says that
    changes with it (a digest, or a time). Raises UserError where nothing can be read there.
    """

    def __init__(self, locator: str) -> None:
        self.address = locator
        self.name = self.title = nfc(shown(locator.rstrip("/").rpartition("/")[2])) or locator
        self._handle = Handle(self._open)

    @property
    def locator(self) -> str:
        return self.address

    def _open(self) -> tuple[Any, str]:
        return opened(self.address)

    def _system(self) -> tuple[Any, str]:
        """The file system and the path in it; several threads may read by it at once."""
        with self._handle.use() as found:
            return found

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        system, root = self._system()
        try:
            system.invalidate_cache()
            found = system.find(root, detail=True)
        except Exception as error:  # each file system has errors of its own
            raise unreadable(self.address, error) from error
        root = root.rstrip("/")
        stamps: dict[str, str] = {}
        skipped = []
        for path, told in found.items():
            name = path.removeprefix(root).lstrip("/")
            reason = self._refusal(name, partial(self._begin, path))
            if reason is None:
                stamps[name] = _stamp(told)
            else:
                skipped.append(Skipped(name or self.address, reason))
        items = items_of(stamps, lambda name: f"{self.address}/{name}", self.address)
        return items, sorted(skipped, key=lambda one: one.id)

    def _refusal(self, name: str, head: partial) -> str | None:
        if not name:
            return "this is one file: give the folder that it lies in, or a zip"
        if any(is_hidden(part) for part in name.split("/")):
            return HIDDEN
        return passed_over(name, head)

    def _begin(self, path: str) -> bytes:
        """The first bytes of a file; none where they can't be read."""
        try:
            return self._system()[0].cat_file(path, 0, HEAD)
        except Exception:
            return b""

    def read(self, item: Item) -> bytes:
        system, root = self._system()
        path = f"{root.rstrip('/')}{item.path.removeprefix(self.address)}"
        try:
            data = system.cat_file(path, 0, MAX_BYTES + 1)
        except Exception as error:
            raise UserError(
                f"The picture {item.id!r} can't be read ({type(error).__name__}: {error})."
            ) from error
        return only_picture(data, int(item.stamp.partition("-")[0]))


class RemoteZip(Zip):
    """A zip at an address: its directory and its members are read where it lies, in pieces."""

    def __init__(self, locator: str) -> None:
        self.path = locator
        self.name = self.title = nfc(shown(locator.rpartition("/")[2]))[: -len(".zip")] or locator
        self._handle = Handle(self._open)

    @property
    def locator(self) -> str:
        return self.path

    def _open(self) -> Opened:
        try:
            return Opened(self.path, self._file)
        except UserError:
            raise
        except Exception as error:  # each file system has errors of its own
            raise unreadable(self.path, error) from error

    def _file(self) -> BinaryIO:
        system, path = opened(self.path)
        return system.open(path, "rb")


def _stamp(told: dict) -> str:
    mark = next((str(told[name]) for name in (*MARKS, *LATER) if told.get(name) is not None), "")
    return f"{int(told.get('size') or 0)}-{mark}"
