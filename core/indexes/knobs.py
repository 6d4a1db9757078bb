"""A setting of an index: what it may be, what it trades, and what is worth trying."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import UserError


@dataclass(frozen=True, slots=True)
class Knob:
    """A setting of an index: its default, the values worth trying and those allowed; ``about`` says
    what it trades.

    ``more`` is 1 where a larger value finds more (and takes longer or more room), -1 where a
    smaller one does, 0 where it is no question of effort.
    """

    default: int | float
    values: tuple[int | float, ...] = ()
    about: str = ""
    low: float = 1
    high: float = 1_000_000
    more: int = 1

    def check(self, name: str, value: Any) -> int | float:
        """``value`` as this knob's kind of number. Raises UserError where it is none, or outside
        ``low`` to ``high``."""
        whole = isinstance(self.default, int)
        right = (
            isinstance(value, (int, float, np.number))
            and not isinstance(value, bool)
            and self.low <= value <= self.high
        )
        if not right or (whole and int(value) != value):
            kind = "a whole number" if whole else "a number"
            raise UserError(
                f"{name} = {value!r} was given.",
                f"It is {kind} from {self.low:g} to {self.high:g}.",
            )
        return int(value) if whole else float(value)
