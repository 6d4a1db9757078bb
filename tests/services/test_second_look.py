"""The second look of a search: SIFT matching, re-rankers as a stage, all encoders together."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from core import keypoints, store
from core.errors import UserError
from core.images import decode
from core.rerankers.base import rerankers
from core.services.embedding import points
from core.services.embedding.bound import is_built
from core.services.embedding.build import build, estimate
from core.services.embedding.galleries import lacks_index
from core.services.evaluation import health, probes
from core.services.index_lab import curves
from core.services.library import library
from core.services.maps import maps
from core.services.search import looking, together
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from core.services.specs import weights_of
from tests.encoders.conftest import smooth

SCENES, VIEWS = 12, 3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Twelve scenes in a class each, seen three times: straight, turned, and from the side; one
    plain picture. Built once, in an artifacts folder of their own."""
    root, home = tmp_path_factory.mktemp("scenes"), tmp_path_factory.mktemp("built")
    for seed in range(SCENES):
        scene = smooth(200, 160, seed)
        folder = root / f"scene{seed:02d}"
        folder.mkdir()
        turn = cv2.getRotationMatrix2D((100, 80), 30, 0.9)
        tilt = np.array([[0.9, 0.1, 5], [0.05, 0.85, 10], [0.0006, 0.0002, 1]])
        views = (
            scene,
            cv2.warpAffine(scene, turn, (200, 160), borderValue=(128, 128, 128)),
            cv2.warpPerspective(scene, tilt, (200, 160), borderValue=(128, 128, 128)),
        )
        for number, view in enumerate(views):
            Image.fromarray(view).save(folder / f"{number}.png")
    (root / "plain").mkdir()
    Image.new("RGB", (200, 160), (90, 90, 90)).save(root / "plain" / "0.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home))
        build(library.open_dataset(str(root)), ["sift.match", "tiny.16x16", "hsv.12x4x4"])
    return root, home


@pytest.fixture
def scenes(made, monkeypatch):
    root, home = made
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(home))
    return library.open_dataset(str(root))


def asked(encoder: str, query: str = "scene03/0.png", **more) -> SearchRequest:
    return SearchRequest(Query(item_id=query), encoder, **more)


def test_sift_matching_ranks_by_inliers_of_every_picture(scenes):
    answer = search(asked("sift.match", k=SCENES * VIEWS), scenes)
    assert {hit.id for hit in answer.hits[:2]} == {"scene03/1.png", "scene03/2.png"}
    assert answer.score == "inliers"
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] >= 15 > 8 > scores[2]
    assert all(score == int(score) for score in scores)
    assert answer.said(scores[0]) == str(int(scores[0]))
    assert answer.left_out == "scene03/0.png"
    assert answer.searched == len(answer.hits) == SCENES * VIEWS
    assert (answer.usual, answer.calibration, answer.reranker) == (None, None, "")
    assert list(answer.timing_ms) == ["decode", "preprocess", "encode", "search"]
    by_hand = [
        keypoints.detect(decode(scenes.read(scenes.items[scenes.rows[id]]), keypoints.SIDE))
        for id in ("scene03/0.png", answer.hits[0].id)
    ]
    assert keypoints.match(*by_hand).score == scores[0]


def test_a_picture_that_is_not_of_the_gallery_finds_its_scene(scenes):
    turned = np.rot90(smooth(200, 160, 7)).copy()
    data = cv2.imencode(".png", turned[..., ::-1])[1].tobytes()
    answer = search(SearchRequest(Query(data=data), "sift.match", k=3), scenes)
    assert {hit.id for hit in answer.hits} == {f"scene07/{number}.png" for number in range(VIEWS)}


def test_vectors_choose_what_is_compared_in_a_large_gallery(scenes, monkeypatch):
    monkeypatch.setattr(looking, "COMPARED_ALL", 10)
    monkeypatch.setattr(looking, "PRESELECTED", 4)
    near = search(asked("sift.vlad32", k=4), scenes)
    answer = search(asked("sift.match", k=4), scenes)
    assert {hit.id for hit in answer.hits} == {hit.id for hit in near.hits}


def test_key_points_are_kept_by_the_build_and_looked_for_without_it(scenes, monkeypatch):
    assert points.are_built(scenes)
    assert is_built(scenes, "sift.match")
    kept, ids = points.points(scenes), [item.id for item in scenes.items[:5]]
    assert kept.kept
    again = points.Points(scenes).of(ids)
    for one, other in zip(kept.of(ids), again, strict=True):
        np.testing.assert_array_equal(one.descriptors, other.descriptors)
        np.testing.assert_array_equal(one.points, other.points)
        assert tuple(one.size) == tuple(other.size)
    assert len(kept.of(["plain/0.png"])[0]) == 0
    monkeypatch.setattr(points, "MAX_PICTURES", 3)
    with pytest.raises(UserError, match="at most 3"):
        points.build(scenes)


def test_key_points_that_were_deleted_make_a_build_necessary(scenes):
    store.delete(points.KIND, store.key(points.causes(scenes)))
    assert not is_built(scenes, "sift.match")
    assert estimate(scenes, "sift.match", probe=False).to_encode == len(scenes.items)
    build(scenes, ["sift.match"])
    assert is_built(scenes, "sift.match")
    assert estimate(scenes, "sift.match", probe=False).to_encode == 0


