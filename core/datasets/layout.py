"""What folders mean: ``class/``, ``split/class/``, ``category/instance/`` and ``split/category/instance/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.datasets.base import GALLERY_SPLITS, QUERY_SPLITS

SPLIT_WORDS = frozenset((*GALLERY_SPLITS, *QUERY_SPLITS))
Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder says of the pictures in it."""

    split: str | None = None
    label: str | None = None
    category: str | None = None
    instance: str | None = None


def places(counts: Mapping[Parts, int]) -> dict[Parts, Place]:
    """Folder -> meaning, from how many pictures each folder holds directly.

    The first level is a split when it is made of split words alone, or has two of them. Below that, one level is a
    class. Where most pictures lie two or more levels deep, the levels are a category and one object (*instance*) of it.
    """
    splits = _first_is_split({parts[0] for parts in counts if parts})
    rest = {parts: parts[1:] if splits else parts for parts in counts}
    deep = sum(n for parts, n in counts.items() if len(rest[parts]) >= 2)
    nested = 2 * deep > sum(counts.values())
    shared = _shared_names(rest.values()) if nested else set()
    return {parts: _place(parts[0] if splits and parts else None, rest[parts], nested, shared) for parts in counts}


def _first_is_split(tops: set[str]) -> bool:
    known = {top for top in tops if top.lower() in SPLIT_WORDS}
    return bool(known) and (known == tops or len(known) >= 2)


def _shared_names(folders) -> set[str]:
    """Names that objects of several categories have (``cup/01``, ``dog/01``): these need their category to tell them apart."""
    owner: dict[str, str] = {}
    return {parts[1] for parts in folders if len(parts) >= 2 and owner.setdefault(parts[1], parts[0]) != parts[0]}


def _place(split: str | None, parts: Parts, nested: bool, shared: set[str]) -> Place:
    if not parts:
        return Place(split)
    if not nested:
        return Place(split, label=parts[0])
    instance = None
    if len(parts) >= 2:
        instance = f"{parts[0]}/{parts[1]}" if parts[1] in shared else parts[1]
    return Place(split, label=parts[0], category=parts[0], instance=instance)
