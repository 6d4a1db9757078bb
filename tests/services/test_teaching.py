"""The numbers of the lessons are those of the system."""

from __future__ import annotations

import numpy as np
import pytest

from core import keypoints
from core.errors import UserError
from core.metrics import definitions, statistics
from core.services.embedding.bound import bound
from core.services.evaluation import perturb
from core.services.evaluation.reports import Report, find
from core.services.index_lab import buckets
from core.services.index_lab.view import query_view
from core.services.library import library
from core.services.maps import maps, views
from core.services.maps.maps import Wanted
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from core.services.teaching import (
    approximate,
    attention,
    certainty,
    codes,
    contests,
    geometry,
    hashes,
    knn,
    layers,
    lists,
    pictures,
    pixels,
    plane,
    points,
    triplets,
    tuning,
)
from core.services.teaching import board as board_service
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
        pytest.approx(float(buckets.meet("minhash", 0.3, minhash.rows, minhash.bands))),
    )


def test_means_of_the_words_are_those_of_the_leaderboard(gallery, board):
    known = shipped(board, "hog.8x8", "instance", "hit@1")
    assert board_service.mean(gallery, "hog.8x8", "hit@1") == pytest.approx(
        np.mean([*known.values()]), abs=HALF
    )


def test_means_are_evaluated_where_no_leaderboard_is(gallery, board, monkeypatch):
    said = board_service.mean(gallery, "hog.8x8", "mAP")
    monkeypatch.setattr(board_service, "_rows", list)
    assert board_service.mean(gallery, "hog.8x8", "mAP") == pytest.approx(said, abs=HALF)


def test_a_changed_picture_is_found_as_the_robustness_study_finds_it(gallery):
    _, outcomes = perturb.live(gallery, QUERIES[0], "rotate", 90, ["hog.8x8", "tiny.16x16"])
    found = pixels.kept(gallery, QUERIES[0], "rotate", 0.5, ("hog.8x8", "tiny.16x16"))
    for ours, theirs in zip(found, outcomes, strict=True):
        assert (ours.rank, ours.cosine) == (theirs.rank, pytest.approx(theirs.cosine, abs=1e-6))


def test_an_unchanged_picture_is_found_first(gallery):
    for kind in pictures.CHANGES:
        [one] = pixels.kept(gallery, QUERIES[0], kind, 0.0, ("hsv.12x4x4",))
        assert one.rank == 1
        assert one.cosine == pytest.approx(1, abs=1e-3)


def test_the_histogram_forgives_a_move_and_the_tiny_image_does_not(gallery):
    tiny, colour = pixels.kept(gallery, QUERIES[0], "move", 0.5, ("tiny.16x16", "hsv.12x4x4"))
    assert colour.cosine > tiny.cosine
    seen = pixels.seen(gallery, QUERIES[0], "move", 0.5)
    shares = [share for _, share in seen.colours]
    assert sum(shares) <= 1
    assert shares == sorted(shares, reverse=True)


def test_a_move_keeps_the_size_and_repeats_the_edge():
    image = np.arange(4 * 10 * 3, dtype=np.uint8).reshape(4, 10, 3)
    moved = pictures.moved(image, 20)
    assert moved.shape == image.shape
    assert (moved[:, 2:] == image[:, :8]).all()
    assert (moved[:, :2] == image[:, :1]).all()


def test_key_points_hold_when_the_picture_is_turned_and_shrunk(gallery):
    id = "backpack-12-0"
    still = points.matched(gallery, id, id, 0, 0, 0, 0.8)
    turned = points.matched(gallery, id, id, 60, 20, 10, 0.8)
    other = points.matched(gallery, id, points.other_product(gallery, id), 0, 0, 0, 0.8)
    assert still.kept.all()
    assert turned.kept.sum() > 20 > other.kept.sum()
    direct = keypoints.match(*[keypoints.detect(pictures.image_of(gallery, id))] * 2)
    assert still.kept.sum() == direct.score


