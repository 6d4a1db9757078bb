"""What pictures say of themselves, as text: what filters ask for, and what an engine keeps beside
the vectors."""

from collections.abc import Sequence

from core import store
from core.items import Coded, attributes, coded
from core.types import Item, Said

FIELDS = ("label", "category", "instance", "split")


def words(value: object) -> set[str]:
    """What the value of a field says; that of an attribute may hold several."""
    if value is None:
        return set()
    return (
        {str(one) for one in value}
        if isinstance(value, (tuple, list, set, frozenset))
        else {str(value)}
    )


def names(items: Sequence[Item]) -> list[str]:
    """Fields and attributes that any of the items has."""
    found = dict.fromkeys([*FIELDS, *attributes(items)])
    return [name for name in found if coded(items, name).known]


def said(items: Sequence[Item]) -> Said:
    """Of each field, what each of the items says, sorted."""
    return {name: _each(coded(items, name)) for name in names(items)}


def _each(found: Coded) -> list[tuple[str, ...]]:
    told = [*(tuple(sorted(words(value))) for value in found.values), ()]
    return [told[code] for code in found.codes.tolist()]


def digest(items: Sequence[Item]) -> str:
    """Changes whenever an item says something else."""
    return store.fingerprint(said(items))
