"""Cross-domain: pictures of some data sets search those of another, a table joins their classes."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from core.datasets.base import Dataset
from core.datasets.names import nfc, real, shown
from core.errors import UserError
from core.types import Item, Protocol, Skipped

SUFFIX = ".join.json"
"""What the file of a definition ends in; its path opens the set again."""
PROTOCOL = "cross-domain"
GALLERY, QUERY = "gallery", "query"
LISTED = 12


@dataclass(frozen=True, slots=True)
class Side:
    """A data set whose queries search: its class -> class of the gallery, where there is one."""

    dataset: Dataset
    classes: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "classes", {nfc(own): nfc(other) for own, other in self.classes.items()}
        )


class Joined(Dataset):
    """A gallery with the queries of other data sets.

    The gallery is what the usual protocol of its data set searches, whole: classes without a
    counterpart stay in it. Queries are the queries of the usual protocol of theirs (the test
    split, where there is one) whose class is joined. Ids are ``name/id`` of the data set that a
    picture comes from; ``label`` is the class of the gallery; queries keep their own class as the
    attribute ``query_class``. Where several data sets ask, there is a protocol for the queries of
    each, too.
    """

    def __init__(
        self, name: str, title: str, gallery: Dataset, sides: Sequence[Side], path: str = ""
    ) -> None:
        self.name = name
        self.title = title
        self.gallery = gallery
        self.sides = tuple(sides)
        self.path = path
        kinds = dict.fromkeys(side.dataset.kind for side in sides)
        self.kind = f"{', '.join(kinds)} (queries), {gallery.kind} (gallery)"
        self.note = gallery.note
        self._origin: dict[str, tuple[Dataset, Item]] = {}
        _check(self)

    @property
    def locator(self) -> str:
        return self.path or self.name

    @property
    def members(self) -> tuple[Dataset, ...]:
        return (self.gallery, *(side.dataset for side in self.sides))

    def members_of(self, protocol: Protocol) -> tuple[Dataset, ...]:
        asking = [
            side.dataset
            for side, split in zip(self.sides, self._splits, strict=True)
            if split in protocol.queries
        ]
        return (self.gallery, *asking)

    @property
    def home(self) -> Dataset:
        return self.gallery

    def origin(self, item: Item) -> tuple[Dataset, Item]:
        self.items  # noqa: B018 (listing notes where each picture comes from)
        return self._origin[item.id]

    def read(self, item: Item) -> bytes:
        dataset, own = self.origin(item)
        return dataset.read(own)

    def protocols(self) -> tuple[Protocol, ...]:
        note = (
            f"relevant = the class of {self.gallery.title or self.gallery.name} that the query's"
            " class is joined to"
        )
        whole = Protocol(PROTOCOL, "label", (GALLERY,), self._splits, note=note)
        parts = [
            replace(whole, name=f"{PROTOCOL}-{split.removeprefix(f'{QUERY} ')}", queries=(split,))
            for split in self._splits
        ]
        return (whole, *parts) if len(parts) > 1 else (whole,)

    @property
    def _splits(self) -> tuple[str, ...]:
        """The split of each side's queries."""
        return tuple(f"{QUERY} {name}" for name in _names(self.members)[1:])

    def told(self, protocol: Protocol) -> dict[str, str]:
        asked = Counter(item.split for item in self.items)
        sides = [
            (side, asked[split])
            for side, split in zip(self.sides, self._splits, strict=True)
            if split in protocol.queries
        ]
        return {
            "queries": (
                f"{sum(count for _, count in sides):,}:"
                f" {', '.join(_counted(side, count) for side, count in sides)}"
            ),
            "gallery": (
                f"{asked[GALLERY]:,} pictures of {self.gallery.title or self.gallery.name}, every"
                " class of it"
            ),
            "joined classes": "; ".join(_arrows(side) for side, _ in sides),
        }

    def _list(self) -> tuple[list[Item], list[Skipped]]:
        names = _names(self.members)
        items = [
            self._taken(names[0], self.gallery, item, class_of(item), GALLERY)
            for item in self.gallery.items
            if self.gallery.protocol().in_gallery(item)
        ]
        searched = len(items)
        for name, split, side in zip(names[1:], self._splits, self.sides, strict=True):
            items += [
                self._taken(name, side.dataset, item, side.classes[class_of(item)], split)
                for item in queries_of(side.dataset)
                if class_of(item) in side.classes
            ]
        if len(items) == searched:
            joined = ", ".join(
                sorted({name for side in self.sides for name in side.classes})[:LISTED]
            )
            raise UserError(
                f"No picture of {' or '.join(names[1:])} is a query of a joined class.",
                f"Joined: {joined}.",
                "Queries are the test pictures, where a data set has some.",
            )
        return items, []

    def _taken(
        self, name: str, dataset: Dataset, item: Item, label: str | None, split: str
    ) -> Item:
        made = replace(item, id=f"{name}/{item.id}", label=label, split=split)
        if split != GALLERY:
            told = {**item.attributes, "query_class": class_of(item), "query_set": dataset.name}
            made = replace(
                made,
                category=None,
                instance=None if item.instance is None else f"{name}/{item.instance}",
                attributes=told,
            )
        self._origin[nfc(made.id)] = dataset, item
        return made


