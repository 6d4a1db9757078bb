"""Which data sets were compared on, kept on disk: their way does not begin anew with each visit."""

import json
from contextlib import suppress
from pathlib import Path

from core import store
from core.errors import UserError
from core.services.hosting import ownership

LIST = Path("library", "compared.json")


def was(locator: str) -> bool:
    """Whether hits in a data set were looked at side by side."""
    return locator in _read()


def note(locator: str) -> None:
    """They were now. Where nothing can be written, nothing is kept; nor of a visitor who has no
    data set or build here: looking at what the operator provides is nobody's way, and who has
    nothing of their own shares what pages remember with all others."""
    one = ownership.visitor()
    if (one is None or one.adds) and not was(locator):
        _change(locator, there=True)


def forget(locator: str) -> None:
    """The data set is gone."""
    if was(locator):
        _change(locator, there=False)


def _change(locator: str, there: bool) -> None:
    with suppress(UserError, OSError), store.lock("library"):
        others = [one for one in _read() if one != locator]
        store.write_text(store.root() / LIST, json.dumps([*others, *[locator] * there]))


def _read() -> list[str]:
    try:
        told = json.loads((store.root() / LIST).read_text())
    except store.UNREADABLE:
        return []
    return [one for one in told if isinstance(one, str)] if isinstance(told, list) else []
