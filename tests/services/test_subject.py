"""The part of a query that is searched with: found by a detector, drawn, or all of it where neither
holds anything."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.services.embedding import detecting
from core.services.search import compare, serving, subject
from core.services.search.request import Query, SearchRequest

pytestmark = pytest.mark.usefixtures("corner")


@pytest.fixture
def dataset(quarters):
    return quarters


CROP = pytest.approx((0.6125, 0.6125, 0.9375, 0.9375))


def test_a_crop_finds_what_the_same_box_finds(dataset):
    found = serving.search(
        SearchRequest(Query(item_id="odd/3.png"), "counting.test", k=5, crop="corner.test"), dataset
    )
    assert (found.box, found.crop, found.note) == (CROP, "corner.test", "")
    assert list(found.timing_ms) == ["decode", "detect", "preprocess", "encode", "search"]
    drawn = serving.search(
        SearchRequest(Query(item_id="odd/3.png", box=found.box), "counting.test", k=5), dataset
    )
    assert drawn.hits == found.hits
    assert (drawn.box, drawn.crop) == (found.box, "")
    assert "detect" not in drawn.timing_ms
    assert (
        serving.search(SearchRequest(Query(item_id="odd/3.png"), "counting.test", k=5), dataset).box
        is None
    )


def test_all_encoders_share_one_look(dataset, corner):
    found = compare.compare(
        SearchRequest(Query(item_id="odd/3.png"), "", k=3, crop="corner.test").each(
            ["counting.test", "tiny.16x16"]
        ),
        dataset,
    )
    assert len(corner.seen) == 1
    assert {answer.crop for answer in found.answers} == {"corner.test"}
    assert [answer.box for answer in found.answers] == [CROP, CROP]


def test_a_drawn_box_goes_before_a_detector(dataset, corner):
    found = serving.search(
        SearchRequest(
            Query(item_id="odd/3.png", box=(0, 0, 0.5, 0.5)), "counting.test", crop="corner.test"
        ),
        dataset,
    )
    assert (found.box, found.crop, corner.seen) == ((0, 0, 0.5, 0.5), "", [])


def test_the_picture_is_looked_at_whole_and_its_boxes_told(dataset):
    found = subject.detect(Query(item_id="odd/3.png", box=(0, 0, 0.1, 0.1)), "corner.test", dataset)
    assert [box.label for box in found.boxes] == ["thing", None]
    assert found.main.label == "thing"
    assert found.crop == CROP
    assert found.ms > 0


def whole(dataset, query: Query, crop: str = "corner.test"):
    """The answer, after it was held against a search with the whole picture."""
    found = serving.search(SearchRequest(query, "counting.test", k=5, crop=crop), dataset)
    plain = serving.search(
        SearchRequest(Query(query.item_id, query.data), "counting.test", k=5), dataset
    )
    assert (found.box, found.hits) == (None, plain.hits)
    assert found.note.endswith("The whole picture is searched.")
    return found.note


def test_a_detector_that_finds_nothing(dataset, corner, monkeypatch):
    monkeypatch.setattr(corner, "finds", ())
    assert "Corner found nothing" in whole(dataset, Query(item_id="odd/3.png"))


def test_a_detector_that_can_not_be_used(dataset, corner, monkeypatch):
    monkeypatch.setattr(corner, "missing", "onnxruntime is not installed")
    assert "onnxruntime is not installed" in whole(dataset, Query(item_id="odd/3.png"))
    with pytest.raises(UserError, match="onnxruntime"):
        subject.detect(Query(item_id="odd/3.png"), "corner.test", dataset)


def test_a_detector_that_fails_on_a_picture(dataset, corner, monkeypatch):
    def fail(self, image):
        raise UserError("The network failed.")

    monkeypatch.setattr(corner, "_detect", fail)
    assert "The network failed." in whole(dataset, Query(item_id="odd/3.png"))


def test_weights_that_are_not_here_are_not_waited_for(dataset, hub_is_silent):
    assert "needs its weights first (14 MB)" in whole(
        dataset, Query(item_id="odd/3.png"), "ssdlite"
    )


@pytest.fixture
def hub_is_silent(monkeypatch):
    from core.weights import download

    def refuse(*given):
        raise AssertionError("a search downloads nothing")

    monkeypatch.setattr(download, "reach", refuse)


@pytest.mark.parametrize(
    ("picture", "why"),
    [
        (
            np.random.default_rng(0).integers(0, 256, (31, 200, 3), dtype=np.uint8),
            "200 x 31 pixels: too few",
        ),
        (np.full((80, 80, 3), 140, np.uint8), "of one colour"),
    ],
)
def test_pictures_with_nothing_to_find(dataset, tmp_path, picture, why):
    Image.fromarray(picture).save(tmp_path / "query.png")
    assert why in whole(dataset, Query(data=(tmp_path / "query.png").read_bytes()))


@pytest.mark.parametrize(
    ("box", "why"),
    [
        ((0.5, 0.2, 0.5, 0.9), "has no area"),
        ((0.2, 0.3, 0.9, 0.3), "has no area"),
        ((1.2, 0.1, 1.6, 0.5), "outside the picture"),
        ((-2, -2, -1, 0), "outside the picture"),
        ((1, 1, 1, 1), "has no area"),
    ],
)
def test_boxes_that_hold_nothing(dataset, box, why):
    assert why in whole(dataset, Query(item_id="odd/3.png", box=box), "")


def test_a_box_is_cut_at_the_edge_of_the_picture(dataset):
    assert serving.search(
        SearchRequest(Query(item_id="odd/3.png", box=(0.5, -1, 7, 0.5)), "counting.test"), dataset
    ).box == (0.5, 0, 1, 0.5)


def test_the_whole_picture_is_no_part(dataset):
    found = serving.search(
        SearchRequest(Query(item_id="odd/3.png"), "counting.test", crop="whole"), dataset
    )
    assert (found.box, found.crop, found.note) == (None, "whole", "")


def test_an_unknown_detector_is_an_error(dataset):
    with pytest.raises(UserError, match=r"no detector named 'corner'.*corner\.test"):
        serving.search(
            SearchRequest(Query(item_id="odd/3.png"), "counting.test", crop="corner"), dataset
        )


def test_a_loaded_detector_is_kept(corner):
    assert detecting.ready_detector("corner.test") is detecting.ready_detector("corner.test")
    rows = {row["name"]: row for row in detecting.detector_rows()}
    assert rows["whole"]["state"] == "ready"
    assert (
        rows["ssdlite"] | {"state": "download", "bytes": 14_000_000, "named": True}
        == rows["ssdlite"]
    )