def queries_of(dataset: Dataset) -> list[Item]:
    """The queries of the usual protocol: its test split, else all of it."""
    protocol = dataset.protocol()
    return [item for item in dataset.items if protocol.is_query(item)]


def class_of(item: Item) -> str | None:
    """What a join goes by: the label, else the category."""
    return item.label or item.category


def classes_of(dataset: Dataset) -> set[str]:
    """The classes of a data set."""
    return {name for item in dataset.items if (name := class_of(item)) is not None}


def definition(joined: Joined) -> str:
    """The definition of a joined set as text, for the file that opens it again."""
    sides = [
        {"dataset": side.dataset.locator, "classes": dict(side.classes)} for side in joined.sides
    ]
    return json.dumps(
        {
            "name": joined.name,
            "title": joined.title,
            "gallery": joined.gallery.locator,
            "queries": sides,
        },
        indent=1,
    )


def read_definition(path: str, opened: Callable[[str], Dataset]) -> Joined:
    """The set of a definition; ``opened`` opens its parts. Raises UserError: it can't be read."""
    try:
        told = json.loads(Path(real(path)).read_text("utf-8"))
        sides = [Side(opened(side["dataset"]), dict(side["classes"])) for side in told["queries"]]
        return Joined(
            str(told["name"]),
            str(told["title"]),
            opened(told["gallery"]),
            sides,
            shown(os.fspath(path)),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{os.path.basename(path)} describes no cross-domain set ({type(error).__name__}).",
            fix="Make it again.",
            command="Make it again: evaluate with --queries, --gallery and --join.",
        ) from error


def _check(joined: Joined) -> None:
    """Raises UserError for a table that says nothing, and for a class that is not there."""
    title = joined.gallery.title or joined.gallery.name
    if not joined.sides or not any(side.classes for side in joined.sides):
        raise UserError(
            f"The join {joined.name!r} joins no class of {_titles(joined)} to one of {title}.",
            fix="A row for each class: query_class,gallery_class.",
        )
    for member in joined.members:
        if isinstance(member, Joined):
            raise UserError(
                f"{member.title} is cross-domain itself.",
                "Queries and gallery are ordinary data sets.",
            )
    for side in joined.sides:
        refuse_unknown(
            side.classes, classes_of(side.dataset), side.dataset.title or side.dataset.name
        )
    refuse_unknown(
        {name for side in joined.sides for name in side.classes.values()},
        classes_of(joined.gallery),
        title,
    )


def refuse_unknown(
    wanted: Sequence[str] | set[str] | Mapping[str, str], known: set[str], title: str
) -> None:
    """Raises UserError: a class of the table is none of the data set's; names similar ones."""
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, LISTED, 0.5) or sorted(known)[:LISTED]
            more = f" and {len(known) - len(near):,} more" if len(known) > len(near) else ""
            raise UserError(
                f"{title} has no class {name[:60]!r}.",
                f"It has: {', '.join(near) or 'no classes'}{more}.",
            )


def _names(members: Sequence[Dataset]) -> list[str]:
    """A name for each member, made different where two have the same."""
    seen: Counter[str] = Counter()
    made = []
    for member in members:
        seen[member.name] += 1
        made.append(member.name if seen[member.name] == 1 else f"{member.name}-{seen[member.name]}")
    return made


def _titles(joined: Joined) -> str:
    return (
        " or ".join(side.dataset.title or side.dataset.name for side in joined.sides)
        or "any data set"
    )


def _counted(side: Side, number: int) -> str:
    splits = ", ".join(side.dataset.protocol().queries)
    return f"{number:,} of {side.dataset.title or side.dataset.name}" + (
        f" (split {splits})" if splits else ""
    )


def _arrows(side: Side) -> str:
    """``beer bottle, pop bottle -> bottle``, by class of the gallery."""
    by: dict[str, list[str]] = {}
    for own, other in side.classes.items():
        by.setdefault(other, []).append(own)
    told = ", ".join(f"{' / '.join(sorted(own))} → {other}" for other, own in sorted(by.items()))
    return f"{side.dataset.title or side.dataset.name}: {told}"
