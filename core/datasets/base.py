"""What every source of pictures gives: items, their bytes, and the protocols it can be judged
by. Pictures that were changed without a change of size and time, as a check of contents found, have
a mark behind their stamp."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from core import store
from core.datasets.names import nfc
from core.errors import UserError
from core.items import Coded, Items, coded, lines
from core.registry import Registry
from core.types import Item, Progress, Protocol, Remark, Skipped, State

datasets: Registry[Dataset] = Registry("dataset", "core.datasets")
"""Data sets known by name (``catalogue``, ``cifar10`` ...). Anything else is a path, opened by
:func:`core.datasets.paths.open_dataset`."""

READY = State("ready")
GALLERY_SPLITS = ("gallery", "train", "trainval", "training", "database", "index")
QUERY_SPLITS = ("query", "queries", "test", "testing", "validation", "valid", "val")
WORDS = ("id", "label", "instance", "category", "split")
SEARCH = "search"
"""The protocol of a set whose labels tell nothing apart."""
EVERY = 4
"""Where all pictures search all others, protocols have a quick form of each fourth query."""


class Dataset(ABC):
    """A finite, ordered set of pictures.

    A child sets ``name`` and writes :meth:`_list` and :meth:`read`. Listing is cheap (no picture is
    decoded); reading is by item, and an object can be sent to a worker process before or after it
    has been listed.
    """

    name: str = ""
    title: str = ""
    kind: str = "photographs"
    """What the pictures are, shown beside every figure: ``photographs``, ``rendered`` ..."""
    note: str = ""
    _remarks: tuple[Remark, ...] = ()
    stamps_tell_content: bool = False
    """Whether the stamp of a picture follows from its bytes, not from its file's size and time."""

    def state(self) -> State:
        """Whether the pictures are here, can be downloaded, or have to be put somewhere by hand."""
        return READY

    def download(self, progress: Progress | None = None) -> None:
        """Fetch the pictures, where :meth:`state` says so. Raises UserError where that fails."""

    @abstractmethod
    def _list(self) -> tuple[Sequence[Item], list[Skipped]]:
        """All items in a stable order, and what was passed over with the reason: each thing that
        was met is one or the other.

        What was used, but not as it stands, goes into ``_remarks``.
        """

    @abstractmethod
    def read(self, item: Item) -> bytes:
        """The picture file's bytes. Raises UserError. Cheapest in the order of ``items``."""

    @property
    def members(self) -> tuple[Dataset, ...]:
        """The data sets that this one joins, the searched one first; none for most."""
        return ()

    def members_of(self, protocol: Protocol) -> tuple[Dataset, ...]:
        """Those of ``members`` that take part in one of its protocols, in the same order."""
        return self.members

    @property
    def home(self) -> Dataset:
        """The data set that encoders and number formats are fitted to: this one, for most."""
        return self

    def origin(self, item: Item) -> tuple[Dataset, Item]:
        """A picture's place among ``members``, and what it is there; this set, for most."""
        return self, item

    def told(self, protocol: Protocol) -> dict[str, str]:
        """What the card of one of its protocols says of this set beyond what every card says."""
        return {}

    def owned(
        self, encoder: str | None = None, index: str | None = None, **more: object
    ) -> dict[str, object]:
        """What the meta of a thing says that was made of this set, by an encoder and an index."""
        names = {"encoder_name": encoder, "index_name": index}
        told = {key: name for key, name in names.items() if name is not None}
        return {"source": self.locator, "dataset_name": self.name, **told, **more}

    @cached_property
    def _listing(self) -> tuple[Sequence[Item], tuple[Skipped, ...]]:
        items, skipped = self._list()
        if not items:
            raise UserError(
                f"No picture was found in {self.title or self.name}.{_why(skipped)}",
                fix="Choose another source.",
            )
        if isinstance(items, Items) and not marks_of(self.locator):
            return items, tuple(skipped)  # different ids, in the one form, by their making
        _refuse_repeats(self.name, items)
        items, repeated = _in_one_form(
            items if self.stamps_tell_content else marked(self.locator, items)
        )
        return tuple(items), (*skipped, *repeated)

    @property
    def items(self) -> Sequence[Item]:
        """A tuple, or columns that read like one where there may be millions."""
        return self._listing[0]

    @cached_property
    def ids(self) -> Sequence[str]:
        """The id of each of ``items``."""
        items = self.items
        return items.ids if isinstance(items, Items) else tuple(item.id for item in items)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """What listing passed over. What decoding passes over stands with the embeddings."""
        return self._listing[1]

    @property
    def seen(self) -> int:
        """Things that listing met (files, members, rows, links ...): each an item or skipped."""
        return len(self.items) + len(self.skipped)

    @property
    def remarks(self) -> tuple[Remark, ...]:
        """What listing used, but not as it stands."""
        self._listing  # noqa: B018 (listing finds them)
        return self._remarks

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Item id -> position in ``items``."""
        if isinstance(self.items, Items):
            return self.items.rows
        return {item.id: row for row, item in enumerate(self.items)}

    @property
    def locator(self) -> str:
        """What opens this dataset again: its name, or the path of its source."""
        return self.name

    def fingerprint(self) -> str:
        """Changes with any item's id or bytes; labels and splits do not touch the vectors."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        hasher = hashlib.sha256()
        for text in lines(self.items, ("id", "stamp")):
            hasher.update(text)
        return hasher.hexdigest()[:20]

    @cached_property
    def likeness(self) -> str:
        """Eight hex digits that are the same on every machine that holds these pictures, whenever
        and wherever they were copied: ids, with the sizes of the files or what else their stamps
        begin with."""
        hasher = hashlib.sha256()
        for item in self.items:
            hasher.update(f"{item.id}\0{item.stamp.split('-')[0]}\n".encode("utf-8", "replace"))
        return hasher.hexdigest()[:8]

    def protocols(self) -> tuple[Protocol, ...]:
        """How this set can be judged, the usual way first; never empty (search needs no labels)."""
        return self._usual_protocols

    @cached_property
    def _usual_protocols(self) -> tuple[Protocol, ...]:
        return usual_protocols(self.items)

    def protocol(self, name: str | None = None) -> Protocol:
        """A protocol by name; the usual one without."""
        known = {p.name: p for p in self.protocols()}
        if name is None:
            return next(iter(known.values()))
        if name not in known:
            raise UserError(
                f"{self.title or self.name} has no protocol {name!r}.",
                f"It has: {', '.join(known)}.",
            )
        return known[name]


