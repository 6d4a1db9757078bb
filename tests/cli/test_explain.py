"""``explain``: exactly the JSON that is promised, a picture where one is asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.plugged import numbered, paint, poor_gallery

ASKED = ("explain", "--dataset", "catalogue", "--query", "id:mug-15-0", "--hit", "mug-15-1")


@pytest.mark.parametrize("method", ["", "occlusion"])
def test_json_is_exactly_what_is_promised(here, method):
    more = ("--method", method) if method else ()
    code, out, err = here(*ASKED, "--encoder", "hog.8x8", "--json", *more)
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert list(told) == ["score", "method", "query_map", "hit_map", "deletion"]
    assert told["method"] == (method or "gradients")
    assert 0.5 < told["score"] < 1
    for name in ("query_map", "hit_map"):
        values = np.array(told[name])
        assert values.ndim == 2
        assert values.min() >= 0
        assert values.max() == 1
    assert list(told["deletion"]) == ["marked", "random"]
    assert told["deletion"]["marked"] > told["deletion"]["random"]


def test_the_score_of_a_search_and_of_an_explanation_are_one(here):
    told = json.loads(here(*ASKED, "--encoder", "hog.8x8", "--json")[1])
    found = json.loads(
        here(
            "search", "--dataset", "catalogue", "--encoder", "hog.8x8", "-k", "500",
            "--query", "id:mug-15-0", "--json",
        )[1]
    )  # fmt: skip
    (score,) = [hit["score"] for hit in found["hits"] if hit["id"] == "mug-15-1"]
    assert told["score"] == pytest.approx(score, abs=1e-5)


def test_a_method_without_maps_says_null(here):
    told = here(*ASKED, "--encoder", "hog.8x8", "--json", "--index", "lsh", "--method", "buckets")
    assert json.loads(told[1]) | {"score": 0} == {
        "score": 0,
        "method": "buckets",
        "query_map": None,
        "hit_map": None,
        "deletion": None,
    }


def test_the_drawing_and_the_words_say_the_same(here, tmp_path):
    file = tmp_path / "why.png"
    code, out, _ = here(*ASKED, "--encoder", "tiny.16x16", "--out", str(file))
    assert code == 0
    assert "Covering the marked fifth of the hit lowers the score by" in out
    assert min(Image.open(file).size) > 300
    code, _, err = here(*ASKED, "--encoder", "tiny.16x16", "--out", str(tmp_path / "why.jpg"))
    assert code == 1
    assert "no name of a PNG" in err


def test_a_file_and_a_box_may_ask(here, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(4))
    first, second = sorted(path.name for path in folder.iterdir())[:2]
    asked = ("explain", "--dataset", str(folder), "--encoder", "tiny.16x16", "--json")
    told = here(*asked, "--query", str(folder / first), "--hit", second, "--box", "0,0,0.5,1")
    assert told[0] == 0, told[2]
    assert json.loads(told[1])["method"] == "pixels"
    code, _, err = here(*asked, "--query", str(folder / first), "--hit", "nobody.png")
    assert code == 1
    assert "no picture 'nobody.png'" in err


@pytest.fixture
def poor(here, tmp_path) -> str:
    """A gallery of which little can be said."""
    folder = str(poor_gallery(tmp_path))
    assert here("build", "--dataset", folder, "--encoders", "tiny.16x16,sift.match")[0] == 0
    return folder


POOR = [
    ("sift.match", "flat.png", "a.png", 0, "The query has no key points: too smooth for SIFT."),
    ("sift.match", "a.png", "flat.png", 0, "The hit has no key points: too smooth for SIFT."),
    ("sift.match", "a.png", "b.png", 0, "a homography needs 4."),
    ("tiny.16x16", "a.png", "broken.png", 1, "holds no vector for 'broken.png'"),
    ("imported.own", "a.png", "b.png", 1, "are imported vectors: what in a picture made them is"),
]


def test_what_has_no_reason_to_show_gets_a_sentence(here, poor):
    for encoder, query, hit, code, says in POOR:
        asked = ("explain", "--dataset", poor, "--encoder", encoder, "--query", f"id:{query}")
        found = here(*asked, "--hit", hit)
        assert found[0] == code, found
        said = " ".join(found[1 + code].split())
        assert says in said
        assert ".." not in said
    asked = ("search", "--dataset", poor, "--query", "id:flat.png", "-k", "2", "--encoder")
    for more in (("tiny.16x16", "--rerank", "geometric"), ("sift.match",)):
        code, out, err = here(*asked, *more)
        assert code == 0
        assert "no key points: too smooth for SIFT. The order of " in out + err
