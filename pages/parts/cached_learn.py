"""The cache of the Learn page: what a lesson asks of :mod:`core.services.teaching`, by name."""

import importlib
from collections.abc import Mapping

from core.services.teaching import contests
from core.services.teaching.contests import Contender, Result
from pages.parts import cached, caches, given

SERVICES = "core.services.teaching"
Plain = str | int | float | bool | tuple


def gallery() -> tuple[str, str]:
    """Locator and version of the gallery that all lessons are about: the embedded one."""
    return given.FIRST_DATASET, cached.version(given.FIRST_DATASET)


def ask(function: str, *asked: Plain):
    """``ask("hashes.bits", ...)`` is ``core.services.teaching.hashes.bits(dataset, ...)`` of the
    embedded gallery; read it, never change it. Raises UserError."""
    return _asked(*gallery(), function, asked)


def means(encoders: Mapping[str, str], metric: str = "hit@1", form: str = ".0%") -> dict[str, str]:
    """The mean of a metric of each encoder over all queries of the gallery, by the names that a
    lesson gives them. Raises UserError."""
    return {
        name: format(ask("board.mean", encoder, metric), form) for name, encoder in encoders.items()
    }


@caches.resource(max_entries=1500, ttl=3600.0)
def _asked(locator: str, version: str, function: str, asked: tuple):
    room, _, name = function.partition(".")
    service = getattr(importlib.import_module(f"{SERVICES}.{room}"), name)
    return service(cached.dataset(locator), *asked)


@caches.resource(max_entries=60, show_spinner="Looking for pictures on which they disagree")
def rounds(
    locator: str, version: str, contenders: tuple[str, ...], measure: str, k: int
) -> tuple[str, ...]:
    """Queries of a prediction. Raises UserError."""
    return contests.rounds(cached.dataset(locator), _parsed(contenders), measure, k)


@caches.resource(max_entries=600, ttl=3600.0)
def play(
    locator: str, version: str, contenders: tuple[str, ...], measure: str, query: str, k: int
) -> tuple[Result, ...]:
    """What each contender reached. Raises UserError."""
    return contests.play(cached.dataset(locator), _parsed(contenders), measure, query, k)


def _parsed(contenders: tuple[str, ...]) -> list[Contender]:
    return [Contender.parse(one) for one in contenders]
