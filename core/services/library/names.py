"""What a data set is called where its place on the disk is nobody else's business, as in a link;
and which one a link means, also on another machine that holds the same pictures."""

import hashlib
import os
from collections.abc import Callable, Mapping

SIGN = "~"
"""Between the name of a data set, the digest of its place and that of its pictures."""


def public(locator: str, name: str) -> str:
    """Its name; of one found by a path with a digest of that, to tell namesakes apart."""
    if os.sep not in locator:
        return locator
    digest = hashlib.blake2b(os.fsencode(locator), digest_size=3).hexdigest()
    return f"{name or os.path.basename(locator)}{SIGN}{digest}"


def called(given: str) -> str:
    """What to call a data set that is not here, by what a link or a session says of it."""
    return os.path.basename(given.split(SIGN)[0].rstrip(os.sep))


def travelling(locator: str, name: str, likeness: str) -> str:
    """The public name and, of one that is found by a path, the digest of its pictures."""
    known = likeness and os.sep in locator
    return public(locator, name) + (f"{SIGN}{likeness}" if known else "")


def meant(
    given: str, there: Mapping[str, str], likeness: Callable[[str], str]
) -> tuple[str | None, bool]:
    """The locator that a link means among ``there`` (locator -> name), and whether it holds other
    pictures than those that the link knew.

    Tried in this order: a locator, as in older links; the public name; the digest of the pictures,
    wherever they lie here; the name, where only one has it. ``likeness`` gives the digest of a data
    set's pictures, empty where it can't be opened.
    """
    if given in there:
        return given, False
    place, _, wanted = given.rpartition(SIGN)
    for name in filter(None, (given, place)):
        found = [one for one in there if public(one, there[one]) == name]
        if len(found) == 1:
            return found[0], False
    name = given.split(SIGN)[0]
    same = [one for one in there if os.sep in one and wanted and likeness(one) == wanted]
    if same:
        return next((one for one in same if there[one] == name), same[0]), False
    named = [one for one in there if there[one] in (given, name)]
    if len(named) != 1:
        return None, False
    return named[0], given.count(SIGN) > 1
