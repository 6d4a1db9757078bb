"""A folder of pictures on this machine; every file below it, each once, links followed: a picture,
or passed over with the reason."""

import errno
import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from core.datasets.base import Dataset, stat_stamp
from core.datasets.layout import chosen, found_roles, places
from core.datasets.names import HIDDEN, is_hidden, nfc, passed_over, real, shown
from core.fileformats import beginning
from core.images import read_file
from core.types import Item, Skipped

Identity = tuple[int, int]


class Walk:
    """The files below ``root``: ``stamps`` relative name -> stamp for pictures, ``skipped`` for
    everything else.

    A folder that is not entered counts as one thing. Folders that lie there come first, then links
    to folders, then links to files: what is reached in two ways keeps the name under which it lies
    there, and the link is passed over.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.stamps: dict[str, str] = {}
        self.skipped: list[Skipped] = []
        self._entered: dict[Identity, str] = {}
        self._linked: dict[Identity, str] = {}
        self._folder_links: list[tuple[int, str]] = []
        self._file_links: list[str] = []
        self._enter("")
        while self._folder_links:
            self._follow_folder(heapq.heappop(self._folder_links)[1])
        for relative in sorted(self._file_links):
            self._follow_file(relative)

    def _skip(self, relative: str, reason: str) -> None:
        self.skipped.append(Skipped(shown(relative or self.root), reason))

    def _path(self, relative: str) -> str:
        return os.path.join(self.root, relative) if relative else self.root

    def _enter(self, relative: str) -> None:
        """Take what lies in a folder and in those below it; its links wait."""
        waiting = [relative]
        while waiting:
            below = waiting.pop()
            try:
                if earlier := self._known(below):
                    self._skip(below, f"this folder is read as {earlier} already")
                    continue
                with os.scandir(self._path(below)) as entries:
                    waiting += self._take(below, entries)
            except OSError as error:
                self._skip(below, f"this folder can't be read: {error.strerror}")

    def _known(self, relative: str) -> str | None:
        """The name under which a folder was entered before; the first time it is noted."""
        identity = _identity(os.stat(self._path(relative)))
        if identity in self._entered:
            return shown(self._entered[identity]) or "the whole"
        self._entered[identity] = relative
        return None

    def _take(self, below: str, entries: Iterator[os.DirEntry]) -> Iterator[str]:
        """The folders among the entries of a folder; everything else is taken or set aside."""
        for entry in entries:
            relative = f"{below}/{entry.name}" if below else entry.name
            if is_hidden(entry.name):
                self._skip(relative, HIDDEN)
            elif entry.is_symlink():
                self._set_aside(relative)
            elif entry.is_dir():
                yield relative
            else:
                self._file(relative, entry.is_file())

    def _set_aside(self, relative: str) -> None:
        path = self._path(relative)
        try:
            os.stat(path)
        except OSError as error:
            self._skip(
                relative,
                (
                    "a link that leads in a circle"
                    if error.errno == errno.ELOOP
                    else "a link that leads nowhere"
                ),
            )
        else:
            if os.path.isdir(path):
                heapq.heappush(self._folder_links, (relative.count("/"), relative))
            else:
                self._file_links.append(relative)

    def _file(self, relative: str, ordinary: bool) -> None:
        path = self._path(relative)
        try:
            reason: str | None = "this is no ordinary file"
            if ordinary:
                reason = passed_over(relative, lambda: beginning(path))
            if reason is None:
                self.stamps[relative] = stat_stamp(os.stat(path))
                return
        except OSError as error:
            reason = f"this file can't be read: {error.strerror}"
        self._skip(relative, reason)

    def _follow_folder(self, relative: str) -> None:
        path = self._path(relative)
        target, place = os.path.realpath(path), os.path.realpath(os.path.dirname(path))
        if _holds(target, place) or _holds(target, os.path.realpath(self.root)):
            return self._skip(relative, "a link to a folder around it is not followed")
        try:
            if (known := self._entered.get(_identity(os.stat(path)))) is not None:
                return self._skip(
                    relative, f"a link to the folder {shown(known)}, which is read already"
                )
        except OSError as error:
            return self._skip(relative, f"this folder can't be read: {error.strerror}")
        self._enter(relative)

    def _follow_file(self, relative: str) -> None:
        path = self._path(relative)
        try:
            known = self._taken(path)
            if known is None:
                self._file(relative, os.path.isfile(path))
                if relative in self.stamps:
                    self._linked[_identity(os.stat(path))] = relative
            else:
                self._skip(relative, f"a link to {shown(known)}, which is read already")
        except OSError as error:
            self._skip(relative, f"this file can't be read: {error.strerror}")

    def _taken(self, path: str) -> str | None:
        """The name under which the target of a link to a file is a picture already."""
        if (known := self._linked.get(_identity(os.stat(path)))) is not None:
            return known
        folder, name = os.path.split(os.path.realpath(path))
        around = self._entered.get(_identity(os.stat(folder)))
        known = name if around == "" else f"{around}/{name}"
        return known if around is not None and known in self.stamps else None


def _identity(told: os.stat_result) -> Identity:
    return told.st_dev, told.st_ino


def _holds(folder: str, path: str) -> bool:
    try:
        return os.path.commonpath((folder, path)) == folder
    except ValueError:  # two drives
        return False


class Folder(Dataset):
    """All pictures below a folder; see :mod:`core.datasets.layout` for what its folders mean. Ids
    are relative paths.

    A file without a known ending is a picture where its content is one. Links are followed, out of
    the folder too; what several names lead to is one item. Everything else is listed as passed
    over.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = os.path.abspath(real(os.fspath(path)))
        self.name = self.title = nfc(shown(os.path.basename(self.path) or self.path))

    @property
    def locator(self) -> str:
        return shown(self.path)

    def read(self, item: Item) -> bytes:
        return read_file(real(item.path))

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        walk = Walk(self.path)
        stamps: dict[str, str] = {}
        skipped = walk.skipped
        for relative, stamp in walk.stamps.items():
            name = shown(relative)
            if name in stamps:
                skipped.append(Skipped(name, "another file's name reads the same"))
            else:
                stamps[name] = stamp
        items = items_of(stamps, lambda name: os.path.join(self.locator, name), self.locator)
        return items, sorted(skipped, key=lambda s: s.id)