def usual_protocols(items: Sequence[Item]) -> tuple[Protocol, ...]:
    """Protocols that splits and fields allow: instance, category, class; else plain search."""
    gallery, queries = _roles(set(coded(items, "split").values))
    has = {name: coded(items, name).known for name in ("instance", "category")}
    made = []
    if has["instance"]:
        made.append(
            Protocol("instance", "instance", gallery, queries, note="relevant = same object")
        )
    if has["instance"] and has["category"]:
        note = (
            "relevant = same category, another object; pictures of the query's own object are"
            " ignored"
        )
        made.append(
            Protocol("category", "category", gallery, queries, ignore="instance", note=note)
        )
    if _tells_more(coded(items, "label"), coded(items, "category")):
        made.append(Protocol("class", "label", gallery, queries, note="relevant = same class"))
    if has["category"] and not has["instance"]:
        made.append(
            Protocol("category", "category", gallery, queries, note="relevant = same category")
        )
    if not made:
        return (
            Protocol(SEARCH, "label", gallery, queries, note="no labels: nothing can be evaluated"),
        )
    return tuple(made) if queries else (*made, *map(_fewer, made))


def _tells_more(label: Coded, category: Coded) -> bool:
    """Whether labels tell items apart, and are not just their categories again."""
    place = {value: code for code, value in enumerate(category.values)}
    same = np.array([*(place.get(value, -2) for value in label.values), -2], np.int64)[label.codes]
    further = bool(((label.codes >= 0) & (same != category.codes)).any())
    return further and len(label.values) + bool((label.codes < 0).any()) > 1


