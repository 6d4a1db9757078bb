"""What a score is worth: percentiles against the definition written out, and the place of a picture
in a full ranking."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.services.embedding import usual
from core.services.embedding.build import build
from core.services.embedding.usual import LEVELS, Calibration
from core.services.library import library
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from core.types import Item
from tests.plugged import numbered
from tests.services.test_far import unit


def test_true_neighbours_are_the_nearest_of_the_same_group():
    vectors, rows, groups = (
        unit(120),
        np.random.default_rng(1).permutation(120)[:90],
        np.arange(90) // 3,
    )
    told = usual.measure(vectors, rows, np.arange(90), groups)
    best = []
    for place, row in enumerate(rows):
        best.append(
            max(
                vectors[row] @ vectors[rows[o]]
                for o in range(90)
                if groups[o] == groups[place] and o != place
            )
        )
    assert told["near"] == pytest.approx(np.percentile(best, LEVELS), abs=1e-4)


def test_without_groups_the_nearest_picture_counts_and_a_lone_one_asks_nobody():
    vectors, rows = unit(50), np.arange(50)
    scores = vectors @ vectors.T
    np.fill_diagonal(scores, -2)
    told = usual.measure(vectors, rows, np.arange(50), None)
    assert told["near"] == pytest.approx(np.percentile(scores.max(axis=1), LEVELS), abs=1e-4)
    lone = usual.measure(vectors, rows, np.arange(50), np.arange(50))
    assert (lone["near"], lone["random"]) == (None, None)


def test_random_pairs_are_pairs_of_different_pictures_of_the_gallery():
    vectors, rows = unit(400), np.arange(0, 400, 2)
    scores = (vectors[rows] @ vectors[rows].T)[np.triu_indices(200, 1)]
    drawn = usual.random_scores(vectors, rows)
    assert len(drawn) == usual.RANDOM_PAIRS
    assert drawn.max() < 0.9999
    assert np.percentile(drawn, [5, 50, 95]) == pytest.approx(
        np.percentile(scores, [5, 50, 95]), abs=0.02
    )
    assert np.array_equal(drawn, usual.random_scores(vectors, rows))


def test_a_bar_goes_from_random_pairs_to_true_neighbours():
    known = Calibration(
        usual.percentiles(np.linspace(0, 0.4, 1001)), usual.percentiles(np.linspace(0.6, 0.8, 1001))
    )
    assert known.share(0.2) == pytest.approx(0, abs=1e-4)
    assert known.share(-1) == 0
    assert known.share(0.79) == pytest.approx(1)
    assert known.share(1.0) == 1
    assert known.share(0.2 + 0.59 / 2) == pytest.approx(0.5, abs=1e-3)
    assert known.usual == pytest.approx((0.7 - 0.2) / 0.59, abs=1e-3)
    assert known.above_random(0.3) == pytest.approx(75, abs=0.1)
    assert known.above_random(0.9) == 100
    assert known.above_near(0.65) == pytest.approx(25, abs=0.1)
    assert known.above_near(0.5) == 0


def test_an_encoder_that_tells_nothing_apart_has_no_half_full_bars():
    same = Calibration((0.5,) * len(LEVELS), (0.5,) * len(LEVELS))
    assert (same.share(0.4), same.share(0.6)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda n: {"instance": str(n // 2), "label": "x"}, "instance"),
        (lambda n: {"instance": str(n), "label": str(n % 2)}, "label"),
        (lambda n: {"category": "c"}, "category"),
        (lambda n: {"instance": str(n)}, ""),
    ],
)
def test_the_finest_field_that_pictures_share_makes_true_neighbours(make, expected):
    assert usual.true_field([Item(str(n), "p", **make(n)) for n in range(20)]) == expected
    assert usual.true_field([Item(str(n), "p", **make(n)) for n in range(4)]) == ""


@pytest.fixture
def dataset(counting, tmp_path):
    """Forty pictures from blue to red, in two classes."""
    for place, name in enumerate(numbered(40)):
        label = "cold" if place < 20 else "warm"
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (24, 24), (20 + 5 * place, 60, 220 - 5 * place)).save(
            tmp_path / "set" / label / name
        )
    found = library.open_dataset(str(tmp_path / "set"), fresh=True)
    build(found, ["counting.test"])
    return found


@pytest.mark.parametrize("where", [(), ("label=cold",)])
def test_the_place_of_a_picture_is_its_rank_in_the_whole_answer(dataset, where):
    query = Query(item_id="cold/00003.png")
    answer = serving.search(SearchRequest(query, "counting.test", k=39, where=where), dataset)
    for hit in answer.hits[::5]:
        found = serving.place(SearchRequest(query, "counting.test", where=where), dataset, hit.id)
        assert found.rank == hit.rank
        assert found.cosine == pytest.approx(hit.score, abs=1e-5)
        assert hit.cosine == pytest.approx(hit.score, abs=1e-5)


def test_a_copy_of_the_query_takes_no_rank(dataset):
    data = dataset.read(dataset.items[dataset.rows["cold/00003.png"]])
    first = serving.search(SearchRequest(Query(data=data), "counting.test", k=1), dataset).hits[0]
    request = SearchRequest(Query(data=data), "counting.test")
    assert serving.place(request, dataset, first.id).rank == 1


def test_a_picture_outside_of_what_is_searched_has_no_place(dataset):
    query = Query(item_id="cold/00003.png")
    request = SearchRequest(query, "counting.test", where=["label=cold"])
    with pytest.raises(UserError, match="not in what is searched"):
        serving.place(request, dataset, "warm/00030.png")


def test_an_index_whose_scores_are_no_cosines_gives_them_beside(dataset):
    out = io.BytesIO()
    Image.new("RGB", (24, 24), (30, 70, 200)).save(out, "PNG")
    query = Query(data=out.getvalue())
    exact = {
        hit.id: hit.cosine
        for hit in serving.search(SearchRequest(query, "counting.test", k=40), dataset).hits
    }
    found = serving.search(SearchRequest(query, "counting.test", "diffusion", 20), dataset)
    assert [hit.cosine for hit in found.hits] == pytest.approx(
        [exact[hit.id] for hit in found.hits], abs=1e-5
    )
    assert found.calibration.by == "label"
