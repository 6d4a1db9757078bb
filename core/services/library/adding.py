"""Adding pictures in two steps: what is there, before anything is written; then the adding itself.

What a browser sends are files with names: a zip, Parquet, pictures with their folders, or a CSV
with the pictures that it names. They become one source of pictures, kept among the uploads.
"""

import io
import os
import random
import re
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core import store
from core.datasets import manifest
from core.datasets.base import Dataset
from core.datasets.names import is_picture
from core.datasets.paths import ACCEPTED, open_path
from core.disk import remove
from core.errors import UserError
from core.services.embedding.encoding import refusal
from core.services.hosting import limits
from core.services.library import layouts, library, passed_over

TABLES, PACKED, COLUMNS = (".csv", ".tsv"), ".zip", (".parquet", ".pq")
MAX_EXAMPLES = 4
MAX_OPENED, OPENING_S = 1000, 3.0
"""So many pictures are opened for a preview, as long as that takes no longer."""
TOGETHER = (
    "Drop the table and its pictures together (a whole folder under A folder), or give the path of"
    " the table."
)
Files = Sequence[tuple[str, bytes]]
"""Name (with ``/`` between folders) and content of what a browser sent."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be added: ``labels`` are classes, ``splits`` pictures of each, ``skipped`` rows of
    picture and reason, ``opened`` how many pictures were read to find the ``unreadable`` among them
    (rows as well), ``reasons`` how often each is given, ``remarks`` rows of where and remark,
    ``layout`` how folders are read as labels, ``examples`` some pictures with what their folders
    say. ``known`` is the locator where it was added before; ``refused`` why a visitor may not add
    it."""

    title: str
    pictures: int
    labels: int
    splits: dict[str, int]
    skipped: tuple[dict, ...]
    opened: int
    unreadable: tuple[dict, ...]
    reasons: tuple[tuple[str, int], ...]
    remarks: tuple[dict, ...]
    layout: str
    examples: tuple[dict, ...]
    known: str
    refused: UserError | None = None


def preview_path(place: str) -> Preview:
    """What lies at a path on this machine. Raises UserError: nothing usable."""
    return _seen(library.open_dataset(place.strip(), fresh=True))


def preview_files(files: Files) -> Preview:
    """What files from a browser would become; they are read in a folder that is gone afterwards.

    Raises:
        UserError: no pictures in them, or files that can't be read together.
    """
    size = sum(len(data) for _, data in files)
    limits.check_zip(size)
    home = store.cache("imports")
    with store.writing(home):
        store.make_folder(home)
        store.check_space(store.root(), size + (64 << 20))
        with tempfile.TemporaryDirectory(dir=home) as folder:
            try:
                found = _seen(_open(_staged(Path(folder), files)))
            except UserError as error:
                raise _without(folder, error) from error
    try:
        library.check_pictures("", found.pictures)
        limits.check_room(size)
    except UserError as error:
        return replace(found, refused=error)
    return found


def add_files(files: Files) -> str:
    """Keep files from a browser and add what they are; returns the locator.

    Raises:
        UserError: as :func:`preview_files`. Nothing is kept then.
    """
    name, data = packed(files)
    if data is not None:
        return library.add_archive(name, data)
    told = [(name, len(data)) for name, data in files]
    limits.check_zip(size := sum(many for _, many in told))
    limits.check_room(size)
    folder = library.upload_folder(name, told)
    with store.new_folder(folder) as new:
        _staged(new, files)
    try:
        return library.add_uploaded(_open(_source(folder)).locator)
    except BaseException:
        remove(folder)
        raise


def _seen(dataset: Dataset) -> Preview:
    row = library.contents(dataset)
    listed = passed_over.rows(dataset)
    told = layouts.told(dataset) or {}
    opened, unreadable = _opened(dataset, {one["picture"] for one in listed})
    if len(unreadable) == len(dataset.items):
        first = unreadable[0]
        raise UserError(
            f"{dataset.title or dataset.name} holds no picture that can be read."
            f" {first['picture']}: {first['reason']}",
            fix="Choose another source.",
        )
    return Preview(
        dataset.title or dataset.name,
        row["pictures"],
        row["labels"],
        row["splits"],
        tuple(listed),
        opened,
        tuple(unreadable),
        tuple(passed_over.reasons([*unreadable, *listed])),
        tuple(row["remarks"]),
        row["layout"],
        tuple(told.get("examples", ())[:MAX_EXAMPLES]),
        dataset.locator if dataset.locator in library.added() else "",
    )


