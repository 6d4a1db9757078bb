"""A search in a part of the gallery: ``category=shoe``, ``split=train``, ``label=mug|cup``; several
must all hold."""

import difflib
from collections.abc import Sequence

import numpy as np

from core.datasets.names import nfc
from core.errors import UserError
from core.items import coded
from core.services.embedding.said import names, words
from core.types import Item

SHOWN = 12


def asked(conditions: Sequence[str]) -> list[tuple[str, frozenset[str]]]:
    """Conditions ``field=value|value`` as fields with the values of which one must be there.

    Raises:
        UserError: a condition that is none.
    """
    found = []
    for condition in conditions:
        field, sign, wanted = condition.partition("=")
        one_of = frozenset(nfc(value.strip()) for value in wanted.split("|") if value.strip())
        if not sign or not one_of:
            raise UserError(
                f"{condition[:80]!r} is no filter.",
                fix="Write it as category=shoe, or label=mug|cup.",
            )
        found.append((nfc(field.strip()), one_of))
    return found


def allowed(items: Sequence[Item], conditions: Sequence[str]) -> np.ndarray | None:
    """Which items (n) meet every condition ``field=value|value``: bool (n,); None where nothing is
    asked.

    Raises:
        UserError: no such field or value in these items, or a condition that is none.
    """
    if not conditions:
        return None
    mask = np.ones(len(items), bool)
    for field, one_of in asked(conditions):
        mask &= _meets(items, field, one_of)
    return mask


def fields(items: Sequence[Item]) -> dict[str, list[str]]:
    """Fields and attributes that the items have, with their values, sorted."""
    found = {name: coded(items, name).values for name in names(items)}
    return {name: sorted(set().union(*map(words, values))) for name, values in found.items()}


def _meets(items: Sequence[Item], field: str, wanted: frozenset[str]) -> np.ndarray:
    held = coded(items, field)
    known: set[str] = set().union(*map(words, held.values))
    if not known:
        raise UserError(
            f"No picture says {field[:80]!r}.", f"Known: {', '.join(fields(items)) or 'nothing'}."
        )
    if missing := sorted(wanted - known):
        near = difflib.get_close_matches(missing[0][:200], known, n=3, cutoff=0.5)
        listed = sorted(known)[:SHOWN]
        more = "" if len(known) <= SHOWN else f" and {len(known) - SHOWN} more"
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"No picture has {field} {missing[0][:80]!r}.",
            f"Known: {', '.join(listed)}{more}.",
            hint,
        )
    return held.mask(lambda value: bool(words(value) & wanted))
