"""Why a study is not there, and how to get it."""

from __future__ import annotations

from pages.parts.words import note

COMMAND = "python -m core evaluate --datasets NAMES --encoders ready --studies"


def say(found: dict[str, dict], kind: str) -> None:
    """The reason that a data set gave, or the command that makes the study."""
    reasons = [row["why"] for row in found.values() if row.get("why")]
    if reasons:
        note("This data set can't answer that.", reasons[0])
    else:
        what = {"probes": "what neighbours share", "robustness": "distorted pictures", "health": "the data's health"}[kind]
        note(f"This report does not study {what} for this data set.", f"Make one that does: {COMMAND}")
