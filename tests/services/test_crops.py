"""Galleries of crops: encoders NAME@DETECTOR, with keys of their own, built once, and searched with
cropped queries."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.errors import UserError
from core.services.embedding import build, crops, stored
from core.services.embedding.bound import is_built, prepared
from core.services.evaluation.audit import audit
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.fused import first_hits
from core.services.library import library
from core.services.search import serving
from core.services.search.request import Query, SearchRequest

NAME = "tiny.16x16@corner.test"
pytestmark = pytest.mark.usefixtures("corner")


@pytest.fixture
def dataset(quarters):
    build.build(quarters, [NAME])
    return quarters


def rows(dataset, name: str) -> np.ndarray:
    return np.asarray(stored.read(dataset, prepared(dataset, name).loaded()).vectors)


def test_vectors_are_those_of_the_cropped_pictures(dataset):
    pictures = [np.asarray(Image.open(item.path)) for item in dataset.items]
    wanted = encoders.get("tiny.16x16").encode(
        [picture[39:60, 39:60] for picture in pictures]
    )  # .6125 to .9375 of 64 pixels
    np.testing.assert_allclose(rows(dataset, NAME), wanted, atol=1e-6)
    assert not np.allclose(rows(dataset, "tiny.16x16"), wanted, atol=1e-2)


def test_it_is_built_once_and_listed(dataset, corner):
    looked = len(corner.seen)
    assert looked == len(dataset.items)
    (again,) = build.build(dataset, [NAME])
    assert (again.encoded, again.encoder, len(corner.seen)) == (0, NAME, looked)
    assert NAME in encoders.names()
    made = encoders.get(NAME)
    assert made.title.endswith(", crops (Corner)")
    assert made.state().kind == "ready"


def test_two_encoders_of_one_pass_share_one_look(quarters, corner):
    build.build(quarters, ["counting.test@corner.test"])
    assert len(corner.seen) == len(quarters.items)


@pytest.mark.parametrize("change", ["version", "name"])
def test_another_detector_is_another_gallery(dataset, corner, monkeypatch, change):
    before = prepared(dataset, NAME).encoder.fingerprint()
    assert before != prepared(dataset, "tiny.16x16").encoder.fingerprint()
    if change == "version":
        monkeypatch.setattr(corner, "version", 2)
        assert prepared(dataset, NAME).encoder.fingerprint() != before
        assert not is_built(dataset, NAME)
    else:
        assert prepared(dataset, "tiny.16x16@whole").encoder.fingerprint() != before


def test_a_query_is_cropped_as_the_gallery_is(dataset, tmp_path):
    found = serving.search(
        SearchRequest(Query(item_id="odd/3.png"), NAME, k=8, include_self=True), dataset
    )
    assert (found.hits[0].id, found.hits[0].score) == ("odd/3.png", pytest.approx(1.0, abs=1e-6))
    assert (found.encoder, found.crop, found.box) == (
        NAME,
        "corner.test",
        pytest.approx((0.6125, 0.6125, 0.9375, 0.9375)),
    )
    assert list(found.timing_ms) == ["decode", "detect", "preprocess", "encode", "search"]
    data = (tmp_path / "quarters" / "odd" / "3.png").read_bytes()
    brought = serving.search(SearchRequest(Query(data=data), NAME, k=8), dataset)
    assert [hit.id for hit in brought.hits if hit.identical] == ["odd/3.png"]
    assert [hit.score for hit in brought.hits] == pytest.approx([hit.score for hit in found.hits])


def test_a_drawn_box_is_not_cropped_again(dataset, corner):
    looked = len(corner.seen)
    box = (0.5, 0.5, 1.0, 1.0)
    found = serving.search(
        SearchRequest(Query(item_id="odd/3.png", box=box), NAME, k=8, include_self=True), dataset
    )
    assert (found.box, found.crop, len(corner.seen)) == (box, "", looked)
    assert (found.hits[0].id, found.hits[0].score) == ("odd/3.png", pytest.approx(1.0, abs=1e-3)), (
        "one colour, a pixel more"
    )


def test_pictures_with_nothing_to_find_are_encoded_whole(quarters, tmp_path, counting):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "quarters" / "odd" / "plain.png")
    dataset = library.open_dataset(str(tmp_path / "quarters"), fresh=True)
    build.build(dataset, [NAME, "tiny.16x16"])
    row = [item.id for item in dataset.items].index("odd/plain.png")
    np.testing.assert_allclose(
        rows(dataset, NAME)[row], rows(dataset, "tiny.16x16")[row], atol=1e-6
    )


def test_a_fit_is_learnt_from_crops(quarters, fitted):
    build.build(quarters, ["fitted.test", "fitted.test@corner.test"])
    assert len(fitted.fits) == 2
    whole, cropped = (
        prepared(quarters, name).loaded().mean
        for name in ("fitted.test", "fitted.test@corner.test")
    )
    assert not np.allclose(whole, cropped)


def test_names(quarters):
    assert crops.named("tiny.16x16", "corner.test") == NAME
    assert crops.named(NAME, "corner.test") == NAME
    with pytest.raises(UserError, match="no detector named 'nothing'"):
        crops.named("tiny.16x16", "nothing")
    with pytest.raises(UserError, match=r"no encoder named 'tiny\.16x16@nothing'"):
        encoders.get("tiny.16x16@nothing")
    with pytest.raises(
        UserError, match=r"sees no pictures: its vectors are made from those of hsv\.12x4x4"
    ):
        encoders.get("hsv.12x4x4:pca=16@corner.test")


def by_hand(dataset, asking: np.ndarray, gallery: np.ndarray) -> float:
    """mAP of the protocol class: every picture asks all others, relevant = same class."""
    labels, found = np.array([item.label for item in dataset.items]), []
    for row, vector in enumerate(asking):
        others = np.delete(np.arange(len(labels)), row)
        order = others[np.argsort(-(gallery[others] @ vector), kind="stable")]
        right = labels[order] == labels[row]
        found.append((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())
    return float(np.mean(found))


def test_evaluation_asks_with_crops_and_searches_whole_pictures(dataset):
    names = ["tiny.16x16", NAME]
    cropped = evaluate("test", [dataset], names, crop="corner.test", timed=False)
    whole = evaluate("test", [dataset], names, timed=False)
    means = {
        (cell.protocol, cell.encoder): cell.means()["mAP"]
        for cell in (*cropped.cells, *whole.cells)
    }
    plain, crop = rows(dataset, "tiny.16x16"), rows(dataset, NAME)
    assert means == {
        ("class@corner.test", "tiny.16x16"): pytest.approx(by_hand(dataset, crop, plain)),
        ("class@corner.test", NAME): pytest.approx(by_hand(dataset, crop, crop)),
        ("class", "tiny.16x16"): pytest.approx(by_hand(dataset, plain, plain)),
        ("class", NAME): pytest.approx(by_hand(dataset, crop, crop)),
    }
    assert len(set(means.values())) == 3
    assert "the main box is asked with (Corner)" in cropped.cells[0].card["relevant"]


def test_approximate_indexes_are_asked_with_crops_too(dataset):
    exact, approximate = evaluate(
        "test", [dataset], ["tiny.16x16"], ["exact", "hnsw"], crop="corner.test", timed=False
    ).cells
    assert approximate.means()["hit@1"] == exact.means()["hit@1"]
    np.testing.assert_array_equal(approximate.scores["hit@1"], exact.scores["hit@1"])


def test_what_is_shown_beside_the_figures_is_of_crops(dataset):
    whole, cropped = (
        first_hits(dataset, "tiny.16x16", name, ["odd/3.png"], 7)["odd/3.png"]
        for name in ("class", "class@corner.test")
    )
    order = np.argsort(
        -(rows(dataset, "tiny.16x16") @ rows(dataset, NAME)[dataset.rows["odd/3.png"]]),
        kind="stable",
    )
    assert [id for id, _ in cropped.hits] == [
        dataset.items[row].id for row in order if dataset.items[row].id != "odd/3.png"
    ]
    assert whole.hits != cropped.hits
    assert (
        audit(dataset, "tiny.16x16", "odd/3.png", "class@corner.test").shown[0][0]
        == cropped.hits[0][0]
    )


def test_encoders_that_can_not_see_are_left_out(dataset):
    report = evaluate(
        "test", [dataset], ["tiny.16x16", "hsv.12x4x4:pca=4"], crop="corner.test", timed=False
    )
    assert [cell.encoder for cell in report.cells] == ["tiny.16x16"]
    assert "sees no pictures" in report.left_out[0]
    with pytest.raises(UserError, match="no detector named 'nothing'"):
        evaluate("test", [dataset], ["tiny.16x16"], crop="nothing", timed=False)
