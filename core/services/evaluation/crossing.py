"""Cross-domain evaluation: queries of some data sets, the gallery of another, and a table that
joins their classes.

A table is a CSV with the columns ``query_class`` and ``gallery_class``, a row for each class that
has a counterpart; several classes may lead to one. ``query_set`` keeps a row to the data set of
that name, ``gallery_set`` says which gallery is meant. Tables that come with the code lie in
``core/services/evaluation/joins``, and are asked for by name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.datasets.base import Dataset
from core.datasets.joined import SUFFIX, Joined, Side, classes_of, definition, refuse_unknown
from core.datasets.names import nfc
from core.datasets.tables import GUESSED, parse_table
from core.errors import UserError
from core.services.embedding.contents import content_hash
from core.services.library import library

HOME = Path(__file__).parent / "joins"
FOLDER = "joins"
MAX_BYTES = 1 << 20
SAME = "same-names"
"""The join that needs no table: classes that are called the same."""
COLUMNS = ("query_class", "gallery_class")
OPTIONAL = ("query_set", "gallery_set")


@dataclass(frozen=True, slots=True)
class Row:
    """One class of the queries, and its counterpart in the gallery."""

    query_class: str
    gallery_class: str
    query_set: str = ""
    gallery_set: str = ""

    def __post_init__(self) -> None:
        for name in (*COLUMNS, *OPTIONAL):
            object.__setattr__(self, name, nfc(getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Table:
    """A join by its name, with its rows; none of :data:`SAME`."""

    name: str
    rows: tuple[Row, ...] = ()

    @property
    def title(self) -> str:
        words = self.name.replace("-", " ").replace("_", " ")
        return words[:1].upper() + words[1:]

    @property
    def gallery(self) -> str:
        """The gallery that every row names; empty where they name none, or several."""
        named = {row.gallery_set for row in self.rows}
        return named.pop() if len(named) == 1 else ""


def names() -> list[str]:
    """The joins that come with the code, and :data:`SAME`."""
    return [*sorted(path.stem for path in HOME.glob("*.csv")), SAME]


def table(name: str) -> Table:
    """A join by name, or from a CSV of the user's. Raises UserError."""
    if name == SAME:
        return Table(SAME)
    if name in names():
        return parsed(name, (HOME / f"{name}.csv").read_bytes())
    path = Path(name).expanduser()
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{path.name} is too large for a join.", f"At most {MAX_BYTES / 1e6:.0f} MB."
            )
        return parsed(path.stem, path.read_bytes())
    except (OSError, ValueError) as error:
        known = (
            f"Known: {', '.join(names())}; or the path of a CSV with the columns"
            f" {','.join(COLUMNS)}."
        )
        raise UserError(f"There is no join {name[:200]!r} that can be read.", known) from error


def parsed(name: str, data: bytes) -> Table:
    """The rows of a CSV. Raises UserError: a column that is missing, an empty cell, no rows, one
    class joined to two, a line that is not as it should be."""
    # no class has a line break in its name
    found = parse_table(name, data, lambda header, cells: True)
    if missing := [column for column in COLUMNS if column not in found.header]:
        lacks = f"The join {name!r} has no column {' and no column '.join(missing)}"
        raise UserError(
            f"{lacks}; its columns: {', '.join(found.header) or 'none'}.",
            f"Needed: {','.join(COLUMNS)}.",
        )
    odd = [
        *((one.id, one.reason) for one in found.skipped),
        *((one.id, one.text) for one in found.remarks),
    ]
    if bad := [f"{where}: {what}" for where, what in odd if not what.startswith(GUESSED)]:
        raise UserError(
            f"The join {name!r} can't be read as it stands: {bad[0]}.", fix="Correct the line."
        )
    rows = [
        Row(**{key: row.get(key, "") for key in (*COLUMNS, *OPTIONAL)}) for _, row in found.rows
    ]
    if not rows:
        raise UserError(
            f"The join {name!r} has no rows.",
            fix=f"One for each class that has a counterpart: {','.join(COLUMNS)}.",
        )
    counterpart: dict[tuple[str, str], str] = {}
    for row in rows:
        if not row.query_class or not row.gallery_class:
            raise UserError(
                f"A row of the join {name!r} lacks a class.",
                "Every row has a query_class and a gallery_class.",
            )
        other = counterpart.setdefault((row.query_set, row.query_class), row.gallery_class)
        if other != row.gallery_class:
            raise UserError(
                f"The join {name!r} leads {row.query_class!r} to {other!r} and to"
                f" {row.gallery_class!r}.",
                "A class has one counterpart; several classes may share one.",
            )
    return Table(name, tuple(rows))