def _roles(splits: set[str | None]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The splits that are searched and that search, in the source's spelling; empty = all."""
    words = {split.lower(): split for split in sorted(s for s in splits if s is not None)}
    gallery = tuple(words[s] for s in GALLERY_SPLITS if s in words)
    queries = next(((words[s],) for s in QUERY_SPLITS if s in words), ())
    return (gallery, queries) if gallery and queries else ((), ())


def _fewer(protocol: Protocol) -> Protocol:
    note = f"{protocol.note}; every {EVERY}th picture (sorted by id) is a query"
    return replace(protocol, name=f"{protocol.name}-every-{EVERY}", every=EVERY, note=note)


def _why(skipped: Sequence[Skipped], shown: int = 3) -> str:
    """Why nothing is left: an example of each of the first few reasons."""
    if not skipped:
        return ""
    examples = {one.reason: one.id for one in reversed(skipped)}
    told = "; ".join(f"{id}: {reason}" for reason, id in list(examples.items())[:shown])
    return f" {len(skipped):,} {'was' if len(skipped) == 1 else 'were'} passed over: {told}."


def _refuse_repeats(name: str, items: Sequence[Item]) -> None:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise UserError(
                f"In {name} two pictures have the id {item.id!r}.",
                fix="Give each picture its own id.",
            )
        seen.add(item.id)


def _in_one_form(items: Sequence[Item]) -> tuple[list[Item], list[Skipped]]:
    """Items with ids and words in one Unicode form; where two ids then are one, the later item is
    passed over.

    ``path`` keeps the form in which the picture is stored, for opening it.
    """
    kept: dict[str, Item] = {}
    repeated = []
    for item in items:
        made = composed(item)
        if made.id in kept:
            repeated.append(
                Skipped(item.id, "another picture has this name, in another Unicode form")
            )
        else:
            kept[made.id] = made
    return list(kept.values()), repeated


def composed(item: Item) -> Item:
    """An item with its texts in the Unicode form that names are compared in."""
    words = {name: nfc(value) for name in WORDS if (value := getattr(item, name)) is not None}
    attributes = {nfc(name): _composed(value) for name, value in item.attributes.items()}
    same = attributes == item.attributes and all(
        getattr(item, name) == value for name, value in words.items()
    )
    return item if same else replace(item, **words, attributes=attributes)


def _composed(value: object) -> object:
    if isinstance(value, str):
        return nfc(value)
    return tuple(map(_composed, value)) if isinstance(value, tuple) else value


def gathered(found: Iterable[tuple[str, str]], named: int = 5) -> tuple[Remark, ...]:
    """One remark for each text of pairs (where, text): the first few places, and how many more."""
    places: dict[str, list[str]] = {}
    for where, text in found:
        places.setdefault(text, []).append(where)
    return tuple(Remark(_some(where, named), text) for text, where in places.items())


def _some(places: Sequence[str], named: int) -> str:
    more = len(places) - named
    return ", ".join(places[:named]) + (f" and {more:,} more" if more > 0 else "")


def file_stamp(path: Path | str) -> str:
    """Size and time of change: what tells a changed file without reading it."""
    return stat_stamp(os.stat(path))


def stat_stamp(stat: os.stat_result) -> str:
    """:func:`file_stamp` where the system has been asked already."""
    return f"{stat.st_size}-{stat.st_mtime_ns}"


log = logging.getLogger(__name__)
SIGN = "#"
"""Between the stamp that the source gives and the mark."""


def marks_file(locator: str) -> Path:
    """Where the marks of a source lie."""
    return store.root() / "library" / "contents" / f"{store.fingerprint(locator)}.json"


def marks_of(locator: str) -> dict[str, tuple[str, str]]:
    """Item id -> its plain stamp and the mark of its content; empty where nothing ever changed."""
    try:
        found = json.loads(store.existing(marks_file(locator)).read_text())
        return {str(id): (str(stamp), str(mark)) for id, (stamp, mark) in found.items()}
    except FileNotFoundError:
        return {}
    except store.UNREADABLE as error:
        if not isinstance(error, OSError):
            log.warning("ignoring the marks of changed pictures of %s: %s", locator, error)
        return {}


def keep_marks(locator: str, marks: Mapping[str, tuple[str, str]]) -> None:
    """Write the marks of a source."""
    store.write_text(marks_file(locator), json.dumps(marks))


def marked(locator: str, items: Sequence[Item]) -> list[Item]:
    """Items, with a mark behind the stamp of those that have one for just this stamp."""
    marks = marks_of(locator)
    return [restamped(item, marks) for item in items] if marks else list(items)


def restamped(item: Item, marks: Mapping[str, tuple[str, str]]) -> Item:
    """An item with its mark, if it has one; an earlier mark goes."""
    stamp, mark = marks.get(item.id, ("", ""))
    wanted = f"{stamp}{SIGN}{mark}" if mark and plain(item) == stamp else plain(item)
    return item if item.stamp == wanted else replace(item, stamp=wanted)


def plain(item: Item) -> str:
    """The stamp as the source gives it."""
    return item.stamp.partition(SIGN)[0]
