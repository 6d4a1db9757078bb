"""Pictures added to, and removed from, a data set that was uploaded.

Its zip is written anew beside itself and takes its place when it is whole: the locator stays, so
that vectors, indexes and maps follow at the next build. It then holds the pictures alone, stored as
they are. A folder of the user's own is never touched.
"""

import os
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from core import store
from core.datasets.base import Dataset
from core.datasets.zipped import Zip, around
from core.disk import flush_file
from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.stored import key_of, keys_in
from core.services.hosting import limits
from core.services.library import adding, library
from core.services.library.adding import Files
from core.types import Item

Contents = Iterable[tuple[str, Callable[[], bytes]]]
"""Names in an archive, and what gives the bytes of each."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a data set: how many pictures came and went, how many of those given were
    there already (name and content) and how many could not be used, and how many there are now.
    ``encoders`` are those whose vectors follow at the next build."""

    added: int
    removed: int
    known: int
    skipped: int
    pictures: int
    encoders: tuple[str, ...]

    @property
    def words(self) -> str:
        """The counts in one line."""
        told = (
            (self.added, "added"),
            (self.removed, "removed"),
            (self.known, "there already"),
            (self.skipped, "could not be used"),
        )
        parts = [f"{number:,} {what}" for number, what in told if number]
        return f"{', '.join(parts)}; {self.pictures:,} pictures now"


@dataclass(frozen=True, slots=True)
class Difference:
    """How many pictures a data set has that were not there before, lacks, or holds with another
    content (size and time of the file, or its checksum)."""

    added: int
    removed: int
    changed: int

    @property
    def words(self) -> str:
        """The counts in one line; empty without any."""
        told = ((self.added, "added"), (self.removed, "removed"), (self.changed, "changed"))
        return ", ".join(f"{number:,} {what}" for number, what in told if number)


def since_listed(before: Sequence[Item], dataset: Dataset) -> Difference:
    """How a data set differs from an earlier listing of it."""
    return _difference({item.id: key_of(item) for item in before}, (), dataset)


def since_built(dataset: Dataset, encoder: str) -> Difference:
    """How a data set differs from its last build with an encoder; all new without one."""
    held = [
        (float(meta.get("built") or 0.0), path)
        for path in store.folders(stored.KIND)
        if (meta := store.read_meta(path) or {}).get("source") == dataset.locator
        and meta.get("encoder_name") == encoder
    ]
    for _, path in sorted(held, reverse=True):
        with suppress(*store.UNREADABLE):
            rows = zip(stored.ids(path, dataset), keys_in(path), strict=True)
            return _difference(dict(rows), stored.skipped(path), dataset)
    return _difference({}, (), dataset)


def _difference(before: dict[str, str], skipped: Collection[str], dataset: Dataset) -> Difference:
    """``before``: id -> key of each picture; ``skipped``: keys of those that were passed over."""
    now = {item.id: key_of(item) for item in dataset.items}
    new = [id for id, key in now.items() if id not in before and key not in skipped]
    changed = [id for id, key in now.items() if before.get(id, key) != key]
    return Difference(len(new), len(before.keys() - now.keys()), len(changed))


def refusal(locator: str) -> UserError | None:
    """Why pictures of a data set can't be added or removed here; None where they can."""
    if locator not in library.own_added():
        return UserError(
            "This data set was not added here, so its pictures can't be changed.",
            "Data sets that you uploaded.",
        )
    if library.upload_bytes(locator) == 0:
        return UserError(
            "Its pictures lie in a place of yours, where nothing is written.",
            fix="Add, delete or change files there, then look again: only what is new is encoded.",
            command="Add, delete or change files there, then build again: only what is new is"
            " encoded.",
        )
    if not locator.lower().endswith(".zip"):
        return UserError(
            "Its pictures are those that a table names.",
            fix="Upload the changed table with its pictures: only what is new is encoded.",
        )
    return None


def add(locator: str, files: Files) -> Change:
    """Add pictures, or those of one zip, to an uploaded data set. A name that is there already gets
    a number where the content is another.

    Raises:
        UserError: not such a data set, no pictures in the files, or too much of them.
    """
    set_ = _checked(locator)
    name, data = adding.packed(files)
    if data is None:
        raise UserError(f"{name} is a table.", "Pictures, or a zip of them.")
    limits.check_zip(len(data) + library.upload_bytes(locator))
    limits.check_room(len(data))
    with tempfile.TemporaryDirectory(dir=_made(store.cache("imports"))) as folder:
        place = Path(folder) / "given.zip"
        place.write_bytes(data)
        given = Zip(place)
        with store.lock(_lock(locator)):
            new, known = _new_names(set_, given)
            library.check_pictures(locator, len(set_.items) + len(new))
            _rewrite(set_, (*_kept(set_, ()), *_taken(given, new)), len(data))
    return _changed(locator, len(new), 0, known, len(given.skipped))


