"""Charts of a page that travels, as SVG: curves, intervals, and the dots of a map."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from core.services.maps.colours import Colouring

WIDE, HIGH = 900, 380
LEFT, RIGHT, TOP, BOTTOM = 52, 230, 10, 40
"""Pixels of a chart, and of what stands around its plot: at the right the names of the lines."""
FEW, LEVEL = 24, 15
"""A line of so many points has a mark at each; pixels between two names."""
MARK, LETTER = 6, 6.3
"""Half of a mark's side, and how wide a letter of a name is on average, in pixels."""
MAP, DOTS, RADIUS = 420, 6000, 3.2
"""Side of a map in pixels, the most dots in one, and the width of a dot."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve through ``points``, with its name at its end."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def curves(lines: Sequence[Line], across: str, up: str, *, logarithmic: bool = False) -> str:
    """Lines over one axis, which may be logarithmic, and from 0 to 1 or to the largest value."""
    places = [x for line in lines for x, _ in line.points]
    top = max(1.0, max((y for line in lines for _, y in line.points), default=1.0))
    low, high = min(places), max(places)
    scale: Callable[[float], float] = log10 if logarithmic else float
    span = (scale(high) - scale(low)) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across_ = LEFT + (WIDE - LEFT - RIGHT) * (scale(x) - scale(low)) / span
        return across_, HIGH - BOTTOM - (HIGH - TOP - BOTTOM) * y / top

    drawn = [f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{HIGH - BOTTOM}H{WIDE - RIGHT}"/>']
    for tick in _ticks(low, high, logarithmic):
        x, y = place(tick, 0)
        drawn.append(f'<text x="{x:.0f}" y="{y + 18:.0f}" text-anchor="middle">{tick:g}</text>')
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = place(low, share * top)[1]
        drawn.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDE - RIGHT}"/>')
        drawn.append(
            f'<text x="{LEFT - 8}" y="{y + 4:.0f}" text-anchor="end">{share * top:g}</text>'
        )
    drawn += _lines(lines, place)
    drawn.append(f'<text x="{LEFT}" y="{HIGH - 4}">{html.escape(across)}</text>')
    return chart("".join(drawn), f"{up} against {across}", WIDE, HIGH)


def _lines(
    lines: Sequence[Line], place: Callable[[float, float], tuple[float, float]]
) -> list[str]:
    drawn = []
    named = sorted(lines, key=lambda one: place(*one.points[-1])[1])
    levels = _apart([place(*line.points[-1])[1] for line in named])
    for line, level in zip(named, levels, strict=True):
        points = [place(*one) for one in line.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        title = f"<title>{html.escape(line.name)}</title>"
        drawn.append(
            f'<path d="{path}" fill="none" stroke="{line.colour}" stroke-width="2.5">{title}</path>'
        )
        if len(points) <= FEW:
            drawn += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}">{title}</circle>'
                for x, y in points
            ]
        drawn.append(
            f'<path d="M{WIDE - RIGHT + 10} {level:.1f}h12" stroke="{line.colour}"'
            f' stroke-width="4"/><text x="{WIDE - RIGHT + 28}" y="{level + 4:.1f}">'
            f"{html.escape(line.name)}</text>"
        )
    return drawn


def _apart(levels: Sequence[float]) -> list[float]:
    """Heights of names, rising, so far apart that each can be read and inside the chart."""
    found: list[float] = []
    for level in levels:
        found.append(max(level, found[-1] + LEVEL if found else level))
    most = HIGH - 8.0
    for at in range(len(found) - 1, -1, -1):
        found[at] = min(found[at], most)
        most = found[at] - LEVEL
    return found


def _ticks(low: float, high: float, logarithmic: bool) -> list[float]:
    if logarithmic:
        decades = [10.0**power for power in range(-5, 6) if low <= 10.0**power <= high]
        if len(decades) > 1:
            return decades
        steps = [step * 10.0**power for power in range(-6, 6) for step in (1, 2, 5)]
        return [one for one in steps if low <= one <= high]
    step = max(1, round((high - low) / 8))
    return [low + step * number for number in range(int((high - low) / step) + 1)]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands: ``x`` its start, or its end where ``before``; ``y`` its middle."""

    x: float
    y: float
    before: bool


