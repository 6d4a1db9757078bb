"""Which box is the subject."""

from __future__ import annotations

import numpy as np
import pytest

from core.detectors.base import (
    Box,
    NothingToFind,
    iou,
    main_box,
    refuse_empty,
    rule,
    weight,
    with_margin,
)


def test_size_place_and_score_each_decide_alone():
    middle, corner = Box(0.3, 0.3, 0.7, 0.7, 0.8), Box(0.0, 0.0, 0.4, 0.4, 0.8)
    small, unsure = Box(0.45, 0.45, 0.55, 0.55, 0.8), Box(0.3, 0.3, 0.7, 0.7, 0.4)
    for other in (corner, small, unsure):
        assert main_box([other, middle]) == middle
    assert main_box([]) is None
    assert main_box([middle, Box(0.3, 0.3, 0.7, 0.7, 0.8, "second")]) == middle


def test_one_small_thing_between_the_pixels_looked_at_first_is_not_one_colour():
    picture = np.full((90, 90, 3), 77, np.uint8)
    with pytest.raises(NothingToFind, match="one colour"):
        refuse_empty(picture)
    picture[33:36, 49:52] = 200
    refuse_empty(picture)


def test_the_weight_is_what_the_rule_says():
    assert weight(Box(0.25, 0.25, 0.75, 0.75, 0.5)) == pytest.approx(0.5 * 1.0 * 0.5)
    assert weight(Box(0.0, 0.0, 0.02, 0.02)) == pytest.approx(0.02 * (1 - 0.98 / 2))
    assert "√area × (1 − ½ · distance) × score" in rule()
    assert "`" not in rule()
    assert "\n" not in rule()


def test_a_margin_on_each_side_and_never_too_slim():
    square = with_margin(Box(0.4, 0.4, 0.6, 0.6, 0.5, "cup"), (100, 100), 0.1)
    assert (square.edges, square.score, square.label) == (
        pytest.approx((0.38, 0.38, 0.62, 0.62)),
        0.5,
        "cup",
    )
    slim = with_margin(Box(0.45, 0.2, 0.55, 0.8), (100, 100), 0.0)
    assert slim.edges == pytest.approx((0.5 - 0.75 * 0.3, 0.2, 0.5 + 0.75 * 0.3, 0.8))
    wide = with_margin(Box(0.4, 0.4, 0.6, 0.6), (400, 100), 0.0)  # 80 x 20 pixels
    assert wide.edges == pytest.approx((0.4, 0.2, 0.6, 0.8))


def test_at_the_edge_of_the_picture_it_moves_inward():
    moved = with_margin(Box(0.0, 0.1, 0.4, 0.5), (100, 100), 0.25)
    assert moved.edges == pytest.approx((0.0, 0.0, 0.6, 0.6))
    assert with_margin(Box(0.7, 0.6, 1.0, 0.9), (100, 100), 0.5).edges == pytest.approx(
        (0.4, 0.4, 1.0, 1.0)
    )
    assert with_margin(Box(0.0, 0.0, 1.0, 1.0), (300, 200)).edges == pytest.approx((0, 0, 1, 1))


def test_intersection_over_union_by_hand():
    assert iou(Box(0, 0, 0.5, 1), Box(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert iou(Box(0, 0, 0.4, 0.4), Box(0.5, 0.5, 1, 1)) == 0.0
