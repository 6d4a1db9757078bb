"""A search in a part of the gallery: ``category=shoe``, ``split=train``, ``label=mug|cup``; several
must all hold."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np

from core.datasets.names import nfc
from core.errors import UserError
from core.types import Item

FIELDS = ("label", "category", "instance", "split")
SHOWN = 12


def allowed(items: Sequence[Item], conditions: Sequence[str]) -> np.ndarray | None:
    """Which items (n) meet every condition ``field=value|value``: bool (n,); None where nothing is
    asked.

    Raises:
        UserError: no such field or value in these items, or a condition that is none.
    """
    if not conditions:
        return None
    mask = np.ones(len(items), bool)
    for condition in conditions:
        field, sign, wanted = condition.partition("=")
        field, values = (
            nfc(field.strip()),
            {nfc(value.strip()) for value in wanted.split("|") if value.strip()},
        )
        if not sign or not values:
            raise UserError(
                f"{condition[:80]!r} is no filter.",
                fix="Write it as category=shoe, or label=mug|cup.",
            )
        mask &= _meets(items, field, values)
    return mask


def fields(items: Sequence[Item]) -> dict[str, list[str]]:
    """Fields and attributes that the items have, with their values, sorted."""
    found: dict[str, set[str]] = {}
    for item in items:
        for name in (*FIELDS, *item.attributes):
            if item.value(name) is not None:
                found.setdefault(name, set()).update(_values(item, name))
    return {name: sorted(values) for name, values in found.items()}


def _meets(items: Sequence[Item], field: str, values: set[str]) -> np.ndarray:
    held = [_values(item, field) for item in items]
    known = set().union(*held) if held else set()
    if not known:
        raise UserError(
            f"No picture says {field[:80]!r}.", f"Known: {', '.join(fields(items)) or 'nothing'}."
        )
    if missing := sorted(values - known):
        near = difflib.get_close_matches(missing[0][:200], known, n=3, cutoff=0.5)
        listed = sorted(known)[:SHOWN]
        more = "" if len(known) <= SHOWN else f" and {len(known) - SHOWN} more"
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"No picture has {field} {missing[0][:80]!r}.",
            f"Known: {', '.join(listed)}{more}.",
            hint,
        )
    return np.array([bool(one & values) for one in held], bool)


def _values(item: Item, field: str) -> set[str]:
    """What one item says of a field, as text; an attribute may hold several values."""
    value = item.value(field)
    if value is None:
        return set()
    return (
        {str(one) for one in value}
        if isinstance(value, (tuple, list, set, frozenset))
        else {str(value)}
    )
