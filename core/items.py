"""Many pictures as columns: what a listing of a million holds in place of a million objects.

:class:`Items` reads like a tuple of :class:`core.types.Item` and makes one where one is asked for.
What goes through all of them (fingerprints, classes, splits, who is in a gallery) asks the
functions here, which take any sequence of items and are quick where it is a columnar one.
"""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np

from core.types import STATED, Item

FIELDS = ("label", "instance", "category", "split")
"""What the items of a class, an object or a part of the source share."""
BLOCK = 4096
LINES = 1 << 18
"""Lines that are hashed at a time."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A field of n items: ``codes`` int64 (n,), -1 where it is unknown, else the place of its value
    in ``values``, which are different and stand in the order in which they first appear."""

    codes: np.ndarray
    values: tuple[Any, ...]

    @property
    def known(self) -> bool:
        """Whether any item has it."""
        return bool(self.values)

    def mask(self, wanted: Callable[[Any], bool]) -> np.ndarray:
        """bool (n,): whose value is ``wanted``; it is asked of each value once, and of None."""
        told = np.array([*map(wanted, self.values), wanted(None)], bool)
        return told[self.codes]

    def apart(self) -> np.ndarray:
        """``codes``, with a negative one of its own for each item where it is unknown."""
        return np.where(self.codes < 0, -1 - np.arange(len(self.codes)), self.codes)

    def counts(self) -> dict[Any, int]:
        """Value -> how many items have it, without those where it is unknown."""
        sizes = np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))
        return dict(zip(self.values, sizes.tolist(), strict=True))

    def text(self, unknown: str = "None") -> Any:
        """A pyarrow array of its values as text."""
        import pyarrow as pa

        told = pa.array([*map(str, self.values), unknown], pa.large_string())
        return told.take(pa.array(np.where(self.codes < 0, len(self.values), self.codes)))


def coded_values(values: Sequence[Any]) -> Coded:
    """Hashable values (n), each None unknown."""
    known = dict.fromkeys(values)
    known.pop(None, None)
    code_of = {**{value: code for code, value in enumerate(known)}, None: -1}
    codes = np.fromiter(map(code_of.__getitem__, values), np.int64, len(values))
    return Coded(codes, tuple(known))


@dataclass(frozen=True, slots=True)
class Part:
    """The items of one file: ``ids`` a pyarrow array of text, ``path`` and ``stamp`` what stands
    before the number of a row in its path and stamp, ``fields`` those of ``FIELDS`` that it has,
    ``attributes`` name -> pyarrow array, and ``made`` what an attribute's value becomes."""

    ids: Any
    path: str
    stamp: str
    fields: Mapping[str, Coded]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    made: Callable[[Any], Any] = tuple


class Ids(Sequence[str]):
    """Text (n) that becomes strings where they are asked for: ``column`` a pyarrow array."""

    def __init__(self, column: Any) -> None:
        self.column = column

    def __len__(self) -> int:
        return len(self.column)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return tuple(self.column.take(_places(at, len(self))).to_pylist())
        return self.column[_place(at, len(self))].as_py()

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), BLOCK):
            yield from self.column.slice(start, BLOCK).to_pylist()

    def __eq__(self, other: object) -> bool:
        import pyarrow as pa

        if isinstance(other, Ids):
            return self.column.equals(other.column)
        if not isinstance(other, tuple | list):
            return NotImplemented
        try:
            return pa.array(other, pa.large_string()).equals(self.column)
        except (UnicodeEncodeError, pa.ArrowException):  # they are no text
            return False

    __hash__ = None  # type: ignore[assignment]


class Rows(Mapping[str, int]):
    """Id -> row of different ids, by bisection: it needs no object for each of them."""

    def __init__(self, ids: Ids, order: np.ndarray | None) -> None:
        """``order`` int64 (n,): the rows in the order of their ids; None: as they stand."""
        self._ids, self._order = ids, order

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids)

    def __getitem__(self, id: str) -> int:
        if not isinstance(id, str):
            raise KeyError(id)
        low, high = 0, len(self._ids)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self._ids[self._at(middle)] < id else (low, middle)
        if low < len(self._ids) and self._ids[self._at(low)] == id:
            return self._at(low)
        raise KeyError(id)

    def _at(self, place: int) -> int:
        return place if self._order is None else int(self._order[place])