def items_of(
    stamps: Mapping[str, str], path_of: Callable[[str], str], locator: str, around: str = ""
) -> list[Item]:
    """Items for relative names (``/`` between folders) with stamps.

    The folders say label, split and so on, by the layout that was chosen for ``locator`` or else by
    the one that is found. Ids are the names without ``around``, which all of them begin with.
    """
    folder_of = {name: _folder(name) for name in stamps}
    counts = Counter(folder_of.values())
    roles = chosen(locator)
    meaning = places(counts, found_roles(counts) if roles is None else roles)
    items = []
    # of two forms of a name, the usual one first
    for name in sorted(stamps, key=lambda name: (nfc(name), name != nfc(name))):
        place = meaning[folder_of[name]]
        items.append(
            Item(
                name[len(around) :],
                path_of(name),
                place.label,
                place.instance,
                place.category,
                place.split,
                stamps[name],
            )
        )
    return items


def layout_of(dataset: Dataset) -> tuple[str, ...]:
    """The layout that is found for the folders of a folder or a zip."""
    return found_roles(Counter(_folder(place_of(dataset, item)) for item in dataset.items))


def place_of(dataset: Dataset, item: Item) -> str:
    """The relative name of a picture of a folder or a zip, with all folders in front of it."""
    return item.path.removeprefix(dataset.locator).lstrip(f"!/{os.sep}").replace(os.sep, "/")


def _folder(name: str) -> tuple[str, ...]:
    return tuple(nfc(name).split("/")[:-1])
