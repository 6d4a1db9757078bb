"""Galleries of several objects a picture: each is found by its best one, once, with its frame."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.detectors.base import Box, with_margin
from core.encoders.base import encoders
from core.errors import UserError
from core.images import crop
from core.services.embedding import build, crops, stored
from core.services.embedding.bound import prepared
from core.services.evaluation.evaluate import evaluate
from core.services.search import serving
from core.services.search.request import Query, SearchRequest

NAME = "tiny.16x16@corner.test:2"
UPPER, LOWER = (0.1, 0.1, 0.2, 0.2), (0.65, 0.65, 0.9, 0.9)
pytestmark = pytest.mark.usefixtures("corner")


@pytest.fixture
def dataset(quarters):
    build.build(quarters, [NAME])
    return quarters


def part(item, edges) -> np.ndarray:
    """What of a picture is encoded for a box."""
    image = np.asarray(Image.open(item.path))
    return crop(image, with_margin(Box(*edges), image.shape[1::-1]).edges)


def ask(dataset, data=None, **more):
    return serving.search(SearchRequest(Query(**(data or {})), NAME, **more), dataset)


def test_every_object_is_kept_with_its_edges_the_main_one_first(dataset):
    found = stored.read(dataset, prepared(dataset, NAME).encoder)
    rows, places = found.parts.there(np.arange(len(found.ids)))
    assert (rows.tolist(), places.tolist()) == (np.repeat(np.arange(8), 2).tolist(), [0, 1] * 8)
    np.testing.assert_allclose(found.parts.edges()[:, 0], [LOWER] * 8, atol=1e-6)
    np.testing.assert_allclose(found.parts.edges()[:, 1], [UPPER] * 8, atol=1e-6)
    plain = encoders.get("tiny.16x16")
    for place, edges in enumerate((LOWER, UPPER)):
        wanted = plain.encode([part(item, edges) for item in dataset.items])
        at = np.full(8, place)
        np.testing.assert_allclose(found.parts.vectors(np.arange(8), at), wanted, atol=1e-6)
    np.testing.assert_array_equal(
        found.vectors, found.parts.vectors(np.arange(8), np.zeros(8, int))
    )


@pytest.mark.parametrize(("edges", "index"), [(LOWER, "exact"), (UPPER, "exact"), (UPPER, "hnsw")])
def test_a_picture_is_found_once_by_the_object_that_is_like_the_query(dataset, edges, index):
    wanted = dataset.items[5]
    box = with_margin(Box(*edges), (64, 64)).edges
    found = ask(dataset, {"data": dataset.read(wanted), "box": box}, k=8, index=index)
    assert (found.hits[0].id, found.hits[0].score) == (wanted.id, pytest.approx(1.0, abs=1e-5))
    assert found.hits[0].frame == pytest.approx(edges, abs=1e-4)
    assert sorted(hit.id for hit in found.hits) == sorted(item.id for item in dataset.items)
    assert found.searched == 8
    assert [hit.score for hit in found.hits] == sorted((h.score for h in found.hits), reverse=True)


def test_scores_are_the_best_of_both_objects(dataset):
    held = stored.read(dataset, prepared(dataset, NAME).encoder)
    query, rows = Query(data=dataset.read(dataset.items[2]), box=UPPER), np.arange(8)
    image = np.asarray(Image.open(dataset.items[2].path))
    vector = encoders.get("tiny.16x16").encode([crop(image, UPPER)])[0]
    wanted = np.maximum(*(held.parts.vectors(rows, np.full(8, place)) @ vector for place in (0, 1)))
    hits = serving.search(SearchRequest(query, NAME, k=8), dataset).hits
    for hit in hits:
        assert hit.cosine == pytest.approx(wanted[held.ids.index(hit.id)], abs=1e-5)
        assert serving.place(SearchRequest(query, NAME), dataset, hit.id).rank == hit.rank


def test_the_query_leaves_itself_out_and_filters_hold(dataset):
    own = dataset.items[0].id
    found = ask(dataset, {"item_id": own}, k=8)
    assert (found.left_out, len(found.hits), found.searched) == (own, 7, 7)
    only = ask(dataset, {"item_id": own}, k=8, where=["label=odd"])
    assert {hit.label for hit in only.hits} == {"odd"}
    assert only.searched == 4
    assert len(ask(dataset, {"item_id": own}, k=2).hits) == 2


def test_pictures_with_fewer_objects_have_fewer_rows(quarters, corner, monkeypatch):
    monkeypatch.setattr(corner, "finds", ())
    build.build(quarters, [NAME])
    found = ask(quarters, {"item_id": quarters.items[0].id}, k=8)
    assert len(found.hits) == 7
    assert all(hit.frame is None for hit in found.hits), (
        "where nothing is found all of it is searched"
    )
    held = stored.read(quarters, prepared(quarters, NAME).encoder)
    assert len(held.parts.there(np.arange(8))[0]) == 8


def test_it_is_an_encoder_of_its_own_with_names_that_say_how_many(dataset):
    assert crops.named("tiny.16x16", "corner.test", 2) == NAME
    assert NAME in encoders.names()
    one, two = (prepared(dataset, name).encoder for name in (NAME.removesuffix(":2"), NAME))
    assert one.fingerprint() != two.fingerprint()
    assert two.title.endswith(", 2 objects (Corner)")
    for wrong in (":1", ":0", ":10", ":", ":x", ":2:2"):
        with pytest.raises(UserError):
            encoders.get(f"tiny.16x16@corner.test{wrong}")
    with pytest.raises(UserError, match=r"12 objects a picture.*2 to 9"):
        crops.named("tiny.16x16", "corner.test", 12)


def test_an_evaluation_goes_by_the_main_object(dataset):
    build.build(dataset, [NAME.removesuffix(":2")])
    names = [NAME, NAME.removesuffix(":2")]
    report = evaluate("test", [dataset], names, ["exact", "hnsw"], timed=False)
    assert len(report.cells) == 4
    for one in report.cells[1:]:
        np.testing.assert_allclose(one.scores["hit@1"], report.cells[0].scores["hit@1"])
