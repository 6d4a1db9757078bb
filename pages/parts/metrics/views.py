"""What the views of the Metrics page share: what they call things, and what of a board is here."""

from collections.abc import Iterable

from core.metrics import table
from core.services.evaluation.cells import Cell
from pages.parts import cached, cached_metrics, palette
from pages.parts.metrics.choice import Choice


def name_of(encoder: str, index: str) -> str:
    """An encoder's title, with the index where it is not exact search."""
    return palette.title(encoder) + ("" if index == "exact" else f" · {index}")


def short(metric: str) -> str:
    """A metric's name without what stands in brackets behind it."""
    return table.label(metric).split(" (")[0]


def spent(seconds: float | None) -> str:
    """Seconds for people, down to what took no time worth a word."""
    if seconds is None:
        return ""
    return (
        f"{seconds:.1f} s"
        if seconds >= 1
        else f"{1000 * seconds:.0f} ms"
        if seconds >= 0.001
        else "under 1 ms"
    )


def place_of(shown: Choice, cells: list[Cell]) -> str | None:
    """Locator of the board's data set; None where its pictures are not in this library."""
    asked = cells[0].queries
    return cached_metrics.locator_of(shown.dataset, str(asked[0])) if len(asked) else None


def encoders_of(cells: list[Cell], among: Iterable[str] | None = None) -> list[str]:
    """The encoders of a board, in its order; only those ``among`` others where these are given."""
    names = dict.fromkeys(cell.encoder for cell in cells)
    return list(names) if among is None else [name for name in names if name in among]


def built_of(locator: str | None, cells: list[Cell]) -> list[str]:
    """Of these the ones that are built for the data set; none where it is not here."""
    if locator is None:
        return []
    version = cached.version(locator)
    return [name for name in encoders_of(cells) if cached.built(locator, version, name)]
