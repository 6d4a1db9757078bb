"""The second look on Compare: a re-ranker a column, all columns as one, and both in the link."""

from __future__ import annotations

import pytest

from core.services.search import looking, together
from tests.pages.reading import columns as by_key
from tests.pages.reading import component, notes, param, press

PAIR = "hog.8x8,tiny.16x16"


@pytest.fixture
def compare(open_page):
    return lambda **params: open_page("compare", **{"encoders": PAIR, "k": "5", **params})


def columns(app) -> list[dict]:
    return list(by_key(app).values())


def test_a_link_chooses_a_reranker_for_one_column(compare):
    app = compare(rerank="hog.8x8~k-reciprocal")
    first, second = columns(app)
    assert first["second"] == "k-reciprocal"
    assert second["second"] == ""
    assert [stage[0] for stage in first["times"]["stages"]][-1] == "rerank"
    assert param(app, "rerank") == "hog.8x8~k-reciprocal"
    assert any(hit.get("how", "").startswith("was at rank") for hit in first["hits"])
    assert not any("how" in hit for hit in second["hits"])
    assert {one[0] for one in first["rerank"]["choices"]} == set(looking.reranker_names())
    assert first["rerank"]["now"] == "k-reciprocal"


def test_the_menu_changes_the_reranker_and_takes_it_away(compare):
    app = press(compare(), "rerank:tiny.16x16~diffusion")
    app.run()
    assert columns(app)[1]["second"] == "Diffusion"
    assert param(app, "rerank") == "tiny.16x16~diffusion"
    app = press(app, "rerank:tiny.16x16~none")
    app.run()
    assert columns(app)[1]["second"] == ""
    assert "rerank" not in app.query_params


def test_all_columns_together_are_one_more(compare):
    app = compare(together="rrf")
    assert [column["title"] for column in columns(app)][-1] == "Together"
    last = columns(app)[-1]
    assert last["state"] == "done"
    assert last["joined"]
    assert len(last["hits"]) == 5
    assert last["times"]["stages"][0][0] == "fuse"
    assert param(app, "together") == "rrf"
    assert "weights" not in app.query_params
    alone = compare(together="combsum", weights="0,1")
    plain, joined = columns(alone)[1], columns(alone)[-1]
    assert [hit["id"] for hit in joined["hits"]] == [hit["id"] for hit in plain["hits"]]
    assert param(alone, "weights") == "0,1"


def test_the_joined_column_says_how_a_thumb_changed_it(compare):
    app = compare(together="rrf", query="item:mug-15-0")
    assert by_key(app)[together.TOGETHER]["said"] == []
    before = [hit["id"] for hit in by_key(app)[together.TOGETHER]["hits"]]
    app = press(app, f"plus:{before[1]}").run()
    last = by_key(app)[together.TOGETHER]
    assert last["said"][0].startswith("Changed: ")
    for rank, hit in enumerate(last["hits"], start=1):
        known = hit["id"] in before
        assert (hit.get("way") == "new") == (not known)
        assert known is False or ("moved" in hit) == (before.index(hit["id"]) + 1 != rank)


def test_weights_that_sum_to_zero_are_a_sentence(compare):
    app = compare(together="rrf", weights="0,0")
    assert columns(app)[-1]["state"] == "failed"
    assert "sum to zero" in columns(app)[-1]["headline"]


def test_all_that_is_asked_opens_again_from_its_link(compare):
    given = {
        "dataset": "catalogue",
        "index": "lsh:bits=256",
        "query": "item:mug-15-0",
        "plus": "item:mug-15-2",
        "minus": "item:vase-00-0",
        "less": "0.5",
        "min": "0.2",
        "rerank": "tiny.16x16~geometric",
        "together": "combsum",
        "weights": "2,0.5",
        "why": "occlusion|hog.8x8|mug-15-1",
        "where": "category=mug",
    }
    first = compare(**given)
    assert not first.exception
    assert not notes(first)
    said = {name: first.query_params[name] for name in first.query_params}
    assert {name: param(first, name) for name in given} == given
    again = compare(**{name: param(first, name) for name in said})
    assert {name: again.query_params[name] for name in again.query_params} == said
    assert list(by_key(again)) == [*PAIR.split(","), together.TOGETHER]
    for one, other in zip(columns(first), columns(again), strict=True):
        assert [hit["id"] for hit in one["hits"]] == [hit["id"] for hit in other["hits"]]
        for name in ("said", "second"):
            assert one.get(name) == other.get(name)
    for app in (first, again):
        known = component(app, "board")["why"]["known"]
        assert known["method"] == "occlusion"
        assert known["remarks"][0].startswith("Explained for the query's picture alone")


def test_hiding_the_joined_column_parts_them(compare):
    app = press(compare(together="combmnz"), f"hide:{together.TOGETHER}")
    app.run()
    assert len(columns(app)) == 2
    assert "together" not in app.query_params


def test_a_forged_link_gives_remarks_and_no_second_look(compare):
    app = compare(rerank="hog.8x8~best,nobody~geometric", together="borda", weights="much")
    assert [column["second"] for column in columns(app)] == ["", ""]
    said = notes(app)
    assert "no re-ranker named" in said
    assert "together" in said
    assert "weights" in said


def test_the_menu_of_sift_matching_chooses_how_key_points_are_matched(compare):
    app = compare(encoders="hog.8x8,sift.match", pin="sift.match", together="rrf", weights="1,0.5")
    column = by_key(app)["sift.match"]
    assert "rerank" not in column
    assert [one[0] for one in column["matcher"]["choices"]] == [
        "sift.match",
        "sift.match:matcher=flann",
    ]
    app = press(app, "rematch:sift.match~sift.match:matcher=flann").run()
    assert param(app, "encoders") == "hog.8x8,sift.match:matcher=flann"
    assert param(app, "pin") == "sift.match:matcher=flann"
    assert param(app, "weights") == "1,0.5"
    column = by_key(app)["sift.match:matcher=flann"]
    assert column["title"] == "SIFT matching, FLANN"
    assert column["matcher"]["now"] == "sift.match:matcher=flann"


def test_both_ways_to_match_are_columns_and_rerankers(compare):
    both = "sift.match,sift.match:matcher=flann,hog.8x8"
    app = compare(encoders=both, rerank="hog.8x8~geometric:matcher=flann")
    assert not notes(app)
    assert [len(by_key(app)[name]["matcher"]["choices"]) for name in both.split(",")[:2]] == [1, 1]
    assert columns(app)[2]["second"] == "Geometric verification, FLANN"
    assert param(app, "rerank") == "hog.8x8~geometric:matcher=flann"
    app = compare(rerank="hog.8x8~geometric:matcher=guess")
    assert "matcher is one of: brute, flann" in notes(app)


def test_a_hit_that_key_points_verified_shows_its_matches(compare):
    known = "hog.8x8~geometric"
    hit = columns(compare(rerank=known, query="item:book-07-0"))[0]["hits"][0]["id"]
    why = f"matches|hog.8x8|{hit}"
    app = compare(rerank=known, query="item:book-07-0", why=why)
    made = component(app, "board")["why"]["known"]
    assert made["method"] == "matches"
    assert made["score"].endswith(" inliers")
    assert "lines" in [block["kind"] for block in made["blocks"]]
    alone = compare(query="item:book-07-0", why=why)
    assert "does not explain" in component(alone, "board")["why"]["known"]["failed"]
