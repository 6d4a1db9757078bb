"""Far from everything: what is usual in a gallery, against the definition written out here, and who
is told."""

from __future__ import annotations

import json
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.services.embedding import usual
from core.services.embedding.build import build
from core.services.library import library
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from core.services.search.result import Hit, SearchResult
from core.types import Item
from tests.plugged import numbered, paint


def unit(count: int, dim: int = 24, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def written_out(vectors: np.ndarray, rows, groups) -> float:
    """The 1st percentile of each picture's best score with a picture of another group, one picture
    at a time."""
    best = []
    for place, row in enumerate(rows):
        others = [
            float(vectors[row] @ vectors[other])
            for at, other in enumerate(rows)
            if groups[at] != groups[place]
        ]
        best += [max(others)] if others else []
    return float(np.percentile(best, 1))


@pytest.mark.parametrize(
    "groups",
    [np.arange(300), np.arange(300) // 30, np.where(np.arange(300) < 40, -1 - np.arange(300), 5)],
)
def test_the_usual_score_is_that_of_the_definition(groups, monkeypatch):
    monkeypatch.setattr(usual, "BLOCK", 64)
    vectors, rows = unit(400), np.random.default_rng(1).permutation(400)[:300]
    assert usual.usual_score(vectors, rows, groups) == pytest.approx(
        written_out(vectors, rows, groups), abs=1e-5
    )


def test_a_large_gallery_is_asked_by_a_sample_that_comes_close(monkeypatch):
    vectors, rows, groups = unit(3000), np.arange(3000), np.arange(3000) // 100
    whole = usual.usual_score(vectors, rows, groups)
    monkeypatch.setattr(usual, "PAIRS", 1000 * 3000)
    sampled = usual.usual_score(vectors, rows, groups)
    assert sampled != whole
    assert sampled == pytest.approx(whole, abs=0.03)
    assert usual.usual_score(vectors, rows, groups) == sampled


def test_too_few_pictures_say_nothing():
    assert usual.usual_score(unit(99), np.arange(99), np.arange(99)) is None
    assert (
        usual.usual_score(unit(200), np.arange(200), np.where(np.arange(200) < 150, 0, 0)) is None
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (({"category": "a", "label": "x"}, {"category": "b", "label": "y"}), "category"),
        (({"category": "a", "label": "x"}, {"category": "a", "label": "y"}), "label"),
        (({"label": "x"}, {"label": "y"}), "label"),
        (({"label": "x"}, {}), ""),
        (({}, {}), ""),
    ],
)
def test_the_class_is_the_category_or_else_the_label(fields, expected):
    assert usual.class_field([Item(str(n), "p", **one) for n, one in enumerate(fields)]) == expected


@pytest.fixture
def gallery(tmp_path):
    """Sixty bluish and sixty reddish pictures, in two classes."""
    rng = np.random.default_rng(0)
    for label, tint in (("cold", (20, 60, 220)), ("warm", (220, 60, 20))):
        (tmp_path / "set" / label).mkdir(parents=True)
        for name in numbered(60):
            noise = rng.integers(0, 30, (24, 24, 3))
            Image.fromarray((np.array(tint) + noise).clip(0, 255).astype(np.uint8)).save(
                tmp_path / "set" / label / name
            )
    return tmp_path / "set"


@pytest.fixture
def dataset(counting, gallery):
    found = library.open_dataset(str(gallery), fresh=True)
    build(found, ["counting.test"])
    return found


def png(tmp_path, colour) -> bytes:
    Image.new("RGB", (24, 24), colour).save(tmp_path / "query.png")
    return (tmp_path / "query.png").read_bytes()


def test_what_lies_farther_than_another_class_is_told_and_what_is_of_the_gallery_is_not(
    dataset, tmp_path
):
    own = serving.search(
        SearchRequest(Query(item_id="cold/00003.png"), "counting.test", k=3), dataset
    )
    assert (own.far, own.notice, own.apart) == (False, None, "label")
    assert own.best == pytest.approx(own.hits[0].score)
    green = serving.search(
        SearchRequest(Query(data=png(tmp_path, (0, 255, 0))), "counting.test", k=3), dataset
    )
    assert green.far
    assert green.usual == own.usual > green.best
    headline, why = green.notice
    assert headline == "Nothing in this gallery is close"
    assert (
        why
        == f"The best score is {green.best:.3f}; even pictures of different classes in the gallery"
        f" usually reach {green.usual:.3f}."
    )
    part = serving.search(
        SearchRequest(
            Query(data=png(tmp_path, (0, 255, 0))), "counting.test", k=3, where=["label=cold"]
        ),
        dataset,
    )
    assert part.notice[0] == "Nothing in this part of the gallery is close"


def test_the_best_hit_is_compared_by_its_cosine_whatever_the_index_says(dataset, tmp_path):
    data = png(tmp_path, (0, 255, 0))
    exact = serving.search(SearchRequest(Query(data=data), "counting.test", k=120), dataset)
    for index in ("hamming", "diffusion"):
        found = serving.search(
            SearchRequest(Query(data=data), "counting.test", index, 120), dataset
        )
        assert (found.usual, found.far) == (exact.usual, True), index
        assert found.best == pytest.approx(exact.best, abs=1e-5), index


def test_it_is_computed_once_and_again_when_classes_change(
    dataset, gallery, artifacts, monkeypatch
):
    first = serving.search(
        SearchRequest(Query(item_id="cold/00003.png"), "counting.test"), dataset
    ).usual
    (entry,) = (artifacts / "cache" / "usual").iterdir()
    told = json.loads((entry / "usual.json").read_text())
    assert (told["score"], told["apart"], told["by"]) == (first, "label", "label")
    assert len(told["random"]) == len(told["near"]) == len(usual.LEVELS)
    assert [row["encoder"] for row in library.cache_rows() if row["kind"] == "usual"] == [
        "counting.test"
    ]
    serving._engines.clear()
    with monkeypatch.context() as patch:
        patch.setattr(usual, "measure", lambda *given: pytest.fail("computed again"))
        assert (
            serving.search(
                SearchRequest(Query(item_id="cold/00003.png"), "counting.test"), dataset
            ).usual
            == first
        )
        assert (
            serving.search(
                SearchRequest(Query(item_id="cold/00003.png"), "counting.test", "hamming"), dataset
            ).usual
            == first
        )
    (gallery / "warm" / "00000.png").unlink()
    fewer = library.open_dataset(str(gallery), fresh=True)
    build(fewer, ["counting.test"])
    assert not entry.exists(), "what it was measured on is gone"
    assert (
        serving.search(SearchRequest(Query(item_id="cold/00003.png"), "counting.test"), fewer).usual
        is not None
    )
    csv = gallery / "list.csv"
    rows = [
        f"{label}/{name},{place % 2}"
        for label in ("cold", "warm")
        for place, name in enumerate(numbered(60)[1:])
    ]
    csv.write_text("path,label\n" + "\n".join(rows))
    relabelled = library.open_dataset(str(csv), fresh=True)
    build(relabelled, ["counting.test"])
    assert (
        serving.search(
            SearchRequest(Query(item_id="cold/00003.png"), "counting.test"), relabelled
        ).usual
        > first
    )


def asked(found):
    return serving.search(SearchRequest(Query(item_id="cold/00003.png"), "counting.test"), found)


def told_of(artifacts) -> dict:
    (entry,) = (artifacts / "cache" / "usual").iterdir()
    return json.loads((entry / "usual.json").read_text())


@pytest.fixture
def built(counting, gallery, artifacts, monkeypatch):
    """Build again: how often what is usual was measured since the start, and what is told now."""
    measured, real = [], usual.measure
    monkeypatch.setattr(usual, "measure", lambda *given: measured.append(1) or real(*given))

    def again():
        build(library.open_dataset(str(gallery), fresh=True), ["counting.test"])
        return len(measured), told_of(artifacts)

    return again


def test_a_large_gallery_of_an_older_build_is_measured_in_the_background(
    dataset, artifacts, monkeypatch
):
    at_once = asked(dataset).usual
    shutil.rmtree(artifacts / "cache" / "usual")
    serving._engines.clear()
    monkeypatch.setattr(usual, "_is_quick", lambda rows: False)
    go, real = threading.Event(), usual.measure

    def held(*given):
        go.wait()
        return real(*given)

    monkeypatch.setattr(usual, "measure", held)
    assert (asked(dataset).usual, asked(dataset).far) == (None, False), "nobody waits for it"
    go.set()
    for thread in threading.enumerate():
        if thread.name.startswith("usual "):
            thread.join()
    assert asked(dataset).usual == at_once


def test_a_large_gallery_keeps_what_is_usual_until_a_fifth_of_it_is_another(
    built, gallery, monkeypatch
):
    monkeypatch.setattr(usual, "_is_quick", lambda rows: False)
    _, first = built()
    paint(gallery / "warm", ["new.png"])
    (gallery / "cold" / "00000.png").unlink()
    assert built() == (1, first), "a few other pictures"
    paint(gallery / "warm", numbered(12), seed=3)
    assert built()[0] == 1, "a tenth of them are others"
    for name in numbered(14, start=12):
        (gallery / "warm" / name).rename(gallery / "cold" / f"from-warm-{name}")
    count, now = built()
    assert count == 2, "a fifth are others, or of another class"
    assert now["rows"] == 120


def test_a_small_gallery_keeps_what_is_usual_until_a_fiftieth_of_it_is_another(built, gallery):
    _, first = built()
    paint(gallery / "warm", ["new.png"])
    (gallery / "cold" / "00000.png").unlink()
    assert built() == (1, first), "one of 120 is another"
    paint(gallery / "warm", ["newer.png"])
    assert built() == (1, first), "121, of which 119 were measured"
    paint(gallery / "warm", numbered(2))
    assert built()[0] == 2, "123: counted from what was measured, not from the last build"


def test_a_cache_that_can_not_be_written_costs_the_notice_and_not_the_answer(dataset, monkeypatch):
    query, real = Query(item_id="cold/00003.png"), usual.store.get_or_build

    def full(kind, *given, **named):
        if kind == usual.KIND:
            raise UserError("The disk is full.")
        return real(kind, *given, **named)

    monkeypatch.setattr(usual.store, "get_or_build", full)
    found = serving.search(SearchRequest(query, "counting.test", k=3), dataset)
    assert len(found.hits) == 3
    assert (found.usual, found.far) == (None, False)


def test_words():
    hits = (Hit(1, "a", "a", None, None, None, None, 0.3, None),)
    told = SearchResult("d", "e", "exact", 1, hits, {}, searched=9, best=0.3, usual=0.4)
    assert (
        told.notice[1]
        == "The best score is 0.300; pictures of the gallery usually find one at 0.400 or more."
    )
    other = SearchResult(
        "d", "e", "diffusion", 1, hits, {}, searched=9, score="diffusion", best=0.3, usual=0.4
    )
    assert other.notice[1].startswith("The best cosine is 0.300; ")
    for best, score in ((None, 0.4), (0.4, 0.4), (0.3, None)):
        assert (
            SearchResult("d", "e", "exact", 1, hits, {}, searched=9, best=best, usual=score).notice
            is None
        )
    few = SearchResult("d", "e", "exact", 3, hits, {}, searched=9, best=0.3, usual=0.4)
    assert few.notice[0] == "1 of 3 pictures were found"
