"""A hit explained through the service: the score of the search, the right pictures, and a sentence
where nothing can be told."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.errors import UserError
from core.explainers.base import Map
from core.registry import UnknownName
from core.services.embedding import build, crops
from core.services.explaining import explain as explaining
from core.services.explaining.drawing import png, veiled, whole
from core.services.explaining.explain import explain, methods
from core.services.library import imports, library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import engine, search
from tests.plugged import paint

CATALOGUE = "catalogue"


@pytest.fixture
def catalogue():
    return library.open_dataset(CATALOGUE)


@pytest.mark.parametrize(
    ("encoder", "index"),
    [("hog.8x8", "exact"), ("hsv.12x4x4", "exact"), ("sift.vlad32", "exact"), ("hog.8x8", "lsh")],
)
def test_the_score_is_that_of_the_search(catalogue, encoder, index):
    query = Query(item_id="mug-15-0")
    hit = search(SearchRequest(query, encoder, index, k=3), catalogue).hits[1]
    made = explain(query, catalogue, encoder, hit.id, index=index)
    assert made.score == pytest.approx(hit.cosine, abs=1e-5)
    assert made.method == methods(encoders.get(encoder))[0].name
    assert made.deletion is not None
    assert png(made)[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_own_method_comes_first_and_occlusion_is_always_there(catalogue):
    first = {
        "hog.8x8": "gradients",
        "hsv.12x4x4": "colours",
        "tiny.16x16": "pixels",
        "phash.16x16": "bits",
        "sift.vlad32": "words",
        "siamese.lookalike": "distance",
        "autoencoder.lookalike": "reconstruction",
        "vgg.lookalike": "regions",
        "tf_efficientnet_lite0.in1k": "regions",
        "hog.8x8:pca=16": "occlusion",
        "vgg.lookalike:pca=16": "regions",
    }
    for name, method in first.items():
        known = [one.name for one in methods(encoders.get(name))]
        assert known[0] == method, name
        assert "occlusion" in known
        assert "buckets" not in known
        assert "buckets" in [one.name for one in methods(encoders.get(name), "lsh")]


@pytest.mark.parametrize("reranker", ["geometric", "geometric:matcher=flann"])
def test_hits_that_key_points_verified_show_their_matches(catalogue, reranker):
    """Of any encoder, with the number of inliers as the score, by the re-ranker's own matcher."""
    query = Query(item_id="book-07-0")
    request = SearchRequest(query, "hog.8x8", k=3, reranker=reranker)
    hit = search(request, catalogue).hits[0]
    made = explain(query, catalogue, "hog.8x8", hit.id, "matches", reranker=reranker)
    assert (made.score, made.unit) == (hit.score, "inliers")
    (lines,) = made.explanation.blocks
    assert lines.kept.sum() == made.score > 50
    assert made.deletion.marked > made.deletion.random
    own = explain(query, catalogue, "hog.8x8", hit.id, reranker=reranker)
    assert own.method == "gradients"
    assert own.score == pytest.approx(hit.cosine, abs=1e-5)
    with pytest.raises(UserError, match="These do: gradients, occlusion"):
        explain(query, catalogue, "hog.8x8", hit.id, "matches", reranker="diffusion")


def test_an_index_that_hashes_shows_what_collided(catalogue):
    query = Query(item_id="mug-15-0")
    for index in ("lsh", "hamming", "minhash"):
        hit = search(SearchRequest(query, "hog.8x8", index, k=1), catalogue).hits[0].id
        made = explain(query, catalogue, "hog.8x8", hit, "buckets", index)
        (block,) = made.explanation.blocks
        assert 0.5 < block.equal.mean() <= 1
        assert (block.bands is not None) == (index == "minhash")
        assert made.deletion is None
        if block.bands is not None:
            assert block.bands.any(), "minhash finds only what shares a band"


def test_what_can_not_be_explained_gets_a_sentence(catalogue):
    query = Query(item_id="mug-15-0")
    with pytest.raises(UserError, match="These do: gradients, occlusion"):
        explain(query, catalogue, "hog.8x8", "mug-15-1", "words")
    with pytest.raises(UnknownName, match="no explanation named 'magic'"):
        explain(query, catalogue, "hog.8x8", "mug-15-1", "magic")
    with pytest.raises(UserError, match="has no picture 'mug'"):
        explain(query, catalogue, "hog.8x8", "mug")
    with pytest.raises(UserError, match="These do: gradients"):
        explain(query, catalogue, "hog.8x8", "mug-15-1", "buckets")


