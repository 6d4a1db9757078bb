"""Everything below the artifacts folder that is not what was written: blank, cut, changed, or of
another version.

What can be had again counts as absent where it is read, and is built again; what can't is told with
the way out.
"""

import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.checksums import META, begins_with_zeros, damaged
from core.encoders.imported import home as vectors_home
from core.encoders.trained import CARD, DETECTOR, WEIGHTS, homes, read_card
from core.errors import UserError
from core.services import saved_reports
from core.services.embedding import stored
from core.services.index_lab import point
from core.services.maps import placed

AGAIN = "It counts as absent, and is built again when it is asked for."
FOREIGN = "It is never read; delete it on the Library page."
RESTORE = "Get it from the repository again."
SHIPPED = (stored.KIND, stored.FITS, placed.KIND)


@dataclass(frozen=True, slots=True)
class Damage:
    """A file or folder below the artifacts folder, what is wrong with it, and what that means or
    what to do; ``rebuilt``: it is built again without anybody's help."""

    where: str
    fault: str
    what: str
    rebuilt: bool = True


def examine() -> list[Damage]:
    """What is damaged. Every file is read whole, which takes a second or so for each GB."""
    if os.path.isdir(store.root()):
        own = [*entries(), *_loose(), *_library(), *_reports(), *_runs()]
    else:
        own = []
    return [*own, *_models(), *_shipped()]


def entries() -> Iterator[Damage]:
    """What is damaged in the cache, and what another version left there."""
    for kind in store.listed(store.root() / "cache"):
        for path in store.listed(kind) if store.SAFE.fullmatch(kind.name) else ():
            if path.is_dir() and store.SAFE.fullmatch(path.name) and (path / META).is_file():
                yield from _entry(path)


def _entry(path: Path) -> Iterator[Damage]:
    meta = store.read_meta(path)
    if fault := _fault(path):
        yield Damage(_name(path), fault, AGAIN)
    elif meta and "causes" in meta and store.key(meta["causes"]) != path.name:
        yield Damage(_name(path), "it was built by another version", FOREIGN)
    for part in path.glob("part-*"):
        if fault := _fault(part):
            yield Damage(_name(part), fault, AGAIN)


def _fault(folder: Path) -> str:
    """What is wrong with the files of a folder, whether or not it says what they are."""
    meta = store.read_meta(folder)
    if meta is None and (folder / META).is_file():
        return f"{META} can't be read"
    meta = meta or {}
    return "; ".join(
        f"{name}: {fault}" for name, fault in damaged(folder, meta, whole=True).items()
    )


def _name(path: Path) -> str:
    for home in (store.root(), store.shipped()):
        if path.is_relative_to(home):
            return path.relative_to(home).as_posix()
    return str(path)


def _loose() -> Iterator[Damage]:
    """Notes of one file each."""
    home = store.root() / "cache"
    for path in (home / "pace.json", *sorted((home / "precision").glob("*.json"))):
        yield from _text(path, AGAIN, True)


def _text(path: Path, what: str, rebuilt: bool) -> Iterator[Damage]:
    """A file of JSON, where it exists and can't be read as that."""
    try:
        json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return
    except store.UNREADABLE as error:
        yield Damage(_name(path), f"it can't be read ({type(error).__name__})", what, rebuilt)


def _library() -> Iterator[Damage]:
    home = store.root() / "library"
    yield from _text(home / "datasets.json", "Add your data sets to the library again.", False)
    for path in sorted(home.glob("*-damaged-*.json")):
        yield Damage(
            _name(path),
            "an earlier list of data sets that could not be read",
            "Add what you miss, then delete it.",
        )
    for path in sorted(home.rglob("*.join.json")):
        yield from _text(path, "Make the cross-domain set again.", False)
    for path in sorted((home / "uploads").glob("*.zip")):
        if not zipfile.is_zipfile(path):
            yield Damage(
                _name(path),
                "it is no whole zip",
                "Remove this data set and upload it again.",
                False,
            )
    for folder in store.listed(vectors_home()):
        if store.SAFE.fullmatch(folder.name) and folder.is_dir() and (fault := _fault(folder)):
            yield Damage(_name(folder), fault, "Import these vectors again.", False)


def _reports() -> Iterator[Damage]:
    for folder in store.listed(store.root() / saved_reports.FOLDER):
        if folder.is_dir() and store.SAFE.fullmatch(folder.name) and (fault := _fault(folder)):
            yield Damage(
                _name(folder), fault, "It is not listed any more. Make the report again.", False
            )


def _models() -> Iterator[Damage]:
    for home in homes():
        for folder in [path for path in store.listed(home) if path.is_dir()]:
            what = (
                "Train or import the model again." if home == store.root() / "models" else RESTORE
            )
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.stat().st_size and begins_with_zeros(path):
                    yield Damage(_name(path), "begins with zeros", what, False)
            if (folder / CARD).is_file():
                yield from _model(folder, what)


def _model(folder: Path, what: str) -> Iterator[Damage]:
    try:
        if store.digest(folder / WEIGHTS) != _card(folder)["sha256"]:
            yield Damage(
                _name(folder / WEIGHTS),
                "these are not the weights that the card describes",
                what,
                False,
            )
    except (UserError, KeyError, TypeError, *store.UNREADABLE) as error:
        yield Damage(_name(folder), str(error), what, False)


def _card(folder: Path) -> dict:
    """What an encoder or a detector says of itself."""
    if folder.name.endswith(DETECTOR):
        return json.loads((folder / CARD).read_text())
    return read_card(folder)


def _runs() -> Iterator[Damage]:
    for folder in store.listed(store.root() / "runs"):
        yield from _text(folder / "config.json", "Begin this training anew.", False)
        yield from _text(folder / "job.json", "The job is not listed any more.", True)


def _shipped() -> list[Damage]:
    """What came with the code, and is read only where the cache has nothing."""
    folders = [
        path for kind in SHIPPED for path in store.listed(store.shipped() / kind) if path.is_dir()
    ]
    wrong = [(path, fault) for path in folders if (fault := _fault(path))]
    files = [
        one
        for path in sorted((store.shipped() / point.KIND).glob("*.json"))
        for one in _text(path, RESTORE, False)
    ]
    return [Damage(_name(path), fault, RESTORE, False) for path, fault in wrong] + files