def test_a_query_without_key_points_says_so(scenes):
    answer = search(asked("sift.match", "plain/0.png", k=3), scenes)
    assert any("no key points" in remark for remark in answer.remarks)
    assert [hit.score for hit in answer.hits] == [0, 0, 0]


def test_flann_is_asked_of_the_searcher_and_of_the_reranker(scenes, monkeypatch):
    """Both by an option, found without another build, and really by FLANN."""
    asked_for = []
    match = keypoints.match
    monkeypatch.setattr(
        keypoints, "match", lambda *pair: (asked_for.append(pair[2]), match(*pair))[1]
    )
    assert is_built(scenes, "sift.match:matcher=flann")
    for way in ("brute", "flann"):
        mine = search(asked(f"sift.match:matcher={way}", k=20), scenes)
        assert {hit.id for hit in mine.hits[:2]} == {"scene03/1.png", "scene03/2.png"}
        assert mine.encoder == {"brute": "sift.match", "flann": "sift.match:matcher=flann"}[way]
        again = search(asked("tiny.16x16", k=20, reranker=f"geometric:matcher={way}"), scenes)
        assert again.reranker == {"brute": "geometric", "flann": "geometric:matcher=flann"}[way]
        assert [hit.score for hit in again.hits[:2]] == [hit.score for hit in mine.hits[:2]]
        assert set(asked_for) == {way}
        asked_for.clear()


@pytest.mark.parametrize("option", ["matcher=guess", "trees=9"])
@pytest.mark.parametrize("name", ["sift.match", "geometric"])
def test_an_option_that_matching_has_not_is_a_sentence(scenes, name, option):
    given = (
        {"encoder": f"{name}:{option}"}
        if name == "sift.match"
        else {"encoder": "tiny.16x16", "reranker": f"{name}:{option}"}
    )
    with pytest.raises(UserError, match=r"matcher is one of: brute, flann|It has: matcher"):
        search(asked(**given), scenes)


def test_the_least_similar_are_not_looked_at_again_and_that_is_said(scenes):
    for encoder, reranker, says in (
        ("tiny.16x16", "geometric", "The least similar are not re-ranked."),
        ("sift.match", "", "are ranked by vectors"),
        ("tiny.16x16", "", ""),
    ):
        answer = search(asked(encoder, reranker=reranker, least=True), scenes)
        assert answer.score == "cosine"
        assert says in answer.reranked
        assert bool(says) == bool(answer.reranked)


def test_what_needs_vectors_refuses_sift_matching(scenes):
    assert not lacks_index(scenes, "sift.match", "hnsw")
    with pytest.raises(UserError, match="compares key points"):
        search(asked("sift.match", index="hnsw"), scenes)
    with pytest.raises(UserError, match="already"):
        search(asked("sift.match", reranker="geometric"), scenes)
    with pytest.raises(UserError, match="only vectors can be whitened"):
        build(scenes, ["sift.match:pca=8"])


@pytest.mark.parametrize("index", ["exact", "hnsw"])
@pytest.mark.parametrize("name", [one for one in rerankers.names() if one != "none"])
def test_a_reranker_is_a_stage_and_moves_only_what_was_found(scenes, name, index):
    deep = SCENES * VIEWS
    plain = search(asked("tiny.16x16", k=deep, index=index), scenes)
    answer = search(asked("tiny.16x16", k=deep, index=index, reranker=name, runs=2), scenes)
    assert {hit.id for hit in answer.hits} == {hit.id for hit in plain.hits}
    assert answer.reranker == name
    assert answer.score == rerankers.get(name).score
    assert "rerank" in answer.stages
    ranks = {hit.id: hit.rank for hit in plain.hits}
    assert all(hit.before == ranks[hit.id] for hit in answer.hits)
    cosines = {hit.id: hit.cosine for hit in plain.hits}
    assert all(hit.cosine == cosines[hit.id] for hit in answer.hits)
    assert all(hit.before is None for hit in plain.hits)


def test_geometric_verification_finds_what_the_encoder_missed(scenes):
    answer = search(asked("hsv.12x4x4", k=4, reranker="geometric"), scenes)
    assert {hit.id for hit in answer.hits[:2]} == {"scene03/1.png", "scene03/2.png"}
    assert answer.hits[0].score >= 15


def test_the_first_hits_hold_what_a_deeper_search_found(scenes):
    """A re-ranker looks deeper than what is shown: a hit may come from below it."""
    shown = search(asked("hsv.12x4x4", k=2), scenes)
    verified = search(asked("hsv.12x4x4", k=2, reranker="geometric"), scenes)
    assert {hit.id for hit in verified.hits} - {hit.id for hit in shown.hits}
    assert max(hit.before for hit in verified.hits) > 2


def test_none_is_no_reranker_and_an_unknown_one_is_refused(scenes):
    assert search(asked("tiny.16x16", reranker="none"), scenes).reranker == ""
    with pytest.raises(UserError, match="no re-ranker named 'best'"):
        search(asked("tiny.16x16", reranker="best"), scenes)


