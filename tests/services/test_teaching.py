"""The numbers of the lessons are those of the system."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.metrics import definitions
from core.services.evaluation.reports import Report, find
from core.services.index_lab import collisions
from core.services.index_lab.view import query_view
from core.services.library import library
from core.services.maps import maps
from core.services.maps.maps import Wanted
from core.services.search.request import Query, SearchRequest
from core.services.search.search import search
from core.services.teaching import contests, geometry, hashes, knn, lists
from core.services.teaching.contests import Contender

QUERIES = ["mug-15-0", "car-15-4", "sneaker-15-1"]
HALF = 1e-3
"""Shipped scores are kept in half precision."""


@pytest.fixture(scope="module")
def gallery():
    return library.open_dataset("catalogue")


@pytest.fixture(scope="module")
def board():
    return Report.load(find("leaderboard"))


def shipped(board: Report, encoder: str, protocol: str, metric: str) -> dict[str, float]:
    cell = next(one for one in board.cells if one.name == ("catalogue", protocol, encoder, "exact"))
    return dict(zip(cell.queries.tolist(), cell.scores[metric].tolist(), strict=True))


def test_the_first_rank_of_a_product_is_that_of_a_search(gallery):
    [result] = contests.play(gallery, [Contender("tiny.16x16")], "first", QUERIES[0], 5)
    answer = search(SearchRequest(Query(item_id=QUERIES[0]), "tiny.16x16", k=1000), gallery)
    ranks = [hit.rank for hit in answer.hits if hit.verdict == "same"]
    assert result.value == ranks[0]
    alike = {hit.id: hit.verdict for hit in answer.hits[:8]}  # equal to half precision: any order
    assert {hit.id: hit.verdict for hit in result.hits}.items() <= alike.items()
    assert result.hits[0].id == answer.hits[0].id
    assert result.won == (ranks[0] == 1)


def test_average_precision_is_that_of_the_leaderboard(gallery, board):
    known = shipped(board, "hog.8x8", "instance", "mAP")
    got = contests.precisions(gallery, "hog.8x8", QUERIES)
    assert got == pytest.approx([known[query] for query in QUERIES], abs=HALF)


def test_a_sample_is_a_mean_over_whole_products(gallery, board):
    ids = contests.sampled(gallery, 3)
    assert len({gallery.items[gallery.rows[id]].instance for id in ids}) == contests.PRODUCTS
    assert len(ids) == 8 * contests.PRODUCTS
    known = shipped(board, "hog.8x8", "instance", "mAP")
    [result] = contests.play(gallery, [Contender("hog.8x8")], "sample", "sample:3")
    assert result.value == pytest.approx(np.mean([known[id] for id in ids]), abs=HALF)


def test_what_an_index_keeps_is_what_the_lab_shows(gallery):
    for spec in ("ivf_flat:nprobe=1", "lsh:bits=64,rerank=1"):
        [result] = contests.play(gallery, [Contender("hog.8x8", spec)], "kept", QUERIES[1], 10)
        shown = query_view(gallery, "hog.8x8", spec, QUERIES[1], 10)
        assert result.value == pytest.approx(shown.recall)
        assert {hit.id for hit in result.hits if hit.missed} == {one.id for one in shown.ghosts}


def test_what_a_map_keeps_is_its_own_measure(gallery):
    made = maps.read(gallery, Wanted("hog.8x8", "umap"))
    [result] = contests.play(gallery, [Contender("hog.8x8", "umap")], "map", QUERIES[2], 10)
    assert result.value == pytest.approx(made.kept[made.ids.index(QUERIES[2])], abs=HALF)


def test_all_who_reach_the_best_value_win(gallery):
    pair = [Contender("hog.8x8"), Contender("tiny.16x16"), Contender("hog.8x8")]
    one, other, same = contests.play(gallery, pair, "AP", QUERIES[0])
    assert one.won == same.won != other.won


def test_a_contest_that_is_none_is_refused(gallery):
    with pytest.raises(UserError, match="measure 'luck'"):
        contests.play(gallery, [Contender("hog.8x8")], "luck", QUERIES[0])
    with pytest.raises(UserError, match="no picture 'nothing'"):
        contests.play(gallery, [Contender("hog.8x8")], "first", "nothing")
    with pytest.raises(UserError, match="agree on every query"):
        contests.rounds(gallery, [Contender("hog.8x8"), Contender("hog.8x8")], "AP")


def test_neighbours_vote_as_the_metric_counts(gallery, board):
    known = shipped(board, "hog.8x8", "category", "accuracy@10")
    telling = knn.telling(gallery, "hog.8x8")
    assert len(telling) >= 5
    for query in [*QUERIES, *telling]:
        found = knn.vote(gallery, "hog.8x8", query, 10)
        assert found.right == bool(known[query])
        assert sum(votes for _, votes in found.votes) == len(found.hits) == 10


def test_telling_lists_can_be_put_in_a_better_order(gallery):
    for query in lists.telling(gallery, "resnet.lookalike")[:3]:
        found = lists.listed(gallery, "resnet.lookalike", query)
        best = sorted(found.right, reverse=True)
        assert found.relevant == 7
        now, better = (
            lists.scored(right, found.relevant).values["mAP"] for right in (found.right, best)
        )
        assert now < better


def test_a_list_is_scored_by_the_metrics_of_the_system():
    right = (True, False, True, False, False, False, False, False, False, True)
    made = lists.scored(right, 4)
    audited = {
        one.name: value
        for one, value, _ in definitions.audit(definitions.List((1, 3, 10), 4, 10), 10)
    }
    assert made.values["mAP"] == pytest.approx((1 / 1 + 2 / 3 + 3 / 10) / 4)
    assert made.values["mAP"] == pytest.approx(audited["AP"])
    assert made.values["nDCG@10"] == pytest.approx(audited["nDCG@K"])
    assert made.values["precision@5"] == pytest.approx(2 / 5)
    assert made.values["hit@1"] == made.values["MRR"] == 1
    assert made.steps["mAP"].startswith("(1/1 + 2/3 + 3/10) / 4")


def test_vectors_of_length_one_are_ordered_alike_by_every_measure():
    rng = np.random.default_rng(1)
    for _ in range(50):
        vectors = geometry.normalised(rng.normal(size=(6, 2)))
        near = geometry.nearness(vectors[0], vectors[1:])
        assert near.agree
        np.testing.assert_allclose(near.distance**2, 2 - 2 * near.cosine, atol=1e-6)


def test_vectors_of_other_lengths_need_not_be():
    near = geometry.nearness((1, 0), [(0.9, 0.1), (3, 2)])
    assert near.orders == {"product": [1, 0], "distance": [0, 1], "cosine": [0, 1]}
    assert near.product.tolist() == pytest.approx([0.9, 3.0])
    assert not near.agree


def test_the_chance_at_the_students_point_is_the_curve_of_the_lab(gallery):
    found = hashes.hashed(gallery, "hog.8x8", "lsh", QUERIES[0], 64, 8, 0.5)
    bit, band = hashes.chance(found, 0.8)
    assert bit == pytest.approx(1 - np.arccos(0.8) / np.pi)
    assert band == pytest.approx(1 - (1 - bit**8) ** 8)
    assert band == pytest.approx(np.interp(0.8, found.similarity, found.probability), abs=1e-3)
    assert len(found.pairs) == 2 * hashes.SHOWN
    minhash = hashes.hashed(gallery, "hog.8x8", "minhash", QUERIES[0], 64, 8, 0.5)
    assert hashes.chance(minhash, 0.3) == (
        0.3,
        pytest.approx(float(collisions.meet("minhash", 0.3, minhash.rows, minhash.bands))),
    )