def test_other_views_and_other_products_are_what_they_say(gallery):
    item = gallery.items[gallery.rows[QUERIES[0]]]
    view = gallery.items[gallery.rows[points.other_view(gallery, item.id)]]
    other = gallery.items[gallery.rows[points.other_product(gallery, item.id)]]
    assert (view.instance, other.category) == (item.instance, item.category)
    assert view.id != item.id
    assert other.instance != item.instance


def test_a_corner_of_the_triangle_is_the_reconstruction_of_its_picture(gallery):
    ids = tuple(QUERIES)
    corner = codes.mixed(gallery, ids, (1.0, 0.0, 0.0))
    encoder = bound(gallery, codes.ENCODER).loaded()
    image = pictures.image_of(gallery, ids[0])
    assert corner.picture == pictures.webp(encoder.draw(encoder.codes([image]))[0], 320)
    assert corner.nearest[0].id == ids[0]
    assert corner.cosines[0] == pytest.approx(1, abs=0.002)
    assert codes.copied(gallery, ids[0]).error > 0


def test_channels_are_those_of_the_network(gallery):
    name, id = "vgg.lookalike", QUERIES[0]
    found = layers.stage(gallery, name, id, 1, count=4)
    network = bound(gallery, name).loaded()
    maps = layers.activations(network, [pictures.image_of(gallery, id)], 1)[0]
    peaks = maps.reshape(len(maps), -1).max(axis=1)
    assert (found.side, found.channels) == (maps.shape[1], len(maps))
    assert found.stride * found.side == found.size
    assert [one.number for one in found.strongest] == np.argsort(-peaks, kind="stable")[:4].tolist()
    excited = layers.exciting(gallery, name, 1, found.strongest[0].number, 3)
    values = [one.peak for _, one in excited]
    assert values == sorted(values, reverse=True)
    with pytest.raises(UserError, match="Stages are 0 to 4"):
        layers.stage(gallery, name, id, 9)
    with pytest.raises(UserError, match="no stages"):
        layers.stage(gallery, "hog.8x8", id, 0)


def test_attention_is_what_the_network_computes(gallery):
    """Weights times values, projected, are the output of the block's attention."""
    import torch

    network = bound(gallery, attention.ENCODER).loaded()
    image = pictures.image_of(gallery, QUERIES[0])
    caught = {}
    first = network.model.backbone.blocks[0].attn
    hooks = [
        first.register_forward_hook(lambda _, __, out: caught.update(out=out)),
        first.qkv.register_forward_hook(lambda _, __, out: caught.update(qkv=out)),
    ]
    weights = attention.weights_of(network, image)[0]
    for hook in hooks:
        hook.remove()
    count, wide = caught["qkv"].shape[1], caught["qkv"].shape[2] // 3
    values = caught["qkv"].reshape(1, count, 3, len(weights), -1)[0, :, 2].permute(1, 0, 2)
    with torch.inference_mode():
        mixed = (torch.from_numpy(weights) @ values.float()).transpose(0, 1).reshape(1, count, wide)
        ours = first.proj(mixed.to(caught["out"].dtype))
    torch.testing.assert_close(ours, caught["out"], atol=2e-3, rtol=2e-2)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)
    blocks, heads, side = attention.shape(gallery)
    _, looked = attention.looks(gallery, QUERIES[0], 0, -1, 5)
    np.testing.assert_allclose(looked.ravel(), weights.mean(axis=0)[5], atol=1e-6)
    assert (blocks, heads, side * side) == (4, len(weights), count)


def test_the_triplet_loss_is_its_formula_and_its_gradient_pulls_and_pushes():
    anchor, positive, negative = np.array([[1.0, 0], [0.6, 0.8], [0.8, -0.6]])
    found = triplets.pull("triplet", 0.2, np.array([anchor, positive, negative]))
    near, far = found.distances
    assert found.loss == pytest.approx(max(0, near - far + 0.2))
    assert found.push[1] @ (anchor - positive) > 0, "the positive comes nearer"
    assert found.push[2] @ (anchor - negative) < 0, "the negative goes away"
    done = triplets.pull("triplet", 0.2, np.array([anchor, [0.99, 0.1], [-1, 0.1]]))
    assert done.loss == 0
    assert not done.push.any()