def joined(queries: Sequence[Dataset], gallery: Dataset, join: Table) -> Joined:
    """The data set in which queries of ``queries`` search ``gallery``. Its definition is kept: its
    locator opens it again.

    Raises:
        UserError: no queries, an unknown class, nothing joined, or the same data set on both sides.
    """
    if not queries:
        raise UserError(
            "No data set of queries was named.",
            fix="Name one or more, with a class that the join names.",
        )
    for dataset in queries:
        if dataset.locator == gallery.locator or content_hash(dataset) == content_hash(gallery):
            raise UserError(
                f"{dataset.title or dataset.name} is on both sides.",
                "Cross-domain: queries of one data set, the gallery of another.",
                "Evaluate it alone.",
                "Evaluate it alone with --datasets.",
            )
    sides = [Side(dataset, _classes(dataset, queries, gallery, join)) for dataset in queries]
    left_out = [side.dataset.title or side.dataset.name for side in sides if not side.classes]
    if left_out and len(left_out) < len(sides):
        raise UserError(
            f"The join {join.name!r} says nothing of {', '.join(left_out)}.",
            fix="Leave it out, or add rows for it.",
        )
    made = Joined(join.name, join.title, gallery, sides)
    text = definition(made)
    made.items  # noqa: B018 (nothing is kept of a set without queries)
    made.path = str(
        store.root()
        / "library"
        / FOLDER
        / f"{store.safe(_plain(join.name))}-{store.fingerprint(text)[:6]}{SUFFIX}"
    )
    if not _says(Path(made.path), text):
        store.write_text(Path(made.path), text)
    return made


def _says(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def opened(queries: Sequence[str], gallery: str, join: str) -> Joined:
    """:func:`joined` by names and paths, and listed in the library, where every page finds it.

    Args:
        gallery: a name or path; empty: what the join names.
        join: a name, or the path of a CSV; empty: classes that are called the same.
    """
    told = table(join or SAME)
    if not (gallery or told.gallery):
        raise UserError(
            f"The join {told.name!r} names no gallery.", fix="Say which data set is searched."
        )
    made = joined(
        [library.open_dataset(name) for name in queries],
        library.open_dataset(gallery or told.gallery),
        told,
    )
    library.add_folder(made.locator)
    return made


def keep_table(file: str, data: bytes) -> str:
    """Keep an uploaded CSV, as a path for :func:`table`. Raises UserError: it is no join."""
    if len(data) > MAX_BYTES:
        raise UserError(
            f"{file[:100]} is too large for a join.", f"At most {MAX_BYTES / 1e6:.0f} MB."
        )
    name = _plain(Path(file).stem)
    parsed(name, data)
    path = store.root() / "library" / FOLDER / store.fingerprint(data.hex())[:6] / f"{name}.csv"
    store.write_bytes(path, data)
    return str(path)


def _classes(
    dataset: Dataset, queries: Sequence[Dataset], gallery: Dataset, join: Table
) -> dict[str, str]:
    """Class of the data set -> class of the gallery.

    Rows that name a data set are for it alone; one that no row names takes every row whose class it
    has, since a folder may bear any name. A class that is nowhere is an error, and none that
    another of ``queries`` has.
    """
    if join.name == SAME:
        return {name: name for name in sorted(classes_of(dataset) & classes_of(gallery))}
    known = classes_of(dataset)
    own = [row for row in join.rows if row.query_set == dataset.name]
    if own:
        refuse_unknown([row.query_class for row in own], known, dataset.title or dataset.name)
    elsewhere = set().union(*(classes_of(other) for other in queries))
    free = [row for row in join.rows if not row.query_set]
    refuse_unknown(
        [row.query_class for row in free],
        elsewhere,
        " or ".join(other.title or other.name for other in queries),
    )
    # what is said of this set alone counts, where both speak of a class
    rows = free + own if own or free else join.rows
    return {row.query_class: row.gallery_class for row in rows if row.query_class in known}


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60] or "join"
