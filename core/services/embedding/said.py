"""What pictures say of themselves, as text: what filters ask for, and what an engine keeps beside
the vectors."""

from __future__ import annotations

from collections.abc import Sequence

from core import store
from core.types import Item, Said

FIELDS = ("label", "category", "instance", "split")


def values(item: Item, field: str) -> set[str]:
    """What one item says of a field; an attribute may hold several values."""
    value = item.value(field)
    if value is None:
        return set()
    return (
        {str(one) for one in value}
        if isinstance(value, (tuple, list, set, frozenset))
        else {str(value)}
    )


def names(items: Sequence[Item]) -> list[str]:
    """Fields and attributes that any of the items has."""
    found = dict.fromkeys(FIELDS)
    for item in items:
        found.update(dict.fromkeys(item.attributes))
    return [name for name in found if any(item.value(name) is not None for item in items)]


def said(items: Sequence[Item]) -> Said:
    """Of each field, what each of the items says, sorted."""
    return {name: [tuple(sorted(values(item, name))) for item in items] for name in names(items)}


def digest(items: Sequence[Item]) -> str:
    """Changes whenever an item says something else."""
    return store.fingerprint(said(items))
