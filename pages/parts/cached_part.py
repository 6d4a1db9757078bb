"""Caches of what a gallery can be narrowed to."""

from collections.abc import Sequence

import numpy as np

from core.items import among, taken
from core.services.search import request
from core.types import Item
from pages.parts import cached, caches

MOST = 500
"""A field with more values names single pictures; nobody looks for a part of the gallery among
them."""


@caches.data(max_entries=20, show_spinner=False, gallery=True)
def choices(locator: str, version: str) -> dict[str, list[str]]:
    """Field -> its values in the gallery, where there are two at least; no measured numbers, none
    that a link cannot say."""
    known = {
        name: [value for value in values if _plain(value)]
        for name, values in request.fields(_gallery(locator)).items()
    }
    kept = {
        name: values
        for name, values in known.items()
        if 2 <= len(values) <= MOST and "=" not in name and _plain(name)
    }
    kept = {name: values for name, values in kept.items() if not _measured(values)}
    return {
        name: values
        for name, values in kept.items()
        if name != "label" or values != kept.get("category")
    }


@caches.data(max_entries=200, show_spinner=False, gallery=True)
def left(locator: str, version: str, where: tuple[str, ...]) -> tuple[int, int]:
    """How many pictures of the gallery meet the conditions, and how many there are. Raises
    UserError."""
    items = _gallery(locator)
    mask = request.allowed(items, where)
    return (len(items) if mask is None else int(mask.sum())), len(items)


def _gallery(locator: str) -> Sequence[Item]:
    items, protocol = cached.dataset(locator).items, cached.dataset(locator).protocol()
    return taken(items, np.flatnonzero(among(items, protocol.gallery)))


def _measured(values: list[str]) -> bool:
    return any("." in value for value in values) and all(
        value.lstrip("-").replace(".", "", 1).isdigit() for value in values
    )


def _plain(text: str) -> bool:
    return bool(text) and "|" not in text and text == text.strip()