class Repeated(ValueError):
    """Two items have one id."""


class Columnar(Sequence[Item]):
    """Items that can be asked for a field of all of them at once."""

    @property
    @abstractmethod
    def ids(self) -> Ids: ...

    @property
    @abstractmethod
    def order(self) -> np.ndarray:
        """int64 (n,): the rows in the order of their ids."""

    @abstractmethod
    def stamps(self) -> Any:
        """A pyarrow array of text."""

    @abstractmethod
    def coded(self, name: str) -> Coded:
        """One of ``FIELDS``, or an attribute."""

    @abstractmethod
    def attributes(self) -> tuple[str, ...]:
        """The attributes that any item has."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Items(Columnar):
    """The items of several files, in their order. Raises :class:`Repeated`: two share an id."""

    def __init__(self, parts: Sequence[Part]) -> None:
        import pyarrow as pa

        self._parts = [part for part in parts if len(part.ids)]
        lengths = [len(part.ids) for part in self._parts]
        self._starts = [sum(lengths[:number]) for number in range(len(lengths))]
        columns = [part.ids.cast(pa.large_string()) for part in self._parts]
        self._ids = Ids(pa.concat_arrays(columns or [pa.array([], pa.large_string())]))
        self._order = _order(self._ids.column)
        self._fields = {
            name: _joined([(part.fields.get(name), len(part.ids)) for part in self._parts])
            for name in FIELDS
        }

    @property
    def ids(self) -> Ids:
        return self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return tuple(self._item(int(row)) for row in _places(at, len(self)))
        return self._item(_place(at, len(self)))

    def __iter__(self) -> Iterator[Item]:
        for part, first in zip(self._parts, self._starts, strict=True):
            for start in range(0, len(part.ids), BLOCK):
                yield from self._block(part, first, start)

    def __eq__(self, other: object) -> bool:
        return self._same(other) if isinstance(other, Items) else super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def rows(self) -> Rows:
        """Id -> row."""
        return Rows(self.ids, self._order)

    @property
    def order(self) -> np.ndarray:
        return np.arange(len(self)) if self._order is None else self._order

    def coded(self, name: str) -> Coded:
        if name not in FIELDS:
            columns = [(p.attributes.get(name), p.made, len(p.ids)) for p in self._parts]
            return _joined([(_coded_column(col, made), n) for col, made, n in columns])
        return self._fields[name]

    def attributes(self) -> tuple[str, ...]:
        told = (pair for part in self._parts for pair in part.attributes.items())
        return tuple(dict.fromkeys(n for n, column in told if column.null_count < len(column)))

    def stamps(self) -> Any:
        return _numbered([(part.stamp, len(part.ids)) for part in self._parts])

    def _same(self, other: Items) -> bool:
        if len(self._parts) != len(other._parts):
            return False
        pairs = zip(self._parts, other._parts, strict=True)
        return self.ids == other.ids and all(_same_part(one, two) for one, two in pairs)

    def _item(self, row: int) -> Item:
        number = bisect_right(self._starts, row) - 1
        part, place = self._parts[number], row - self._starts[number]
        told = {name: column[place].as_py() for name, column in part.attributes.items()}
        return self._made(part, row, place, self.ids[row], told)

    def _block(self, part: Part, first: int, start: int) -> Iterator[Item]:
        ids = part.ids.slice(start, BLOCK).to_pylist()
        told = {name: col.slice(start, BLOCK).to_pylist() for name, col in part.attributes.items()}
        for at, id in enumerate(ids):
            own = {name: values[at] for name, values in told.items()}
            yield self._made(part, first + start + at, start + at, id, own)

    def _made(self, part: Part, row: int, place: int, id: str, told: dict) -> Item:
        held = {}
        for name, coded in self._fields.items():
            code = coded.codes[row]
            held[name] = None if code < 0 else coded.values[code]
        return Item(
            id=id,
            path=f"{part.path}{place}",
            stamp=f"{part.stamp}{place}",
            attributes={n: part.made(value) for n, value in told.items() if value is not None},
            **held,
        )


class Chosen(Columnar):
    """Some of the items of ``whole``, by their rows int64 (m,)."""

    def __init__(self, whole: Items, rows: np.ndarray) -> None:
        self._whole, self._rows = whole, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return tuple(self._whole[int(row)] for row in self._rows[at])
        return self._whole[int(self._rows[at])]

    @property
    def ids(self) -> Ids:
        return Ids(self._whole.ids.column.take(self._rows))

    @property
    def order(self) -> np.ndarray:
        place = np.empty(len(self._whole), np.int64)
        place[self._whole.order] = np.arange(len(self._whole))
        return np.argsort(place[self._rows], kind="stable")

    def stamps(self) -> Any:
        return self._whole.stamps().take(self._rows)

    def coded(self, name: str) -> Coded:
        found = self._whole.coded(name)
        return first_seen(found.codes[self._rows], found.values)

    def attributes(self) -> tuple[str, ...]:
        return tuple(name for name in self._whole.attributes() if self.coded(name).known)


def _coded_column(column: Any, made: Callable[[Any], Any]) -> Coded | None:
    """An attribute of one file."""
    import pyarrow as pa

    if column is None:
        return None
    try:
        encoded = column.dictionary_encode()
    except pa.ArrowNotImplementedError:  # lists
        told = column.to_pylist()
        return coded_values([None if value is None else made(value) for value in told])
    values = [None if one is None else made(one) for one in encoded.dictionary.to_pylist()]
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return first_seen(codes.astype(np.int64), [*values, None])


def _same_part(one: Part, two: Part) -> bool:
    plain = (one.path, one.stamp, list(one.attributes)) == (two.path, two.stamp, [*two.attributes])
    return (
        plain
        and list(one.fields) == list(two.fields)
        and all(one.fields[name].values == two.fields[name].values for name in one.fields)
        and all(np.array_equal(one.fields[n].codes, two.fields[n].codes) for n in one.fields)
        and all(one.attributes[name].equals(two.attributes[name]) for name in one.attributes)
    )


def _order(ids: Any) -> np.ndarray | None:
    """The rows in the order of their ids, None where they stand in it. Raises Repeated."""
    import pyarrow.compute as pc

    if len(ids) < 2 or pc.all(pc.less(ids[:-1], ids[1:])).as_py():
        return None
    order = pc.array_sort_indices(ids)
    sorted_ids = ids.take(order)
    if pc.any(pc.equal(sorted_ids[:-1], sorted_ids[1:])).as_py():
        raise Repeated("two items have one id")
    return order.to_numpy(zero_copy_only=False).astype(np.int64)


def _joined(columns: Sequence[tuple[Coded | None, int]]) -> Coded:
    """Columns one behind the other, each with its length; None: it is unknown of all."""
    values: dict[Any, int] = {}
    codes = []
    for column, length in columns:
        if column is None:
            codes.append(np.full(length, -1, np.int64))
            continue
        own = [values.setdefault(value, len(values)) for value in column.values]
        codes.append(np.array([*own, -1], np.int64)[column.codes])
    return Coded(np.concatenate(codes or [np.zeros(0, np.int64)]), tuple(values))


def _numbered(parts: Sequence[tuple[str, int]]) -> Any:
    """Text: what stands before the numbers from 0 of so many rows, for each part."""
    import pyarrow as pa
    import pyarrow.compute as pc

    made = [
        pc.binary_join_element_wise(
            pa.scalar(before, pa.large_string()),
            pa.array(np.arange(count)).cast(pa.large_string()),
            pa.scalar("", pa.large_string()),
        )
        for before, count in parts
    ]
    return pa.concat_arrays(made or [pa.array([], pa.large_string())])


def _place(at: int, count: int) -> int:
    place = at + count if at < 0 else at
    if not 0 <= place < count:
        raise IndexError(f"row {at} of {count}")
    return int(place)


def _places(at: slice, count: int) -> np.ndarray:
    return np.arange(*at.indices(count), dtype=np.int64)


def coded(items: Sequence[Item], name: str) -> Coded:
    """The values of a field or attribute of items; several as a tuple or frozen set."""
    if isinstance(items, Columnar) and name not in ("id", "path"):
        return items.coded(name)
    if name in STATED:
        values = list(map(attrgetter(name), items))
    else:
        values = [item.attributes.get(name) for item in items]
    several = any(issubclass(kind, (list, set)) for kind in set(map(type, values)))
    return coded_values(list(map(_hashable, values)) if several else values)


def _hashable(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    return frozenset(value) if isinstance(value, set) else value


def attributes(items: Sequence[Item]) -> tuple[str, ...]:
    """The names of the attributes that any of these have."""
    if isinstance(items, Columnar):
        return items.attributes()
    return tuple(dict.fromkeys(chain.from_iterable(item.attributes for item in items)))


def by_id(items: Sequence[Item]) -> np.ndarray:
    """int64 (n,): the rows in the order of their ids."""
    if isinstance(items, Columnar):
        return items.order
    return np.array(sorted(range(len(items)), key=lambda row: items[row].id), np.int64)


def among(items: Sequence[Item], splits: Sequence[str]) -> np.ndarray:
    """bool (n,): which items are of these splits; every one where none is named."""
    if not splits:
        return np.ones(len(items), bool)
    return coded(items, "split").mask(lambda split: split in splits)


def taken(items: Sequence[Item], rows: np.ndarray) -> Sequence[Item]:
    """The items of these rows int64 (m,); the same sequence where they are all, as they stand."""
    if len(rows) == len(items) and np.array_equal(rows, np.arange(len(items))):
        return items
    return Chosen(items, rows) if isinstance(items, Items) else [items[int(row)] for row in rows]


def classes(items: Sequence[Item]) -> Coded:
    """The class of each item: its category, else its label; unknown where neither says
    anything."""
    if not isinstance(items, Columnar):
        return coded_values([item.category or item.label or None for item in items])
    category, label = items.coded("category"), items.coded("label")
    said = category.mask(bool)
    named = said | label.mask(bool)
    values = (*category.values, *label.values)
    codes = np.where(said, category.codes, label.codes + len(category.values))
    return first_seen(np.where(named, codes, -1), values)


def first_seen(codes: np.ndarray, values: Sequence[Any]) -> Coded:
    """Codes int64 (n,) of values that may be equal, unknown (None) or not appear, as those of
    different ones in the order of their appearance."""
    used, first = np.unique(codes, return_index=True)
    known: dict[Any, int] = {}
    own = np.full(len(values) + 1, -1, np.int64)
    for code in used[np.argsort(first)]:
        if code >= 0 and values[code] is not None:
            own[code] = known.setdefault(values[code], len(known))
    return Coded(own[codes], tuple(known))


def first_of_each(found: Coded) -> dict[Any, int]:
    """Value -> the row of the first item that has it, in the order of their appearance."""
    used, first = np.unique(found.codes, return_index=True)
    rows = {int(code): int(row) for code, row in zip(used, first, strict=True)}
    return {value: rows[code] for code, value in enumerate(found.values) if code in rows}


def lines(items: Sequence[Item], names: Sequence[str]) -> Iterator[bytes]:
    """The text of these fields of each item, a NUL between them and a line for each item, in
    blocks; a field without a name is empty, and one that is unknown is ``None``."""
    if isinstance(items, Columnar) and set(names) <= {"id", "stamp", "", *FIELDS}:
        yield from _columnar_lines(items, names)
        return
    for item in items:
        told = (
            "" if not name else item.stamp if name == "stamp" else item.value(name)
            for name in names
        )
        yield ("\0".join(map(str, told)) + "\n").encode("utf-8", "surrogatepass")


def _columnar_lines(items: Columnar, names: Sequence[str]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    kept = {"id": lambda: items.ids.column, "stamp": items.stamps}
    columns = [kept[n]() if n in kept else items.coded(n).text() if n else None for n in names]
    empty = pa.scalar("", pa.large_string())
    for start in range(0, len(items), LINES):
        parts = [empty if one is None else one.slice(start, LINES) for one in columns]
        joined = pc.binary_join_element_wise(*parts, pa.scalar("\0", pa.large_string()))
        ended = pc.binary_join_element_wise(joined, empty, pa.scalar("\n", pa.large_string()))
        _, offsets, data = ended.buffers()
        ends = np.frombuffer(offsets, np.int64, len(ended) + 1)
        yield memoryview(data)[ends[0] : ends[-1]].tobytes()
