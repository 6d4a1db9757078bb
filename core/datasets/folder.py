"""A folder of pictures on this machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from core.datasets.base import Dataset, stat_stamp
from core.datasets.layout import places
from core.datasets.names import is_hidden, is_picture, real, shown, why_not
from core.images import read_file
from core.types import Item, Skipped


class Folder(Dataset):
    """All pictures below a folder; see :mod:`core.datasets.layout` for what its folders mean. Ids are relative paths.

    Links are followed where they stay inside the folder. Hidden files and other kinds of files are passed over.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = os.path.abspath(real(os.fspath(path)))
        self.name = self.title = shown(os.path.basename(self.path) or self.path)

    @property
    def locator(self) -> str:
        return shown(self.path)

    def read(self, item: Item) -> bytes:
        return read_file(real(item.path))

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        found: dict[str, str] = {}
        skipped = []
        for relative, outcome in _walk(self.path):
            name = shown(relative)
            if isinstance(outcome, Skipped):
                skipped.append(outcome)
            elif name in found:
                skipped.append(Skipped(name, "another file's name reads the same"))
            else:
                found[name] = outcome
        return items_of(found, lambda name: os.path.join(self.locator, name)), sorted(skipped, key=lambda s: s.id)


def items_of(stamps: dict[str, str], path_of) -> list[Item]:
    """Items for relative names (``/`` between folders) with stamps; the folders say label, split and so on."""
    folder_of = {name: tuple(name.split("/")[:-1]) for name in stamps}
    meaning = places(Counter(folder_of.values()))
    items = []
    for name in sorted(stamps):
        place = meaning[folder_of[name]]
        items.append(
            Item(name, path_of(name), place.label, place.instance, place.category, place.split, stamps[name])
        )
    return items


def _walk(root: str) -> Iterator[tuple[str, str | Skipped]]:
    """(relative name, stamp) of every picture below ``root``, or what was passed over with the reason."""
    top = os.path.realpath(root)
    entered: set[str] = set()  # targets of links, so that links in circles end
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(os.path.join(root, below)) as entries:
                for entry in entries:
                    if is_hidden(entry.name):
                        continue
                    relative = f"{below}/{entry.name}" if below else entry.name
                    if entry.is_symlink() and not _stays_inside(entry, top, entered):
                        if is_picture(entry.name):
                            reason = "a link that leads nowhere, in a circle or out of the folder is not followed"
                            yield relative, Skipped(shown(relative), reason)
                    elif entry.is_dir():
                        waiting.append(relative)
                    else:
                        yield from _outcome(entry, relative)
        except OSError as error:
            yield below, Skipped(shown(below or root), f"this folder can't be read: {error.strerror}")


def _outcome(entry: os.DirEntry, relative: str) -> Iterator[tuple[str, str | Skipped]]:
    if not is_picture(entry.name):
        if reason := why_not(entry.name):
            yield relative, Skipped(shown(relative), reason)
    elif not entry.is_file():
        yield relative, Skipped(shown(relative), "this is no ordinary file")
    else:
        yield relative, stat_stamp(entry.stat())


def _stays_inside(entry: os.DirEntry, top: str, entered: set[str]) -> bool:
    target = os.path.realpath(entry.path)
    if os.path.commonpath((top, target)) != top or not os.path.exists(target):
        return False
    if not os.path.isdir(target):
        return True
    around = os.path.commonpath((target, os.path.realpath(os.path.dirname(entry.path)))) == target
    if around or target in entered:
        return False
    entered.add(target)
    return True
