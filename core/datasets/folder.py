"""A folder of pictures on this machine."""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from core.datasets.base import Dataset
from core.datasets.layout import chosen, found_roles, places
from core.datasets.names import nfc, real, shown
from core.datasets.walk import Walk
from core.images import read_file
from core.types import Item, Skipped


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
    for name in sorted(
        stamps, key=lambda name: (nfc(name), name != nfc(name))
    ):  # of two forms of a name, the usual one first
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