def test_imported_vectors_and_a_hit_without_a_vector_are_refused(gallery, tmp_path):
    ids = sorted(path.name for path in gallery.iterdir())
    np.save(tmp_path / "few.npy", np.random.default_rng(0).normal(size=(18, 5)))
    (tmp_path / "few.json").write_text(json.dumps(ids[:18]))
    name = imports.import_vectors(
        str(gallery), "few", str(tmp_path / "few.npy"), str(tmp_path / "few.json")
    )
    dataset = library.open_dataset(str(gallery))
    with pytest.raises(UserError, match="are imported vectors"):
        explain(Query(item_id=ids[0]), dataset, name, ids[1])
    (gallery / ids[19]).write_bytes(b"no picture any more")
    dataset = library.open_dataset(str(gallery))
    build.build(dataset, ["tiny.16x16"])
    with pytest.raises(UserError, match=ids[19]):
        explain(Query(item_id=ids[0]), dataset, "tiny.16x16", ids[19])


def test_a_gallery_of_one_has_no_pairs_but_an_explanation(tmp_path):
    dataset = library.open_dataset(str(paint(tmp_path / "one", ["only.png"])))
    build.build(dataset, ["hog.8x8"])
    made = explain(Query(item_id="only.png"), dataset, "hog.8x8", "only.png")
    assert made.score == pytest.approx(1, abs=1e-5)
    assert explaining.pairs(engine(dataset, "hog.8x8")).startswith("This gallery holds one")


def test_pairs_of_a_gallery_are_the_ones_that_its_labels_say(pictures):
    dataset = library.open_dataset(str(pictures))
    build.build(dataset, ["hsv.12x4x4"])
    known = explaining.pairs(engine(dataset, "hsv.12x4x4"))
    assert known.noun == "the same class"
    assert len(known.same) == 2 * 15
    assert known.weights[0] == 1
    assert known.weights[1] * len(known.different) == pytest.approx(66 - 30)
    assert known.same.max() < known.different.min(), "the two classes have no colour in common"


def test_a_crop_is_explained_as_the_part_that_was_encoded(quarters, corner):
    build.build(quarters, ["tiny.16x16@corner.test"])
    made = explain(Query(item_id="odd/3.png"), quarters, "tiny.16x16@corner.test", "odd/1.png")
    assert made.pictures[0].shape[0] < 64
    assert made.method == "pixels"
    drawn = explain(
        Query(item_id="odd/3.png", box=(0, 0, 0.5, 0.5)), quarters, "tiny.16x16", "odd/1.png"
    )
    assert drawn.pictures[0].shape[:2] == (32, 32)


def test_of_several_objects_the_nearest_is_explained(quarters, corner):
    name = crops.named("tiny.16x16", "corner.test", 2)
    build.build(quarters, [name])
    query = Query(item_id="odd/3.png", box=(0, 0, 0.5, 0.5))
    for hit in search(SearchRequest(query, name, k=4), quarters).hits:
        made = explain(query, quarters, name, hit.id)
        assert made.score == pytest.approx(hit.score, abs=1e-5)
        left, right = encoders.get("tiny.16x16").encode(made.pictures)
        assert float(left @ right) == pytest.approx(hit.score, abs=1e-3), "another part is shown"


def test_a_map_over_a_part_is_laid_on_the_whole_picture():
    made = whole(Map(np.ones((4, 4), np.float32), (0.25, 0.25, 0.75, 0.75)))
    assert made.shape == (8, 8)
    assert made[2:6, 2:6].min() == 1
    assert made[0].max() == made[:, 7].max() == 0
    image = np.full((40, 60, 3), 200, np.uint8)
    shown = np.asarray(veiled(image, Map(np.eye(2, dtype=np.float32)), 60))
    assert shown[5, 5].mean() > shown[5, 55].mean()
    assert np.asarray(veiled(image, None, 60)).shape == (40, 60, 3)
    assert Image.fromarray(shown).size == (60, 40)