def beside(
    marks: Sequence[tuple[float, float, str]], frame: tuple[float, float, float, float]
) -> list[Place]:
    """A place for the name of each mark (x, y, name) within ``frame`` (left, top, right, bottom),
    where it meets neither another mark nor another name; the nearest one, and where there is none
    beside its mark."""
    left, top, right, bottom = frame
    taken = [(x - MARK, y - MARK, x + MARK, y + MARK) for x, y, _ in marks]
    found = []
    for x, y, name in marks:
        tried = [
            (Place(x + (-side * (MARK + 3)), y + by, side > 0), by)
            for by in sorted(range(-8 * LEVEL, 8 * LEVEL + 1, LEVEL), key=abs)
            for side in (-1, 1)
        ]
        boxes = [(place, _box(place, name)) for place, _ in tried]
        place, box = next(
            (
                (place, box)
                for place, box in boxes
                if left <= box[0] and box[2] <= right and top <= box[1] and box[3] <= bottom
                if not any(_meet(box, other) for other in taken)
            ),
            boxes[0],
        )
        taken.append(box)
        found.append(place)
    return found


def _box(place: Place, name: str) -> tuple[float, float, float, float]:
    long, half = LETTER * len(name), LEVEL / 2 - 1
    start = place.x - long if place.before else place.x
    return start, place.y - half, start + long, place.y + half


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    across = one[0] < other[2] and other[0] < one[2]
    return across and one[1] < other[3] and other[1] < one[3]


def chart(inside: str, alt: str, wide: int, high: int) -> str:
    """A figure with what it shows in words."""
    said = html.escape(alt)
    return (
        f'<figure class="wide"><svg role="img" aria-label="{said}" width="{wide}" height="{high}"'
        f' viewBox="0 0 {wide} {high}">{inside}</svg><figcaption><p>{said}.</p></figcaption>'
        "</figure>"
    )


def interval(low: float, middle: float, high: float, wide: int = 220) -> str:
    """A share from 0 to 1 with its interval, for a cell of a table."""
    left, right, at = (wide * value for value in (low, high, middle))
    return (
        f'<svg width="{wide}" height="12" aria-hidden="true"><path class="axis" d="M0 6H{wide}"/>'
        f'<path d="M{left:.1f} 6H{right:.1f}" stroke="currentColor" stroke-width="3"/>'
        f'<circle class="own" cx="{at:.1f}" cy="6" r="4"/></svg>'
    )


def dots(positions: np.ndarray, colours: Colouring, alt: str) -> str:
    """A map: positions, float (n, 2), as dots, a path for each colour; of many a sample."""
    rows = np.arange(len(positions))
    if len(rows) > DOTS:
        rows = np.sort(np.random.default_rng(0).choice(len(rows), DOTS, replace=False))
    low, high = np.percentile(positions, [0.5, 99.5], axis=0)
    centre, span = (low + high) / 2, float((high - low).max()) * 1.06 or 1.0
    places = (positions[rows] - centre) / span * MAP
    places = np.column_stack([MAP / 2 + places[:, 0], MAP / 2 - places[:, 1]])
    inside = ((places > 0) & (places < MAP)).all(1)
    own = colours.index[rows]
    paths = []
    for number in sorted(set(own[inside].tolist()), reverse=True):
        held = places[inside & (own == number)]
        path = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in held)
        paths.append(
            f'<path d="{path}" stroke="{colours.palette[number]}" stroke-width="{RADIUS}"'
            ' stroke-linecap="round" opacity=".85"/>'
        )
    return (
        f'<svg class="dots" role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {MAP} {MAP}">'
        f"{''.join(paths)}</svg>"
    )


def key(colours: Colouring) -> str:
    """What the colours of a map mean."""
    return "".join(
        f'<span><i style="background:{colours.palette[number]}"></i>{html.escape(name)}'
        f" {count:,}</span>"
        for number, name, count in colours.legend
    )
