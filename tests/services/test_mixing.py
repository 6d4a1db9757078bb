"""Asking with several pictures and words: the weighted mean, what it leaves out, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders, unit_rows
from core.errors import UserError
from core.services.embedding.bound import bound
from core.services.embedding.build import build
from core.services.library import library
from core.services.library.imports import import_vectors
from core.services.search import mixing, serving
from core.services.search.compare import compare
from core.services.search.request import MAX_TEXT, Mix, Query, SearchRequest, Weights
from core.services.search.together import fused
from core.types import State
from tests.services.conftest import Counting

PLUS, MINUS = 0.75, 0.25


class ColourWords:
    """Reads the names of three colours; ``there`` says whether its text tower is."""

    languages = "English"
    there = True
    known = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}

    def state(self) -> State:
        return (
            State("ready") if self.there else State("download", "fetched on first use", 9_000_000)
        )

    def load(self, progress=None) -> None: ...

    def encode(self, text: str) -> np.ndarray:
        colours = [self.known[word] for word in text.split()[:3] if word in self.known]
        return unit_rows(np.tile(np.mean(colours, axis=0), 16)[None] + 1.0)

    def cut(self, text: str) -> int:
        return 3 if len(text.split()) > 3 else 0


class Captioned(Counting):
    """Pixels and words: a text is the picture of its colours."""

    name, title = "captioned.test", "Captioned"
    words = ColourWords()


@pytest.fixture
def captioned(monkeypatch):
    encoders.names()
    monkeypatch.setitem(encoders._makers, Captioned.name, Captioned)


@pytest.fixture
def dataset(counting, captioned, tmp_path):
    """Twelve plain pictures: red, green and blue, each from dark to light."""
    for place, colour in enumerate(("blue", "green", "red")):
        for number in range(4):
            paint = np.array(ColourWords.known[colour]) * (0.4 + 0.2 * number) + 12 * (place + 1)
            path = tmp_path / "colours" / colour / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), tuple(int(min(one, 255)) for one in paint)).save(path)
    made = library.open_dataset(str(tmp_path / "colours"), fresh=True)
    build(made, ["counting.test", "captioned.test"])
    return made


def asked(dataset, encoder="captioned.test", query=None, k=12, **more):
    return serving.search(SearchRequest(query or Query(), encoder, k=k, **more), dataset)


def item(id: str) -> Query:
    return Query(item_id=id, name=id)


def ids(answer) -> list[str]:
    return [hit.id for hit in answer.hits]


def labels(answer) -> list[str | None]:
    return [hit.label for hit in answer.hits]


def test_the_weighted_mean_by_hand():
    three = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    found = mixing.combined([1.0, 0.5, -0.25], three)
    # 1 (1, 0) + 0.5 (0, 1) - 0.25 (0.6, 0.8) = (0.85, 0.3), whose length is 0.9014
    np.testing.assert_allclose(found, [[0.94299, 0.33282]], atol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(mixing.combined([3.0], three[:1]), three[:1])


def test_rocchio_weighs_the_mean_of_each_side(dataset):
    mix = Mix([item("blue/1.png"), item("green/2.png")], [item("red/3.png")])
    query = item("green/0.png")
    answer = asked(dataset, query=query, mix=mix)
    vectors = bound(dataset, "captioned.test").vectors()
    row = {id: vectors.vectors[place].astype(float) for place, id in enumerate(vectors.ids)}
    wanted = row["green/0.png"] + PLUS * (row["blue/1.png"] + row["green/2.png"]) / 2
    wanted -= MINUS * row["red/3.png"]
    wanted /= np.linalg.norm(wanted)
    out = {"green/0.png", "blue/1.png", "green/2.png", "red/3.png"}
    scores = {id: float(one @ wanted) for id, one in row.items() if id not in out}
    assert ids(answer) == sorted(scores, key=lambda id: (-scores[id], id))
    np.testing.assert_allclose(
        [hit.score for hit in answer.hits], sorted(scores.values(), reverse=True), atol=1e-6
    )


def test_what_is_asked_with_is_left_out_and_named(dataset):
    mix = Mix([item("blue/1.png"), item("blue/2.png")], [item("red/0.png")])
    answer = asked(dataset, query=item("blue/0.png"), mix=mix)
    assert (answer.left_out, answer.examples, answer.searched) == (
        "blue/0.png",
        ("blue/1.png", "blue/2.png", "red/0.png"),
        8,
    )
    assert "Left out: blue/1.png, blue/2.png, red/0.png, asked with." in answer.remarks
    assert len(answer.hits) == 8
    kept = asked(dataset, query=item("blue/0.png"), mix=mix, include_self=True)
    assert (len(kept.hits), kept.left_out, kept.examples) == (12, None, ())


def test_a_picture_need_not_be_the_query(dataset):
    answer = asked(dataset, mix=Mix([item("red/1.png"), item("red/2.png")]), k=2)
    assert labels(answer) == ["red", "red"]
    assert answer.left_out is None
    assert {hit.verdict for hit in answer.hits} == {None}, "nothing says what would be right"


def test_files_are_examples_as_well(dataset, tmp_path):
    file = tmp_path / "new.png"
    Image.new("RGB", (8, 8), (200, 30, 30)).save(file)
    new = serving.query_from_file(dataset, str(file))
    assert labels(asked(dataset, mix=Mix([new]), k=4)) == ["red"] * 4
    pulled = asked(dataset, query=item("blue/1.png"), mix=Mix([new], weights=Weights(plus=9)), k=4)
    assert labels(pulled) == ["red"] * 4
    assert labels(asked(dataset, query=item("blue/1.png"), k=3)) == ["blue"] * 3


def test_minus_alone_is_as_far_as_can_be(dataset):
    answer = asked(dataset, mix=Mix(minus=[item("red/2.png")]))
    far = asked(dataset, query=item("red/2.png"), least=True)
    assert ids(answer) == ids(far)
    assert [hit.score for hit in answer.hits] == pytest.approx([-hit.score for hit in far.hits])


@pytest.mark.parametrize(
    ("query", "mix"),
    [
        (item("red/1.png"), Mix(minus=[item("red/1.png")], weights=Weights(minus=1))),
        (None, Mix([item("red/1.png")], [item("red/1.png")], weights=Weights(plus=1, minus=1))),
        (item("red/1.png"), Mix([item("red/2.png")], weights=Weights(0, 0, 0, 0))),
    ],
)
def test_weights_that_sum_to_zero_say_so(dataset, query, mix):
    with pytest.raises(UserError, match="cancels out: the weights sum to zero"):
        asked(dataset, query=query, mix=mix)


def test_nothing_to_ask_with_is_said(dataset):
    for mix in (Mix(), Mix(weights=Weights(query=0))):
        with pytest.raises(UserError, match="Nothing is asked with"):
            asked(dataset, mix=mix)


@pytest.mark.parametrize("weight", [-1, 101, float("nan"), float("inf")])
def test_weights_have_a_range(weight):
    with pytest.raises(UserError, match=r"minus=.*from 0 to 100"):
        Weights(minus=weight)


def test_too_many_examples_are_refused():
    with pytest.raises(UserError, match="101 pictures"):
        Mix([item("a")] * 60, [item("b")] * 41)


def test_words_find_what_they_name(dataset):
    assert labels(asked(dataset, mix=Mix(text="red"), k=4)) == ["red"] * 4
    answer = asked(dataset, mix=Mix(text="green"), k=4)
    assert labels(answer) == ["green"] * 4
    assert (answer.usual, answer.calibration, answer.far) == (None, None, False), (
        "words stand farther from pictures than these from one another"
    )
    assert set(answer.timing_ms) == {"encode", "search"}


def test_words_and_a_picture_mix_by_their_weights(dataset):
    def mix(text: float) -> Mix:
        return Mix(text="red", weights=Weights(text=text))

    assert labels(asked(dataset, query=item("blue/3.png"), mix=mix(0.01), k=3)) == ["blue"] * 3
    assert labels(asked(dataset, query=item("blue/3.png"), mix=mix(50), k=4)) == ["red"] * 4
    alone = Mix(text="red", weights=Weights(query=0))
    answer = asked(dataset, query=item("blue/3.png"), mix=alone)
    assert (answer.left_out, len(answer.hits)) == (None, 12)
    assert ids(answer) == ids(asked(dataset, mix=Mix(text="red")))


def test_a_text_that_is_cut_says_so(dataset):
    answer = asked(dataset, mix=Mix(text="red green blue red"), k=1)
    assert answer.remarks == ("Only the first 3 tokens of the text were read.",)
    assert asked(dataset, mix=Mix(text="red blue"), k=1).remarks == ()


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_text_is_refused(text):
    with pytest.raises(UserError, match="The text is empty"):
        Mix(text=text)


def test_a_text_of_ten_thousand_characters_is_refused():
    with pytest.raises(UserError, match=rf"10,000 characters.*{MAX_TEXT:,}"):
        Mix(text="a" * 10_000)
    assert Mix(text=" a \udc80 ").text == "a ?", "what is no character is replaced"


def test_words_for_an_encoder_that_reads_none_say_so(dataset):
    with pytest.raises(UserError, match=r"counting\.test reads no text.*CLIP and SigLIP"):
        asked(dataset, "counting.test", mix=Mix(text="red"))


def test_words_without_their_text_tower_say_what_is_missing(dataset, monkeypatch):
    monkeypatch.setattr(ColourWords, "there", False)
    with pytest.raises(UserError, match=r"text tower of Captioned is not here yet \(9 MB\)"):
        asked(dataset, mix=Mix(text="red"))


def test_imported_vectors_take_examples_of_the_gallery_alone(dataset, tmp_path):
    known = [one.id for one in dataset.items]
    np.save(tmp_path / "own.npy", np.eye(12, dtype=np.float32) + 0.1)
    (tmp_path / "own.txt").write_text("\n".join(known))
    name = import_vectors(
        dataset.locator, "own", str(tmp_path / "own.npy"), str(tmp_path / "own.txt")
    )
    mix = Mix([item("red/1.png")], [item("blue/1.png")])
    answer = asked(dataset, name, query=item("green/1.png"), mix=mix)
    assert len(answer.hits) == 9
    with pytest.raises(UserError, match="a new picture can't be encoded"):
        asked(dataset, name, mix=Mix([Query(data=b"picture")]))
    with pytest.raises(UserError, match="reads no text"):
        asked(dataset, name, mix=Mix(text="red"))


def test_a_gallery_of_one_has_nothing_else(counting, captioned, tmp_path):
    (tmp_path / "one").mkdir()
    Image.new("RGB", (8, 8), (250, 9, 9)).save(tmp_path / "one" / "only.png")
    dataset = library.open_dataset(str(tmp_path / "one"), fresh=True)
    build(dataset, ["captioned.test"])
    answer = asked(dataset, mix=Mix([item("only.png")]))
    assert (answer.hits, answer.remarks[1:]) == (
        (),
        ("There is no other picture. This gallery holds what is asked with alone.",),
    )
    assert ids(asked(dataset, mix=Mix(text="red"))) == ["only.png"]


@pytest.mark.parametrize("index", ["exact", "hnsw", "lsh"])
def test_the_least_similar_come_first_whatever_the_index(dataset, index):
    answer = asked(dataset, query=item("red/3.png"), index=index, least=True)
    near = asked(dataset, query=item("red/3.png"))
    assert ids(answer) == ids(near)[::-1]
    assert [hit.score for hit in answer.hits] == sorted(hit.score for hit in answer.hits)
    assert (answer.far, answer.notice, answer.left_out) == (False, None, "red/3.png")
    part = asked(dataset, query=item("red/3.png"), where=["label=blue|green"], least=True, k=3)
    assert ids(part) == [id for id in ids(answer) if not id.startswith("red")][:3]


def test_a_threshold_stands_in_place_of_k(dataset):
    everything = asked(dataset, query=item("red/3.png"))
    border = everything.hits[4].score
    answer = asked(dataset, query=item("red/3.png"), threshold=border)
    assert ids(answer) == ids(everything)[:5]
    assert (answer.more, answer.notice) == (False, None)
    low = asked(dataset, query=item("red/3.png"), threshold=everything.hits[6].score, least=True)
    assert ids(low) == ids(everything)[:5:-1]


def test_a_threshold_that_more_reach_says_so(dataset):
    answer = asked(dataset, query=item("red/3.png"), threshold=-1, k=4)
    assert len(answer.hits) == 4
    assert answer.remarks[1] == "More pictures reach -1; these are the first 4."
    assert not asked(dataset, query=item("red/3.png"), threshold=-1, k=11).more


def test_a_threshold_that_none_reaches_says_how_near_the_best_is(dataset):
    best = asked(dataset, query=item("red/3.png"), k=1).hits[0].score
    answer = asked(dataset, query=item("red/3.png"), threshold=1.5)
    assert answer.hits == ()
    assert answer.notice == ("No picture reaches 1.5", f"The largest score is {best:.3f}.")
    worst = asked(dataset, query=item("red/3.png"), threshold=-2, least=True)
    assert worst.notice[0] == "No picture stays at or below -2"


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(threshold):
    with pytest.raises(UserError, match="It is a number"):
        SearchRequest(item("a"), "b", threshold=threshold)


def test_the_place_of_a_picture_is_its_rank_for_all_that_is_asked(dataset):
    mix = Mix([item("blue/1.png")], [item("red/2.png")], "green")
    for least in (False, True):
        request = SearchRequest(
            item("green/0.png"),
            "captioned.test",
            k=12,
            mix=mix,
            least=least,
            where=["label=red|blue"],
        )
        answer = serving.search(request, dataset)
        assert len(answer.hits) == 6
        for hit in answer.hits:
            found = serving.place(request, dataset, hit.id)
            assert (found.rank, found.cosine) == (hit.rank, pytest.approx(hit.score, abs=1e-6))


def test_a_comparison_asks_every_encoder_with_the_same(dataset):
    mix = Mix([item("red/1.png")], [item("blue/2.png")])
    requests = SearchRequest(item("red/0.png"), "", k=3, mix=mix).each(
        ["counting.test", "captioned.test"]
    )
    found = compare(requests, dataset)
    assert ids(found.answers[0]) == ids(found.answers[1])
    assert all(answer.examples for answer in found.answers)


def test_a_query_that_weighs_nothing_is_none(dataset):
    request = SearchRequest(item("red/0.png"), "x", mix=Mix(text="red", weights=Weights(query=0)))
    assert request.query == Query()
    assert SearchRequest(item("red/0.png"), "x", mix=Mix(weights=Weights(query=0))).query.nothing


def test_key_points_need_a_query_picture(dataset):
    mix = Mix([item("red/1.png")])
    with pytest.raises(UserError, match="there is no query picture"):
        asked(dataset, mix=mix, reranker="geometric")
    answer = asked(dataset, query=item("red/0.png"), mix=mix, reranker="geometric", k=4)
    assert (answer.reranker, len(answer.hits)) == ("geometric", 4)


def test_the_least_similar_are_not_given_a_new_order(dataset):
    plain = asked(dataset, query=item("red/0.png"), least=True)
    answer = asked(dataset, query=item("red/0.png"), least=True, reranker="geometric")
    assert (ids(answer), answer.reranker, answer.score) == (ids(plain), "", "cosine")


def test_a_threshold_is_one_of_the_new_scores(dataset):
    answer = asked(dataset, query=item("red/0.png"), reranker="geometric", threshold=0)
    assert len(answer.hits) == 11
    none = asked(dataset, query=item("red/0.png"), reranker="geometric", threshold=10_000)
    assert none.hits == ()


@pytest.mark.parametrize("method", ["rrf", "combsum"])
def test_the_least_similar_of_several_encoders_are_fused_from_the_same_end(dataset, method):
    request = SearchRequest(item("red/3.png"), "", k=4, mix=Mix([item("red/2.png")]), least=True)
    found = fused(request.each(["counting.test", "captioned.test"]), dataset, method)
    assert ids(found) == ids(serving.search(replace(request, encoder="counting.test"), dataset))
    assert (found.examples, found.least) == (("red/2.png",), True)
