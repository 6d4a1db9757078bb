"""What folders mean: ``class/``, ``split/class/``, ``category/instance/`` and
``split/category/instance/``, inside any wrapper.

A layout is a role for each level of folders, written ``split/class``; ``*`` is a level that says
nothing. It is found from where the pictures lie, or taken from what a person chose for the data
set.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core import store
from core.datasets.base import GALLERY_SPLITS, QUERY_SPLITS
from core.errors import UserError

SPLIT_WORDS = frozenset((*GALLERY_SPLITS, *QUERY_SPLITS))
WRAPPER_WORDS = frozenset(
    (
        "image",
        "images",
        "img",
        "imgs",
        "picture",
        "pictures",
        "photo",
        "photos",
        "jpg",
        "jpegimages",
    )
)
"""What people call a folder that merely holds the pictures of a split."""
SPLIT, CLASS, CATEGORY, INSTANCE, NOTHING = "split", "class", "category", "instance", "*"
ROLES = (SPLIT, CLASS, CATEGORY, INSTANCE, NOTHING)
FLAT = "flat"
"""How the layout without any level is written."""
MAX_LEVELS = 12
LIST = Path("library", "layouts.json")
Parts = tuple[str, ...]
Roles = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder says of the pictures in it."""

    split: str | None = None
    label: str | None = None
    category: str | None = None
    instance: str | None = None


def places(counts: Mapping[Parts, int], roles: Roles) -> dict[Parts, Place]:
    """Folder -> meaning. Objects of one name in several categories (``cup/01``, ``dog/01``) are
    told apart by their category."""
    told = {
        parts: {role: part for role, part in zip(roles, parts, strict=False) if role != NOTHING}
        for parts in counts
    }
    owner: dict[str, str | None] = {}
    shared = {
        one[INSTANCE]
        for one in told.values()
        if INSTANCE in one
        and owner.setdefault(one[INSTANCE], one.get(CATEGORY)) != one.get(CATEGORY)
    }
    return {parts: _place(one, shared) for parts, one in told.items()}


def _place(told: dict[str, str], shared: set[str]) -> Place:
    category, instance = told.get(CATEGORY), told.get(INSTANCE)
    if instance in shared:
        instance = f"{category}/{instance}"
    return Place(told.get(SPLIT), told.get(CLASS, category), category, instance)


def found_roles(counts: Mapping[Parts, int]) -> Roles:
    """The layout, from how many pictures each folder holds directly.

    A folder around the others says nothing. The next level is a split when it is made of split
    words alone, or has two of them. Below that, one level is a class; where most pictures lie two
    or more levels deep, the levels are a category and one object (*instance*) of it.
    """
    roles: list[str] = []
    counts = Counter(counts)
    while _is_wrapper(counts):
        roles, counts = [*roles, NOTHING], _below(counts)
    if _first_is_split({parts[0] for parts in counts if parts}):
        roles, counts = [*roles, SPLIT], _below(counts)
        if {parts[0].lower() for parts in counts if parts} & WRAPPER_WORDS and _tops(counts) == 1:
            roles, counts = [*roles, NOTHING], _below(counts)
    if 2 * _deep(counts) > counts.total():
        return (*roles, CATEGORY, INSTANCE)
    return (*roles, CLASS) if any(counts) else tuple(roles)


def _is_wrapper(counts: Counter[Parts]) -> bool:
    """Whether one folder is around those that say something, stray pictures aside."""
    top = next((parts[0] for parts in counts if parts), None)
    if (
        top is None
        or _tops(counts) != 1
        or top.lower() in SPLIT_WORDS
        or 2 * _deep(counts) <= counts.total()
    ):
        return False
    return () not in counts or len({parts[1] for parts in counts if len(parts) > 1}) > 1


def _tops(counts: Counter[Parts]) -> int:
    return len({parts[0] for parts in counts if parts})


def _deep(counts: Counter[Parts]) -> int:
    return sum(number for parts, number in counts.items() if len(parts) >= 2)


def _below(counts: Counter[Parts]) -> Counter[Parts]:
    """The same pictures without the first level of their folders."""
    below: Counter[Parts] = Counter()
    for parts, number in counts.items():
        below[parts[1:]] += number
    return below


def _first_is_split(tops: set[str]) -> bool:
    known = {top for top in tops if top.lower() in SPLIT_WORDS}
    return bool(known) and (known == tops or len(known) >= 2)


def parse(text: str) -> Roles:
    """``split/class`` -> its roles. Raises UserError where it is no layout."""
    text = text.strip().strip("/").lower()
    roles = tuple(part.strip() for part in text.split("/")) if text not in ("", FLAT) else ()
    repeated = any(roles.count(role) > 1 for role in ROLES if role != NOTHING)
    if len(roles) > MAX_LEVELS or repeated or not set(roles) <= set(ROLES):
        raise UserError(
            f"{text[:80]!r} is no layout of folders.",
            f"A word for each level of folders, with / between: {', '.join(ROLES)} (* says nothing;"
            " the others at most once).",
            f"For example split/class, or {FLAT}.",
        )
    return roles


def written(roles: Roles) -> str:
    """The other way round: a layout as a person writes it."""
    return "/".join(roles) or FLAT


def chosen(locator: str) -> Roles | None:
    """The layout that a person chose for a data set; None where the found one holds."""
    told = _choices().get(locator)
    return parse(told) if isinstance(told, str) else None


def choose(locator: str, roles: Roles | None) -> None:
    """Keep a layout for a data set; None goes back to the found one."""
    with store.lock("layouts"):
        told = {one: text for one, text in _choices().items() if one != locator}
        if roles is not None:
            told[locator] = written(roles)
        store.write_text(store.root() / LIST, json.dumps(told))


def _choices() -> dict:
    choices: dict = {}
    for home in reversed(store.layers()):
        try:
            told = json.loads((home / LIST).read_text())
        except (OSError, ValueError):
            continue
        choices |= told if isinstance(told, dict) else {}
    return choices
