"""How fast a job is at work, from the lines of its log."""

from collections.abc import Sequence
from itertools import pairwise

WINDOW_S, STEPS = 20.0, 4
"""The rate is that of the last so many seconds, or of so many steps where these took longer: a
batch of a large network may take a minute."""


def rate(lines: Sequence[dict]) -> float:
    """Units a second over the last part of a log; 0 where it can't be told yet.

    Args:
        lines: with ``time`` (epoch seconds), ``done`` and ``total``, oldest first; those without a
            total are passed over.
    """
    steps = _phase([line for line in lines if line.get("total")])
    if len(steps) > 2 and steps[0]["done"] == 0:
        steps = steps[1:]  # before the first batch libraries load, files open, caches fill
    recent = [step for step in steps if steps[-1]["time"] - step["time"] <= WINDOW_S]
    recent = steps[-max(len(recent), STEPS) :]
    if len(recent) < 2 or recent[-1]["time"] <= recent[0]["time"]:
        return 0.0
    return (recent[-1]["done"] - recent[0]["done"]) / (recent[-1]["time"] - recent[0]["time"])


def _phase(steps: Sequence[dict]) -> list[dict]:
    """The last steps that count the same thing by one clock: it may be set back meanwhile."""
    begun = 0
    for place, (before, step) in enumerate(pairwise(steps), 1):
        same = step["total"] == before["total"] and step["done"] >= before["done"]
        if not same or step["time"] < before["time"]:
            begun = place
    return list(steps[begun:])
