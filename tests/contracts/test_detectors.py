"""What every detector that can be used here promises."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from core.detectors.base import MAX_BOXES, Box, Detector, checked, detectors
from core.errors import UserError
from tests.encoders.conftest import smooth

READY = [name for name in detectors.names() if detectors.get(name).state().kind == "ready"]


@pytest.fixture(params=READY)
def detector(request) -> Detector:
    return detectors.get(request.param)


def test_the_list_begins_with_the_whole_picture_and_describes_each():
    assert detectors.names()[0] == "whole"
    for name in detectors.names():
        made = detectors.get(name)
        assert made.name == name
        assert made.title
        assert made.about
        assert made.tier in ("bundled", "packaged", "pretrained", "imported")
        assert made.state().kind in ("ready", "download", "unavailable")


def test_boxes_lie_in_the_picture_best_first_and_the_same_again(detector):
    for size in ((300, 200), (40, 333), (640, 480)):
        image = smooth(*size, seed=1)
        before = image.copy()
        found = detector.detect(image)
        assert found == detector.detect(image)
        assert (image == before).all()
        assert len(found) <= MAX_BOXES
        assert [box.score for box in found] == sorted((box.score for box in found), reverse=True)
        for box in found:
            assert 0 <= box.x0 < box.x1 <= 1
            assert 0 <= box.y0 < box.y1 <= 1
            assert 0 < box.score <= 1


def test_it_survives_a_worker_process_and_has_a_fingerprint(detector):
    image = smooth(200, 150, seed=2)
    found = detector.detect(image)
    assert pickle.loads(pickle.dumps(detector)).detect(image) == found
    assert detector.fingerprint()["detector"] == detector.name
    assert detector.fingerprint() == detectors.get(detector.name).fingerprint()


def test_pictures_with_nothing_in_them_get_a_sentence(detector):
    cases = {
        "20 x 400 pixels: too few": np.zeros((400, 20, 3), np.uint8),
        "of one colour": np.full((90, 90, 3), 77, np.uint8),
    }
    for why, image in cases.items():
        if detector.name == "whole":
            assert [box.edges for box in detector.detect(image)] == [(0, 0, 1, 1)]
        else:
            with pytest.raises(UserError, match=why):
                detector.detect(image)


def test_odd_boxes_are_brought_inside_sorted_or_dropped():
    thin, turned, outside = (
        Box(0.2, 0.2, 0.2, 0.9, 0.9),
        Box(0.9, 0.8, 0.1, 0.2, 7.0),
        Box(2, 2, 3, 3, 0.5),
    )
    inside = Box(0.1, 0.2, 0.9, 0.8, 1.0), Box(0, 0, 0.5, 0.5, 0.3)
    assert checked([thin, Box(-1, -1, 0.5, 0.5, 0.3), turned, outside]) == inside
    with pytest.raises(ValueError, match="not finite"):
        checked([Box(0, 0, float("nan"), 1)])
    many = checked([Box(0, 0, 1, 1, step / 100) for step in range(1, 101)])
    assert [len(many), many[0].score] == [MAX_BOXES, 1.0]
