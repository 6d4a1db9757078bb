"""The encoders that a new data set is begun with, and what they cost."""

from collections.abc import Sequence

from core.services.embedding.opening import FIRST_ENCODERS
from pages.parts import cached, palette

COUNT = 3


def names() -> list[str]:
    """A pretrained network, the best one of our own, a classical one as contrast; of these what
    needs no download."""
    rows = {row["name"]: row for row in cached.encoder_rows() if row["state"] == "ready"}
    first = [name for name in FIRST_ENCODERS if name in rows]
    return first or list(rows)[:COUNT]


def seconds(pictures: int, encoders: Sequence[str]) -> float | None:
    """About how long these take for so many pictures; None where nothing is known of one."""
    each = [cached.build_times().each.get(name) for name in encoders]
    return None if None in each else START_S + sum(each) * pictures


START_S = 3.0
"""A process begins and loads its networks."""


def titles(encoders: Sequence[str]) -> str:
    """``A, B and C``."""
    said = [palette.title(name) for name in encoders]
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
