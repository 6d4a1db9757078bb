"""Why this hit, on Compare: what the board is sent, and what stands in the link."""

from __future__ import annotations

import pytest

from core.services.embedding.build import build
from core.services.library import library
from pages.parts import why
from tests.pages.reading import columns, component, html, param
from tests.plugged import poor_gallery

FIRST = "hog.8x8,tiny.16x16"
OPEN = "gradients|hog.8x8|"


@pytest.fixture
def compare(open_page):
    def opened(**params: str):
        return open_page("compare", **{"encoders": FIRST, "query": "item:mug-15-0", **params})

    return opened


def explained(app) -> dict:
    return component(app, "board")["why"]


def first_hit(app, encoder: str = "hog.8x8") -> str:
    return columns(app)[encoder]["hits"][0]["id"]


def test_nothing_is_explained_until_somebody_asks(compare):
    app = compare()
    assert explained(app) == {"open": "", "known": None}
    assert why.PARAM.name not in app.query_params
    hit = first_hit(app)
    app.session_state[why.OPEN] = OPEN + hit
    app.run()
    told = explained(app)
    assert told["open"] == param(app, why.PARAM.name) == OPEN + hit
    known = told["known"]
    assert known["key"] == OPEN + hit
    assert [name for name, _, _ in known["methods"]] == ["gradients", "occlusion"]
    assert known["score"].startswith("cosine 0.")
    assert "Covering the marked fifth" in known["remarks"][-1]
    for name in ("query", "hit"):
        assert known[name]["uri"].startswith("data:image/webp;base64,")
        shown = known[name]["map"]
        assert len(shown["values"]) == shown["rows"] * shown["columns"] == 64
        assert max(shown["values"]) == 255
    assert known["blocks"][0]["kind"] == "drawings"
    app.session_state[why.OPEN] = ""
    app.run()
    assert explained(app)["open"] == ""
    assert why.PARAM.name not in app.query_params


def test_a_link_opens_the_explanation_again_with_its_method(compare):
    hit = first_hit(compare(), "tiny.16x16")
    app = compare(why=f"occlusion|tiny.16x16|{hit}")
    assert explained(app)["known"]["method"] == "occlusion"
    app = compare(why=f"|tiny.16x16|{hit}")
    assert explained(app)["known"]["method"] == "pixels"
    app.session_state["query"] = f"item:{columns(app)['tiny.16x16']['hits'][1]['id']}"
    app.run()
    assert "Covering" in str(explained(app)["known"]["remarks"]), "the new query is explained"


@pytest.mark.parametrize(
    "given", ["x", "gradients|nobody|mug-15-1", "gradients|hog.8x8|nobody", "<script>|a|b"]
)
def test_a_forged_explanation_gives_a_remark(compare, given):
    app = compare(why=given)
    assert not app.exception
    assert explained(app) == {"open": "", "known": None}
    assert "Not everything could be restored." in html(app)
    assert "<script>" not in html(app)


def test_a_method_that_does_not_suit_says_which_do(compare):
    hit = first_hit(compare())
    known = explained(compare(why=f"words|hog.8x8|{hit}"))["known"]
    assert known["failed"] == "words does not explain hits of hog.8x8 here."
    assert known["message"] == "These do: gradients, occlusion."


def test_a_hit_of_all_together_says_where_the_reasons_are(compare):
    app = compare(together="rrf")
    app.session_state[why.OPEN] = "|together|mug-15-1"
    known = explained(app.run())["known"]
    assert known["failed"].startswith("The encoders found this together")
    assert "in the column of one of them" in known["message"]


def test_a_link_explains_a_hit_of_all_together(compare):
    together = {"together": "rrf"}
    hit = columns(compare(**together))["together"]["hits"][0]["id"]
    app = compare(**together, why=f"|together|{hit}")
    assert explained(app)["known"]["failed"].startswith("The encoders found this together")


@pytest.mark.parametrize("column", ["hog.8x8", "together"])
def test_a_link_to_a_picture_that_is_no_hit_gives_a_remark(compare, column):
    app = compare(together="rrf", why=f"|{column}|sofa-01-0")
    assert explained(app)["open"] == ""
    assert "is not among the hits shown" in html(app)


@pytest.fixture
def poor(open_page, tmp_path):
    """Compare on a gallery of which little can be said."""
    locator = library.add_folder(str(poor_gallery(tmp_path)))
    build(library.open_dataset(locator), ["tiny.16x16", "sift.match", "imported.own"])
    here = {"dataset": locator, "encoders": "tiny.16x16,sift.match,imported.own"}
    return lambda query, why: open_page("compare", **here, query=f"item:{query}", why=why)


def test_what_has_no_reason_to_show_gets_a_sentence(poor):
    app = poor("flat.png", "|sift.match|a.png")
    assert explained(app)["known"]["remarks"] == [
        "The query has no key points: too smooth for SIFT."
    ]
    assert "no key points" in columns(app)["sift.match"]["remark"]
    known = explained(poor("a.png", "|sift.match|b.png"))["known"]
    assert known["remarks"][0].endswith("a homography needs 4.")
    app = poor("a.png", "|tiny.16x16|broken.png")
    assert "is not among the hits shown" in html(app), "a picture without a vector is never a hit"
    known = explained(poor("a.png", "|imported.own|b.png"))["known"]
    assert "are imported vectors" in known["failed"]
