"""What pictures say of themselves, as text: what filters ask for, and what an engine keeps beside
the vectors."""

from collections.abc import Iterator, Sequence
from itertools import chain

from core import store
from core.items import Coded, attributes, coded
from core.types import Item, Said

FIELDS = ("label", "category", "instance", "split")
SEVERAL = (tuple, list, set, frozenset)


def words(value: object) -> set[str]:
    """What the value of a field says; that of an attribute may hold several."""
    if value is None:
        return set()
    return {str(one) for one in value} if isinstance(value, SEVERAL) else {str(value)}


def all_words(found: Coded) -> set[str]:
    """What the values of a field say, all together."""
    several = (value for value in found.values if isinstance(value, SEVERAL))
    single = (value for value in found.values if not isinstance(value, SEVERAL))
    return {*map(str, single), *map(str, chain.from_iterable(several))}


def columns(items: Sequence[Item]) -> Iterator[tuple[str, Coded]]:
    """Fields and attributes that any of the items has, each with its values."""
    for name in dict.fromkeys([*FIELDS, *attributes(items)]):
        if (found := coded(items, name)).known:
            yield name, found


def said(items: Sequence[Item]) -> Said:
    """Of each field, what each of the items says, sorted."""
    return {name: _each(found) for name, found in columns(items)}


def _each(found: Coded) -> list[tuple[str, ...]]:
    told = [*(tuple(sorted(words(value))) for value in found.values), ()]
    return [told[code] for code in found.codes.tolist()]


def digest(items: Sequence[Item]) -> str:
    """Changes whenever an item says something else."""
    return store.fingerprint(said(items))
