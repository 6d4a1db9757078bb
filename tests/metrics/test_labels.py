"""Names on the cost chart never cover one another, nor the points."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pages.parts.metrics.labels import GAP, HEIGHT, LETTER, LINE, WIDTH, places

NAMES = ["Vision transformer, hybrid, slim (ours)", "EfficientNet-Lite0, ImageNet", "HOG"]


def boxes(points, names):
    found = []
    for (x, y, _), name, place in zip(points, names, places(points, names), strict=True):
        wide = LETTER * len(name)
        left = x * WIDTH + place.right
        left -= wide * {"left": 0.0, "center": 0.5, "right": 1.0}[place.anchor]
        middle = y * HEIGHT + place.up
        found.append((left, middle - LINE / 2, left + wide, middle + LINE / 2))
    return found


def overlap(one, other) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across > 1e-9 and min(one[3], other[3]) - max(one[1], other[1]) > 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_fourteen_names_are_apart_wherever_their_points_are(seed):
    rng = np.random.default_rng(seed)
    middle = rng.uniform(0.2, 0.8, (4, 2))
    spread = middle[rng.integers(0, 4, 14)] + rng.normal(0, 0.03, (14, 2))
    points = [(float(x), float(y), float(x)) for x, y in spread.clip(0.05, 0.95)]
    names = [NAMES[number % 3] for number in range(14)]
    drawn = boxes(points, names)
    assert not [pair for pair in itertools.combinations(drawn, 2) if overlap(*pair)]
    assert all(box[0] >= 0 and box[2] <= WIDTH and box[1] >= 0 for box in drawn)


def test_a_name_alone_stands_right_over_its_point_without_a_line():
    (place,) = places([(0.5, 0.5, 0.5)], ["HOG"])
    assert (place.anchor, place.joined, place.up) == ("center", False, GAP + LINE / 2)
