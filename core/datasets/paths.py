"""The one door to any pictures: a name that is registered, or a path that is looked at."""

import os
import zipfile
from pathlib import Path

from core.datasets.base import Dataset, datasets
from core.datasets.folder import Folder
from core.datasets.joined import SUFFIX, read_definition
from core.datasets.manifest import Manifest
from core.datasets.names import ARCHIVES, is_hidden, is_picture, real, shown
from core.datasets.parquet import Parquet
from core.datasets.public import Public
from core.datasets.remote import EXAMPLES, is_address, open_address
from core.datasets.zipped import Zip
from core.errors import UserError
from core.registry import UnknownName

ACCEPTED = (
    "A folder of pictures (flat, class/, split/class/, category/instance/), a zip of one, a CSV"
    " with a column 'path', or Parquet with a column of pictures (one file, or a folder of them)."
)


def open_dataset(locator: str) -> Dataset:
    """A registered name, else a path. ``open_dataset(dataset.locator)`` opens the same dataset
    again.

    Raises:
        UserError: neither. (What is inside is looked at later, when the items are listed.)
    """
    if locator in datasets.names():
        return datasets.get(locator)
    if is_address(locator):
        return open_address(locator)
    if os.path.lexists(real(os.path.expanduser(locator))) or any(c in locator for c in "/\\~."):
        return open_path(locator)
    unknown = UnknownName("dataset", locator, datasets.names())
    raise UserError(
        unknown.given, f"{unknown.allowed} Or a path: {ACCEPTED} Or an address: {EXAMPLES}."
    )


def open_path(path: Path | str) -> Dataset:
    """Whatever lies at a path, as a dataset. Raises UserError: it holds no pictures."""
    path = os.path.abspath(real(os.path.expanduser(os.fspath(path))))
    if "\0" in path or not os.path.exists(path):
        raise UserError(
            f"There is nothing at {shown(path)!r}.", f"Accepted: {ACCEPTED}", "Check the spelling."
        )
    return _open_folder(path) if os.path.isdir(path) else _open_file(path)


def _open_folder(path: str) -> Dataset:
    return _recognised(path) or (Parquet(path) if _holds_parquet(path) else Folder(path))


def _recognised(path: str) -> Dataset | None:
    """A public set in its distributed form, known by the files it needs."""
    made = (datasets.get(name) for name in datasets.names())
    there = (public.at(path) for public in made if isinstance(public, Public))
    return next((public for public in there if public.is_here()), None)


def _open_file(path: str) -> Dataset:
    lower = path.lower()
    if not os.path.isfile(path):
        raise UserError(f"{shown(path)!r} is no ordinary file.", f"Accepted: {ACCEPTED}")
    if lower.endswith(SUFFIX):
        return read_definition(path, open_dataset)
    if lower.endswith((".parquet", ".pq")):
        return Parquet(path)
    if lower.endswith((".csv", ".tsv")):
        return Manifest(path)
    if lower.endswith(".zip") or zipfile.is_zipfile(path):
        return Zip(path)
    raise UserError(f"{shown(path)!r} is no dataset.", f"Accepted: {ACCEPTED}", _advice(lower))


def _advice(lower: str) -> str:
    if is_picture(lower):
        return "This is one picture: search with it, or give the folder that it lies in."
    if lower.endswith((".npy", ".npz")):
        return "Vectors without pictures can be imported for a dataset that is open."
    if lower.endswith(ARCHIVES):
        return "Unpack it and give the folder, or make a zip of it."
    return ""


def _holds_parquet(path: str) -> bool:
    """Parquet in the folder or one folder down, and no picture beside it."""
    below: list[str] = []
    found = False
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if is_picture(entry.name):
                    return False
                found = found or entry.name.lower().endswith((".parquet", ".pq"))
                if entry.is_dir() and not is_hidden(entry.name) and len(below) < 10:
                    below.append(entry.path)
    except OSError as error:
        raise UserError(f"The folder {shown(path)!r} can't be read: {error.strerror}.") from error
    return found or any(_starts_with_parquet(folder) for folder in below)


def _starts_with_parquet(folder: str) -> bool:
    """Looks at a few names only: a class folder may hold a million pictures."""
    try:
        with os.scandir(folder) as entries:
            return any(
                e.name.lower().endswith((".parquet", ".pq"))
                for e, _ in zip(entries, range(20), strict=False)
            )
    except OSError:
        return False