def test_a_part_of_the_gallery_is_reranked_alone(scenes):
    request = asked("tiny.16x16", k=9, reranker="k-reciprocal", where=("label=scene03|scene04",))
    answer = search(request, scenes)
    assert {hit.label for hit in answer.hits} == {"scene03", "scene04"}
    assert len(answer.hits) == 2 * VIEWS - 1


def test_a_gallery_of_one_is_answered_by_every_reranker(scenes):
    for name in rerankers.names():
        request = asked("tiny.16x16", k=5, reranker=name, where=("label=plain",))
        assert [hit.id for hit in search(request, scenes).hits] == ["plain/0.png"]


def test_together_is_what_the_definition_says(scenes):
    names = ("tiny.16x16", "hsv.12x4x4")
    requests = asked("", k=5).each(names)
    deep = compare([replace(one, k=100) for one in requests], scenes).answers
    value: dict[str, float] = {}
    for answer, weight in zip(deep, (0.75, 0.25), strict=True):
        for hit in answer.hits:
            value[hit.id] = value.get(hit.id, 0.0) + weight / (60 + hit.rank)
    fused = together.fused(requests, scenes, "rrf", (3, 1))
    best = sorted(value, key=lambda id: (-value[id], id))[:5]
    assert [round(hit.score, 12) for hit in fused.hits] == [round(value[id], 12) for id in best]
    assert fused.encoder == "rrf(0.75*tiny.16x16+0.25*hsv.12x4x4)"
    assert fused.score == "Reciprocal rank fusion"
    assert "fuse" in fused.stages
    assert [hit.rank for hit in fused.hits] == [1, 2, 3, 4, 5]
    assert fused.left_out == "scene03/0.png"


@pytest.mark.parametrize("method", together.METHODS)
def test_one_weight_alone_is_that_encoder(scenes, method):
    names = ("tiny.16x16", "hsv.12x4x4")
    fused = together.fused(asked("", k=6).each(names), scenes, method, (0, 1))
    alone = search(asked("hsv.12x4x4", k=6), scenes)
    assert [hit.id for hit in fused.hits] == [hit.id for hit in alone.hits]


def test_inliers_and_cosines_can_be_joined(scenes):
    names = ("tiny.16x16", "sift.match")
    fused = together.fused(asked("", k=3).each(names), scenes, "combsum", (0.1, 1))
    assert {hit.id for hit in fused.hits[:2]} == {"scene03/1.png", "scene03/2.png"}


def test_a_list_whose_second_look_verified_nothing_keeps_its_order_and_scale(scenes):
    plain = asked("", query="plain/0.png", k=30).each(("tiny.16x16", "hsv.12x4x4"))
    ranked = [replace(plain[0], reranker="geometric"), plain[1]]
    for method in together.METHODS:
        lists = [together.fused(one, scenes, method, (3, 1)) for one in (plain, ranked)]
        one, other = ([hit.id for hit in found.hits] for found in lists)
        assert one == other
        one, other = ([hit.score for hit in found.hits] for found in lists)
        assert one == pytest.approx(other, abs=1e-6)


def test_a_picture_without_a_match_is_not_fused(scenes):
    pair = asked("", query="plain/0.png", k=5).each(("tiny.16x16", "sift.match"))
    fused = together.fused(pair, scenes, "combsum", (1, 5))
    alone = search(asked("tiny.16x16", query="plain/0.png", k=5), scenes)
    assert [hit.id for hit in fused.hits] == [hit.id for hit in alone.hits]


def test_what_can_not_be_joined_says_why(scenes):
    pair = asked("").each(("tiny.16x16", "hsv.12x4x4"))
    with pytest.raises(UserError, match="sum to zero"):
        together.fused(pair, scenes, "rrf", (0, 0))
    with pytest.raises(UserError, match="two encoders"):
        together.fused(pair[:1], scenes, "rrf")
    with pytest.raises(UserError, match="no fusion 'borda'"):
        together.fused(pair, scenes, "borda")
    with pytest.raises(UserError, match="are no weights"):
        weights_of("much,little")


def test_scores_lie_on_one_scale():
    np.testing.assert_allclose(
        together.placed(np.array([8.0, 2.0, 5.0]), np.array([8.0, 2.0, 5.0]), None), [1, 0, 0.5]
    )
    np.testing.assert_allclose(together.placed(np.ones(2), np.ones(2), None), [1, 1])


@pytest.mark.parametrize(
    "work",
    [
        lambda dataset: maps.build(dataset, maps.Wanted("sift.match", "pca")),
        lambda dataset: list(curves.curves(dataset, "sift.match", ["hnsw"])),
        lambda dataset: probes.probe(dataset, "sift.match"),
        lambda dataset: health.health(dataset, "sift.match"),
    ],
    ids=["map", "index lab", "shared factors", "data health"],
)
def test_maps_and_studies_of_vectors_refuse_sift_matching(scenes, work):
    with pytest.raises(UserError, match="no vectors to look at"):
        work(scenes)
