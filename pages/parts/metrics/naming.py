"""What the views of the Metrics page call things."""

from core.metrics import table
from core.services.evaluation.cells import Cell
from pages.parts import palette


def name_of(encoder: str, index: str) -> str:
    """An encoder's title, with the index where it is not exact search."""
    return palette.title(encoder) + ("" if index == "exact" else f" · {index}")


def short(metric: str) -> str:
    """A metric's name without what stands in brackets behind it."""
    return table.label(metric).split(" (")[0]


def milliseconds(cell: Cell, percentile: str = "p50") -> float | None:
    """Time of one search with every stage, one picture at a time; None where it was not
    measured."""
    return cell.latency.get("total", {}).get("single", {}).get(percentile)


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
