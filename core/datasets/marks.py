"""Pictures that were changed without a change of size and time, as a check of contents found: a
mark goes behind their stamp."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from core import store
from core.types import Item

log = logging.getLogger(__name__)
SIGN = "#"
"""Between the stamp that the source gives and the mark."""


def marks_file(locator: str) -> Path:
    """Where the marks of a source lie."""
    return store.root() / "library" / "contents" / f"{store.fingerprint(locator)}.json"


def marks_of(locator: str) -> dict[str, tuple[str, str]]:
    """Item id -> its plain stamp and the mark of its content; none where nothing was ever found
    changed."""
    try:
        found = json.loads(store.existing(marks_file(locator)).read_text())
        return {str(id): (str(stamp), str(mark)) for id, (stamp, mark) in found.items()}
    except FileNotFoundError:
        return {}
    except store.UNREADABLE as error:
        if not isinstance(error, OSError):
            log.warning("ignoring the marks of changed pictures of %s: %s", locator, error)
        return {}


def keep_marks(locator: str, marks: Mapping[str, tuple[str, str]]) -> None:
    """Write the marks of a source."""
    store.write_text(marks_file(locator), json.dumps(marks))


def marked(locator: str, items: Sequence[Item]) -> list[Item]:
    """Items, with a mark behind the stamp of those that have one for just this stamp."""
    marks = marks_of(locator)
    return [restamped(item, marks) for item in items] if marks else list(items)


def restamped(item: Item, marks: Mapping[str, tuple[str, str]]) -> Item:
    """An item with its mark, if it has one; an earlier mark goes."""
    stamp, mark = marks.get(item.id, ("", ""))
    wanted = f"{stamp}{SIGN}{mark}" if mark and plain(item) == stamp else plain(item)
    return item if item.stamp == wanted else replace(item, stamp=wanted)


def plain(item: Item) -> str:
    """The stamp as the source gives it."""
    return item.stamp.partition(SIGN)[0]