def _opened(dataset: Dataset, known: Collection[str]) -> tuple[int, list[dict]]:
    """How many pictures were opened, chosen evenly, and those of them that can't be read; what is
    ``known`` to be so is not told again."""
    drawn = random.Random(0).sample(range(len(dataset.items)), min(len(dataset.items), MAX_OPENED))
    until, opened, found = time.monotonic() + OPENING_S, 0, []
    for place in drawn:
        if opened and time.monotonic() > until:
            break
        item, opened = dataset.items[place], opened + 1
        if item.id not in known and (reason := refusal(dataset, item)):
            found.append({"picture": item.id, "reason": reason})
    return opened, sorted(found, key=lambda one: one["picture"])


def packed(files: Files) -> tuple[str, bytes | None]:
    """The files as one name and content, zipped where many; no content: they need a folder."""
    if not files:
        raise UserError("No file was given.", ACCEPTED)
    ends = [PurePosixPath(name).suffix.lower() for name, _ in files]
    tables = [name for (name, _), end in zip(files, ends, strict=True) if end in TABLES]
    alone = next(
        (name for (name, _), end in zip(files, ends, strict=True) if end in (PACKED, *COLUMNS)), ""
    )
    if len(files) > 1 and alone:
        raise UserError(
            f"{alone} was given together with other files.",
            "A zip or Parquet stands for itself.",
            "Add it alone.",
        )
    if len(tables) > 1:
        raise UserError(f"{len(tables)} tables were given.", "One CSV with its pictures.")
    if tables or alone.lower().endswith(COLUMNS):
        return _around(files) or PurePosixPath(tables[0] if tables else alone).stem, None
    if alone:
        return files[0][0], files[0][1]
    return f"{_common(files)}.zip", _zip(files)


def _zip(files: Files) -> bytes:
    """Pictures with their folders as one archive, whose reader knows every odd name."""
    if not any(is_picture(name) or data for name, data in files):
        raise UserError("The files are empty.", ACCEPTED)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def _staged(folder: Path, files: Files) -> Path:
    """Write the files as they will be kept; gives what is to be opened."""
    name, data = packed(files)
    if data is not None:
        path = folder / f"{library.stem(name)}{PACKED}"
        path.write_bytes(data)
        return path
    for given, content in _placed(files):
        path = folder.joinpath(*_parts(given))
        if path.suffix.lower() in TABLES:  # called as the folder that it came in
            path = path.with_name(f"{name}{path.suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return _source(folder)


def _placed(files: Files) -> Files:
    """Files that were chosen together come from a browser without their folders: each goes where
    the table says, if that is one place."""
    table = next((one for one in files if PurePosixPath(one[0]).suffix.lower() in TABLES), None)
    if table is None or any("/" in name or "\\" in name for name, _ in files):
        return files
    places: dict[str, set[str]] = defaultdict(set)
    for path in manifest.named(*table):
        place = PurePosixPath(path.replace("\\", "/"))
        if not place.is_absolute() and ".." not in place.parts:
            places[place.name].add(str(place))
    return [(min(places[name]) if len(places[name]) == 1 else name, data) for name, data in files]


def _source(folder: Path) -> Path:
    """The table or the Parquet that stands for a folder of uploaded files."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in (*TABLES, *COLUMNS)]
    return min(found, key=lambda path: len(path.parts))


def _open(path: Path) -> Dataset:
    """What was uploaded; a table may name nothing but what was uploaded with it."""
    found = open_path(path)
    if path.suffix.lower() in TABLES:
        _refuse_empty(found)
        home = os.path.realpath(path.parent)
        away = [
            item.id
            for item in found.items
            if os.path.commonpath([home, os.path.realpath(item.path)]) != home
        ]
        if away:
            raise UserError(
                f"The table names a file that was not given with it: {away[0]}.",
                "Files that are given together with the table.",
                TOGETHER,
            )
    return found


def _refuse_empty(table: Dataset) -> None:
    """Raises UserError where a table has rows, but none of their pictures came with it."""
    try:
        _ = table.items
    except UserError as error:
        raise UserError(error.given, error.allowed, TOGETHER if error.fix else "") from error


def _parts(name: str) -> list[str]:
    """The folders and the file of a name, none of which leads anywhere else. Raises UserError."""
    parts = [part for part in re.split(r"[/\\]+", name) if part not in ("", ".")]
    if not parts or ".." in parts or any("\0" in part for part in parts):
        raise UserError(f"{name[:80]!r} is no name of a file below a folder.")
    return parts


def _common(files: Files) -> str:
    """What files that were given together are called."""
    return _around(files) or "pictures"


def _around(files: Files) -> str:
    """The one folder that holds all files; empty where several do, or no folder."""
    places = [name.replace("\\", "/").split("/") for name, _ in files]
    tops = {place[0] for place in places}
    return tops.pop() if len(tops) == 1 and all(len(place) > 1 for place in places) else ""


def _without(folder: str, error: UserError) -> UserError:
    """The error without the place where the files lay for a moment."""
    words = (error.given, error.allowed, error.fix)
    return UserError(*(part.replace(f"{folder}/", "").replace(folder, "") for part in words))
