"""Encoders that learn from the gallery first, and encoders made from others."""

from __future__ import annotations

import numpy as np
import pytest

from core import store
from core.encoders.base import encoders
from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.bound import gallery_vectors, is_built, prepared
from core.services.embedding.build import build
from core.services.library import library
from core.services.search import serving
from core.services.search.request import SearchRequest
from tests.plugged import numbered, paint


def built(folder, name="fitted.test"):
    dataset = library.open_dataset(str(folder), fresh=True)
    (row,) = build(dataset, [name])
    return dataset, row


def test_a_fit_is_made_once_and_queries_use_it(fitted, gallery):
    dataset, row = built(gallery)
    assert fitted.fits == [20]
    assert row.encoded == 20
    built(gallery)
    answer = serving.search(
        SearchRequest(serving.Query(item_id="00003.png"), "fitted.test", k=1, include_self=True),
        dataset,
    )
    assert answer.hits[0].id == "00003.png"
    assert answer.hits[0].score == pytest.approx(1.0)
    assert fitted.fits == [20]


def test_progress_counts_the_pictures_of_the_fit_and_then_those_that_follow(fitted, gallery):
    told: list[tuple[int, int]] = []
    dataset = library.open_dataset(str(gallery), fresh=True)
    build(dataset, ["fitted.test"], progress=lambda *step: told.append(step) or True)
    pictures = [done for done, total in told if total == 20]
    again = pictures.index(20) + 1
    looked, encoded = pictures[:again], pictures[again:]
    assert looked == sorted(looked)
    assert encoded[0] == 0, "what is counted next begins anew"
    assert encoded[-1] == 20
    told.clear()
    paint(gallery, ["new.png"])
    build(library.open_dataset(str(gallery), fresh=True), ["fitted.test"],
          progress=lambda *step: told.append(step) or True)  # fmt: skip
    assert (1, 1) in told, "a fit that is there counts nothing"


def test_a_fit_is_kept_while_the_gallery_grows_a_little(fitted, gallery):
    built(gallery)
    paint(gallery, ["new.png"])
    fitted.seen.clear()
    _, row = built(gallery)
    assert fitted.fits == [20]
    assert row.encoded == len(fitted.seen) == 1


@pytest.mark.parametrize("count", [40, 10])
def test_a_fit_is_made_again_when_the_gallery_has_doubled_or_halved(fitted, gallery, count):
    built(gallery)
    for path in sorted(gallery.iterdir())[count:]:
        path.unlink()
    paint(gallery, numbered(count))
    dataset, row = built(gallery)
    assert fitted.fits == [20, count]
    assert row.encoded == count, "vectors of the old fit are of no use"
    assert (
        len(store.entries("fits"))
        == len(store.entries("embeddings"))
        == len(store.entries("indexes"))
        == 1
    )
    assert is_built(dataset, "fitted.test")


def test_a_fit_looks_at_the_gallery_and_never_at_queries(fitted, tmp_path):
    names = [f"train/a/{n}" for n in numbered(12)] + [f"test/a/{n}" for n in numbered(30, start=50)]
    built(paint(tmp_path / "set", names))
    assert fitted.fits == [12]


def test_a_search_never_fits(fitted, gallery):
    dataset = library.open_dataset(str(gallery))
    assert not is_built(dataset, "fitted.test")
    with pytest.raises(UserError, match="no embeddings"):
        serving.search(SearchRequest(serving.Query(item_id="00003.png"), "fitted.test"), dataset)
    assert fitted.fits == []


def test_a_gallery_in_which_nothing_can_be_used_can_not_be_fitted(fitted, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"x")
    with pytest.raises(UserError, match="can't be fitted"):
        built(folder)


def test_a_whitened_encoder_encodes_no_picture_twice(counting, gallery):
    built(gallery, "counting.test")
    counting.seen.clear()
    dataset, row = built(gallery, "counting.test:pca=8")
    assert counting.seen == []
    assert (row.pictures, row.encoded) == (20, 0)
    encoder = prepared(dataset, "counting.test:pca=8").loaded()
    found = stored.read(dataset, encoder)
    assert found.vectors.shape == (20, 8)
    base = gallery_vectors(dataset, prepared(dataset, "counting.test").loaded())
    fit = encoders.get("counting.test:pca=8").fit(base)
    expected = (np.asarray(base) - fit["mean"]) @ fit["axes"].T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-5)


def test_a_whitened_encoder_builds_its_base_and_answers(counting, gallery):
    dataset, _ = built(gallery, "counting.test:pca=8")
    assert len(counting.seen) == 20
    assert is_built(dataset, "counting.test"), "the base is there as well"
    query = serving.Query(data=(gallery / "00003.png").read_bytes())
    answer = serving.search(
        SearchRequest(query, "counting.test:pca=8", k=1, include_self=True), dataset
    )
    assert answer.hits[0].id == "00003.png"
    assert answer.hits[0].score == pytest.approx(1.0, abs=1e-5)


def test_whitening_of_an_encoder_that_has_to_be_fitted_too(fitted, gallery):
    dataset, row = built(gallery, "fitted.test:pca=4")
    assert fitted.fits == [20]
    assert row.pictures == 20
    answer = serving.search(
        SearchRequest(
            serving.Query(item_id="00003.png"), "fitted.test:pca=4", k=1, include_self=True
        ),
        dataset,
    )
    assert answer.hits[0].score == pytest.approx(1.0, abs=1e-5)


def test_new_pictures_pass_through_the_kept_whitening(counting, gallery):
    built(gallery, "counting.test:pca=8")
    paint(gallery, ["new.png"])
    counting.seen.clear()
    _, row = built(gallery, "counting.test:pca=8")
    assert row.pictures == 21
    assert len(counting.seen) == 1
    assert len(store.entries("embeddings")) == 2, "one of the base, one whitened"


def test_one_encoder_spelt_twice_is_built_once(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    rows = build(
        dataset, ["counting.test", "counting.test", "counting.test:pca=8", "counting.test: pca=8"]
    )
    assert [row.encoder for row in rows] == ["counting.test", "counting.test:pca=8"]
    assert len(counting.seen) == 20