def test_the_contrastive_loss_counts_pairs_by_the_margins_of_the_recipe():
    points_ = np.array([[1.0, 0], [0.0, 1.0], [-1.0, 0.0]])
    margin = triplets.usual_margin("contrastive")
    found = triplets.pull("contrastive", margin, points_)
    assert found.loss == pytest.approx(np.sqrt(2) - margin / 2, abs=1e-6)
    assert triplets.usual_margin("triplet") == 0.2


def test_telling_triplets_are_wrong_before_and_right_after(gallery):
    before, after = "tf_efficientnet_lite0.in1k", "triplet.lookalike"
    chosen = triplets.telling(gallery, before, after)
    assert len(chosen) >= 5
    for ids in chosen[:3]:
        old, new = triplets.distances(gallery, ids, (before, after))
        assert old.positive > old.negative
        assert new.positive < new.negative


def test_classes_before_and_after_average_to_the_leaderboard(gallery):
    means = tuning.by_category(gallery, "siamese.lookalike")
    assert means[""] == pytest.approx(
        board_service.mean(gallery, "siamese.lookalike", "mAP"), abs=HALF
    )
    assert len(means) == 18
    elsewhere = tuning.elsewhere(gallery, "tf_efficientnet_lite0.in1k", "siamese.lookalike")
    assert {"catalogue instance", "cats_dogs"} <= {one.name for one in elsewhere}
    own = next(one for one in elsewhere if one.name == "catalogue instance")
    assert own.after == pytest.approx(means[""], abs=5e-3)


def test_a_knob_keeps_more_as_it_is_turned_up(gallery):
    recalls = approximate.swept(gallery, "hog.8x8", "ivf_flat")
    assert len(recalls) == len(approximate.KNOBS["ivf_flat"][1])
    assert list(recalls) == sorted(recalls)
    assert approximate.spec("hnsw:M=4", 8) == "hnsw:M=4,efSearch=8"
    assert approximate.recall(gallery, "hog.8x8", "ivf_flat:nprobe=1") == recalls[0]


def test_a_probe_names_the_real_neighbours_of_the_nearest_dot(gallery):
    found = plane.plane(gallery, "hog.8x8", "umap")
    made = maps.read(gallery, Wanted("hog.8x8", "umap"))
    row = made.ids.index(QUERIES[0])
    x, y = found.places[row]
    probe = plane.probe(gallery, "hog.8x8", "umap", float(x), float(y))
    assert probe.row == row
    near = views.neighbourhood(gallery, made, row, 10)
    assert (probe.real, probe.shown, probe.both) == (near.space, near.plane, near.shared)
    assert np.abs(found.places).max() <= 1
    assert found.trustworthiness == pytest.approx(float(np.nanmean(made.trust)))


def test_the_interval_is_that_of_the_statistics_and_draws_fill_it(gallery):
    known = certainty.certainty(gallery, "resnet.lookalike", "hog.8x8", 20)
    found = certainty.measured(gallery, "resnet.lookalike", "hog.8x8", 20)
    assert len(set(found.products.tolist())) == 20
    low, high = statistics.interval(found.scores[:, 0] - found.scores[:, 1], found.products)
    assert (known.low, known.high) == (low[0], high[0])
    assert known.certain
    means, last = certainty.drawn(found, 300)
    assert sum(times for _, times in last) == 20
    assert np.mean(means) == pytest.approx(known.difference, abs=0.03)
    inside = np.mean([known.low <= one <= known.high for one in means])
    assert 0.88 <= inside <= 1
    assert certainty.drawn(found, 5)[0] == means[:5]