def remove(locator: str, ids: Sequence[str]) -> Change:
    """Remove pictures of an uploaded data set.

    Raises:
        UserError: not such a data set, no such picture, or none would be left.
    """
    set_, gone = _checked(locator), set(ids)
    if strange := sorted(gone - set_.rows.keys()):
        raise UserError(f"{set_.title} has no picture {strange[0]!r}.")
    if len(gone) == len(set_.items):
        raise UserError(
            "That is every picture of it.", "At least one stays.", "Remove the data set instead."
        )
    with store.lock(_lock(locator)):
        _rewrite(set_, _kept(set_, gone), 0)
    return _changed(locator, 0, len(gone), 0, 0)


def read_files(places: Sequence[str]) -> Files:
    """Files of this machine as :func:`add` takes them: pictures and zips by name, folders with what
    lies below. Raises UserError where there is nothing, or it can't be read."""
    found: list[tuple[str, bytes]] = []
    for place in map(Path, places):
        below = sorted(place.rglob("*")) if place.is_dir() else [place]
        try:
            found += [
                (one.relative_to(place.parent).as_posix(), one.read_bytes())
                for one in below
                if not one.is_dir()
            ]
        except OSError as error:
            raise UserError(f"{error.filename} can't be read ({error.strerror}).") from error
    return found


def built(locator: str) -> tuple[str, ...]:
    """Names of encoders that were built for a data set, whatever it held then."""
    metas = (store.read_meta(path) or {} for path in store.folders(stored.KIND))
    return tuple(sorted({one["encoder_name"] for one in metas if one.get("source") == locator}))


def _checked(locator: str) -> Zip:
    if (error := refusal(locator)) is not None:
        raise error
    return Zip(locator)


def _lock(locator: str) -> str:
    return f"changing-{store.fingerprint(locator)}"


def _made(folder: Path) -> Path:
    store.make_folder(folder)
    return folder


def _new_names(set_: Zip, given: Zip) -> tuple[dict[str, str], int]:
    """Id of each new picture -> its name in the set's archive; how many there are already."""
    stamps = {_name(set_, item): item.stamp for item in set_.items}
    before, folder = around(stamps), _folder(set_, given)
    new: dict[str, str] = {}
    known = 0
    for item in given.items:
        name = f"{before}{folder}{item.id}"
        if stamps.get(name) == item.stamp:
            known += 1
            continue
        name = _free(name, stamps)
        new[item.id], stamps[name] = name, item.stamp
    if not new:
        raise UserError(
            f"{set_.title} has all of these pictures already." if known else "No picture in them."
        )
    return new, known


def _folder(set_: Zip, given: Zip) -> str:
    """The one folder around all given pictures, which their ids lack, where the set has it too: a
    class that there is gets more pictures."""
    folder = around([_name(given, item) for item in given.items])
    known = {item.id.partition("/")[0] for item in set_.items if "/" in item.id}
    return folder if folder.rstrip("/") in known else ""


def _free(name: str, taken: dict[str, str]) -> str:
    path, number = PurePosixPath(name), 2
    while name in taken:
        name, number = str(path.with_name(f"{path.stem}-{number}{path.suffix}")), number + 1
    return name


def _name(set_: Zip, item: Item) -> str:
    """The name of a picture in its archive."""
    return item.path.removeprefix(f"{set_.locator}!/")


def _kept(set_: Zip, gone: Collection[str]) -> Contents:
    for item in set_.items:
        if item.id not in gone:
            yield _name(set_, item), partial(set_.read, item)


def _taken(given: Zip, names: dict[str, str]) -> Contents:
    for item in given.items:
        if item.id in names:
            yield names[item.id], partial(given.read, item)


def _rewrite(set_: Zip, contents: Contents, more: int) -> None:
    """Put an archive of ``contents`` in the place of the set's, once whole and on the disk."""
    target = Path(set_.path)
    with store.writing(target.parent):
        store.check_space(store.root(), target.stat().st_size + more + (64 << 20))
        handle, new = tempfile.mkstemp(prefix=store.NEW, suffix=".zip", dir=target.parent)
        os.close(handle)
        try:
            with zipfile.ZipFile(new, "w", zipfile.ZIP_STORED) as archive:
                for name, read in contents:
                    archive.writestr(zipfile.ZipInfo(name), _bytes(read))
            os.chmod(new, 0o644)
            flush_file(Path(new))
            os.replace(new, target)
        finally:
            Path(new).unlink(missing_ok=True)


def _bytes(read: Callable[[], bytes]) -> bytes:
    """A picture's bytes; of a damaged member nothing is left, and it is listed as that."""
    try:
        return read()
    except UserError:
        return b""


def _changed(locator: str, added: int, removed: int, known: int, skipped: int) -> Change:
    now = library.open_dataset(locator, fresh=True)
    return Change(added, removed, known, skipped, len(now.items), built(locator))
