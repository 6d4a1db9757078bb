"""What the clusters of a map are called: by the class that most of their pictures have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.services.maps.maps import Map

MIXED = 0.3
"""Where the most frequent class is a smaller share than this, a cluster is called mixed."""


@dataclass(frozen=True, slots=True)
class Named:
    """A cluster: its ``place`` on the map (the median of its dots), how many pictures it holds, and
    the most frequent class with its ``share`` of them; the class is empty where none has one."""

    number: int
    place: tuple[float, float]
    size: int
    name: str
    share: float

    @property
    def words(self) -> str:
        """``mug 95 %``, ``mixed``; empty where nothing is known."""
        if not self.name:
            return ""
        return f"{self.name} {100 * self.share:.0f} %" if self.share >= MIXED else "mixed"


def named(found: Map, codes: np.ndarray, names: Sequence[str]) -> list[Named]:
    """Every cluster of a map, the largest first.

    Args:
        codes: int (n,), the class of each row as a place in ``names``; -1 where it has none.
    """
    made = []
    for number in range(int(found.clusters.max(initial=-1)) + 1):
        rows = np.flatnonzero(found.clusters == number)
        held = np.bincount(codes[rows][codes[rows] >= 0], minlength=1)
        most = int(held.argmax())
        x, y = np.median(found.positions[rows], axis=0)
        name = names[most] if held[most] else ""
        share = float(held[most] / len(rows))
        made.append(Named(number, (float(x), float(y)), len(rows), name, share))
    return made
