"""Names beside points, placed so that none covers another; where there is no room beside a point
the name stands further off, joined to it by a line."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 620.0, 400.0
"""Pixels of the plot that places are worked out for; the chart is never smaller."""
LETTER, LINE, GAP = 6.6, 16.0, 10.0
REACH = (0.0, 16.0, 34.0, 54.0, 76.0, 100.0, 126.0)
"""Pixels that a name may stand away from its place beside the point."""
WAYS = (
    ("center", 0, 1),
    ("center", 0, -1),
    ("left", 1, 0),
    ("right", -1, 0),
    ("left", 1, 1),
    ("left", 1, -1),
    ("right", -1, 1),
    ("right", -1, -1),
)
"""Which end of the name is next to the point, and the way to it, right and up."""
OUTSIDE, ANY_OVERLAP = 4000.0, 600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name goes: pixels from its point to the right and up, which end of it stands there,
    and whether a line joins them."""

    right: float
    up: float
    anchor: str
    joined: bool


def places(
    points: Sequence[tuple[float, float, float]],
    names: Sequence[str],
    bars: Sequence[tuple[float, float]] = (),
) -> list[Place]:
    """A place for each name. ``points`` are (x, y, end of its whisker to the right) as shares of
    the plot, 0..1 from left and from below; ``bars`` the lower and the upper end of each point's
    interval."""
    taken = [_dot(x, y) for x, y, _ in points]
    taken += [
        (x * WIDTH, y * HEIGHT - 4, end * WIDTH, y * HEIGHT + 4) for x, y, end in points if end > x
    ]
    taken += [
        (x * WIDTH - 4, low * HEIGHT, x * WIDTH + 4, high * HEIGHT)
        for (x, _, _), (low, high) in zip(points, bars, strict=False)
    ]
    found: list[Place] = []
    for (x, y, _), name in zip(points, names, strict=True):
        options = _candidates(x, y, LETTER * len(name))
        _, place, box = min(options, key=lambda one: _cost(one[2], taken) + one[0])
        found.append(place)
        taken.append(box)
    return found


Box = tuple[float, float, float, float]


def _candidates(x: float, y: float, wide: float) -> list[tuple[float, Place, Box]]:
    """Distance, place and box of the name: beside the point first, then further off."""
    made = []
    for reach in REACH:
        for anchor, across, upwards in WAYS:
            right = across * ((4 if upwards else GAP) + reach)
            up = upwards * (GAP + LINE / 2 + reach)
            left = x * WIDTH + right - wide * {"left": 0.0, "center": 0.5, "right": 1.0}[anchor]
            low = y * HEIGHT + up - LINE / 2
            box = (left, low, left + wide, low + LINE)
            made.append((reach, Place(right, up, anchor, reach > REACH[1]), box))
    return made


def _dot(x: float, y: float) -> Box:
    return (x * WIDTH - 7, y * HEIGHT - 7, x * WIDTH + 7, y * HEIGHT + 7)


def _cost(box: Box, taken: Sequence[Box]) -> float:
    """Pixels that a box shares with others; overlap and parts outside are worse than distance."""
    outside = box[0] < 0 or box[2] > WIDTH or box[1] < 0 or box[3] > HEIGHT
    shared = sum(_shared(box, other) for other in taken)
    return shared + ANY_OVERLAP * (shared > 0) + OUTSIDE * outside


def _shared(one: Box, other: Box) -> float:
    """Pixels that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[1], other[1])
    return across * up if across > 0 and up > 0 else 0.0
