"""Names beside points, placed so that none covers another where there is room."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 760.0, 300.0
"""Pixels of the plot that places are worked out for; a wider one only has more room."""
LETTER, LINE, GAP = 6.4, 15.0, 10.0
PLACES = (
    "top center",
    "bottom center",
    "middle right",
    "middle left",
    "top right",
    "bottom right",
    "top left",
    "bottom left",
)


def places(points: Sequence[tuple[float, float, float]], names: Sequence[str]) -> list[str]:
    """A plotly text position for each point. ``points`` are (x, y, end of its whisker to the right)
    as shares of the plot, 0..1 from left and from below."""
    taken = [_box(x, y, 0.0, "dot") for x, y, _ in points]
    taken += [
        (x * WIDTH, y * HEIGHT - 4, end * WIDTH, y * HEIGHT + 4) for x, y, end in points if end > x
    ]
    found = []
    for (x, y, _), name in zip(points, names, strict=True):
        costs = []
        for rank, place in enumerate(PLACES):
            box = _box(x, y, LETTER * len(name), place)
            outside = box[0] < 0 or box[2] > WIDTH or box[1] < 0 or box[3] > HEIGHT + 20
            costs.append(
                (sum(_shared(box, other) for other in taken) + 400 * outside, rank, place, box)
            )
        _, _, place, box = min(costs)
        found.append(place)
        taken.append(box)
    return found


def _box(x: float, y: float, wide: float, place: str) -> tuple[float, float, float, float]:
    left, low = x * WIDTH, y * HEIGHT
    if place == "dot":
        return left - 6, low - 6, left + 6, low + 6
    vertical, horizontal = place.split()
    low += {"top": GAP, "middle": -LINE / 2, "bottom": -GAP - LINE}[vertical]
    left += {
        "center": -wide / 2,
        "right": GAP if vertical == "middle" else 4,
        "left": -wide - (GAP if vertical == "middle" else 4),
    }[horizontal]
    return left, low, left + wide, low + LINE


def _shared(one: tuple, other: tuple) -> float:
    """Pixels that two boxes share."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    up = min(one[3], other[3]) - max(one[1], other[1])
    return across * up if across > 0 and up > 0 else 0.0
