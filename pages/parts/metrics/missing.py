"""Why a study is not there, and how to get it."""

from core.services.evaluation.cells import Cell
from pages.parts.metrics import evaluation
from pages.parts.metrics.choice import Choice
from pages.parts.words import note

TITLES = {"probes": "shared factors", "robustness": "robustness", "health": "data health"}


def say(found: dict[str, dict], kind: str, shown: Choice, cells: list[Cell]) -> None:
    """The reason that a data set gave, or a way to make the study."""
    reasons = [row["why"] for row in found.values() if row.get("why")]
    if reasons:
        note("This data set can't answer that.", reasons[0])
    else:
        fix = "Evaluate again with studies to get it."
        note(f"This report has no study of {TITLES[kind]} for this data set.", fix)
        evaluation.offer(shown, cells, studies=True)
