"""The tool that measures boxes: its composites bear the box that they have, and its table is what
the docs show."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from core.detectors.base import Box, detectors, iou
from core.training.composites import cut_out, edges_of
from tests.conftest import ROOT
from tools import measure_subject as tool


def test_a_product_is_cut_out_of_a_plain_ground(thing):
    box = Box(0.3, 0.2, 0.7, 0.8)
    piece = cut_out(thing(224, 224, box.edges), box.edges)
    assert abs(piece.shape[1] - 0.4 * 224) <= 3
    assert abs(piece.shape[0] - 0.6 * 224) <= 3
    assert piece[piece.shape[0] // 2, piece.shape[1] // 2, 3] == 255
    assert piece[0, 0, 3] == 0, "a disc leaves the corner free"


def test_what_can_not_be_told_from_its_ground_is_left_out():
    noise = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    assert cut_out(noise, (0.3, 0.3, 0.7, 0.7)) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_composite_bears_the_box_that_it_has(thing, seed):
    box = Box(0.3, 0.2, 0.7, 0.8)
    piece = cut_out(thing(224, 224, box.edges), box.edges)
    ground = np.full((180, 260, 3), (30, 90, 40), np.uint8)
    made = tool.in_photograph(
        piece,
        ground,
        SimpleNamespace(category="ball", instance="ball-1"),
        np.random.default_rng(seed),
    )
    changed = np.abs(made.image.astype(int) - ground).max(axis=2) > 40
    assert iou(Box(*edges_of(changed)), made.box) > 0.85
    longer = max((made.box.x1 - made.box.x0) * 260, (made.box.y1 - made.box.y0) * 180)
    assert 0.25 * 180 <= longer <= 0.62 * 180


def test_boxes_are_judged_by_hand():
    pictures = [
        tool.Picture(np.zeros((4, 4, 3), np.uint8), Box(0, 0, 0.5, 1), "ball", f"ball-{n}")
        for n in range(3)
    ]
    row = tool.box_row(pictures, [Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1), None])
    assert (row["pictures"], row["products"], row["found"]) == (3, 3, 2)
    assert row["IoU"][0] == pytest.approx((1 + 0 + 0.5) / 3, abs=1e-4)
    assert row["above .5"][0] == pytest.approx(1 / 3, abs=1e-4)


def test_the_docs_show_what_was_measured():
    page = tool.PAGE.read_text()
    made = json.loads(tool.worth.DATA.read_text())
    assert made["split"] == "test"
    assert tool.written(page, made) == page
    assert {"clean", "cluttered"} == set(made["boxes"])
    assert (made["margin"], made["square"]) == (tool.MARGIN, tool.SQUARE), (
        "measured with another margin: measure again"
    )


def test_the_example_of_the_docs_is_a_detector(thing):
    code = re.search(
        r"```python\n(.*?)```", (ROOT / "docs" / "detectors.md").read_text(), re.DOTALL
    )[1]
    detectors.names()
    try:
        exec(compile(code, "detectors.md", "exec"), {"__name__": "middle"})
        assert [box.edges for box in detectors.get("middle").detect(thing())] == [
            (0.25, 0.25, 0.75, 0.75)
        ]
    finally:
        detectors._makers.pop("middle", None)
