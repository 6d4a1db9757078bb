"""Refining a query on Compare: plus and minus with what they change, undone and cleared; words; the
other end of the list; a score in place of a number. All of it in the link."""

from __future__ import annotations

from html import unescape

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders, unit_rows
from core.services.embedding.build import build
from core.services.library import library, uploads
from core.services.search.request import Mix, Query, SearchRequest, Weights
from core.services.search.serving import search
from core.types import State
from pages.parts import downloads, link, refine
from tests.pages.reading import columns, component, html, notes, param, picture, press
from tests.services.conftest import Counting

FIRST = "hsv.12x4x4,tiny.16x16"
NEAR, FAR = "mug-15-2", "vase-00-0"

NAMES = {one.name for one in refine.PARAMS}


@pytest.fixture
def compare(open_page):
    def opened(**params: str):
        return open_page("compare", **{"encoders": FIRST, "query": "item:mug-15-0", **params})

    return opened


def ids(app, name: str = "hsv.12x4x4") -> list[str]:
    return [hit["id"] for hit in columns(app)[name]["hits"]]


def wanted(mix: Mix, name: str = "hsv.12x4x4", **more) -> list[str]:
    query = Query(item_id="mug-15-0")
    request = SearchRequest(query, name, mix=mix, **{"k": 10, **more})
    return [hit.id for hit in search(request, library.open_dataset("catalogue")).hits]


def vote(app, sign: str, id: str):
    """Run the page as it runs when a thumb of the board was pressed."""
    return press(app, f"{sign}:{id}")


def examples(app) -> list[tuple[str, str]]:
    return list(app.session_state[refine.EXAMPLES])


def button(app, key: str):
    return app.button(key=key)


def test_a_thumb_up_moves_the_list_and_undo_brings_it_back(compare):
    app = compare()
    before = ids(app)
    assert "said" not in columns(app)["hsv.12x4x4"] or not columns(app)["hsv.12x4x4"]["said"]
    app = vote(app, "plus", before[4])
    assert not app.exception
    assert ids(app) == wanted(Mix([Query(item_id=before[4])]))
    assert before[4] not in ids(app)
    assert param(app, "plus") == f"item:{before[4]}"
    cards = columns(app)["hsv.12x4x4"]["hits"]
    for place, card in enumerate(cards, start=1):
        was = before.index(card["id"]) + 1 if card["id"] in before else None
        mark = "new" if was is None else f"{'↑' if was > place else '↓'}{abs(was - place)}"
        assert card.get("moved") == (None if was == place else mark)
    counts = columns(app)["hsv.12x4x4"]["said"][0]
    new = sum(card.get("way") == "new" for card in cards)
    assert counts.startswith(f"Changed: {new} new")
    app = button(app, "refine_undo").click().run()
    assert ids(app) == before
    assert "plus" not in app.query_params
    assert not columns(app)["hsv.12x4x4"]["said"]
    assert all("moved" not in card for card in columns(app)["hsv.12x4x4"]["hits"])


def test_plus_and_minus_are_undone_one_by_one_and_cleared_at_once(compare):
    app = compare()
    first = ids(app)
    app = vote(app, "plus", first[1])
    app = vote(app, "minus", first[2])
    assert examples(app) == [("plus", f"item:{first[1]}"), ("minus", f"item:{first[2]}")]
    both = Mix([Query(item_id=first[1])], [Query(item_id=first[2])])
    assert ids(app) == wanted(both)
    assert "Pictures of the query are left out" in html(app)
    app = button(app, "refine_clear").click().run()
    assert ids(app) == first
    app = button(app, "refine_undo").click().run()
    assert ids(app) == wanted(both)
    app = button(app, "refine_undo").click().run()
    assert examples(app) == [("plus", f"item:{first[1]}")]


def test_the_other_thumb_takes_the_place_of_the_first(compare):
    app = vote(vote(compare(), "plus", NEAR), "minus", NEAR)
    assert examples(app) == [("minus", f"item:{NEAR}")]
    assert examples(vote(app, "minus", NEAR)) == [("minus", f"item:{NEAR}")], "said twice is once"
    assert len(app.session_state[refine.STEPS]) == 2
    assert examples(vote(app, "plus", "no-such-picture")) == [("minus", f"item:{NEAR}")]


def test_a_link_restores_all_of_it(compare):
    app = compare(
        plus=f"item:{NEAR}",
        minus=f"item:{FAR}",
        less="0.5",
        least="1",
        min="0.9",
        where="category=mug",
    )
    assert not app.exception
    mix = Mix([Query(item_id=NEAR)], [Query(item_id=FAR)], weights=Weights(minus=0.5))
    assert ids(app) == wanted(mix, least=True, threshold=0.9, k=100, where=["category=mug"])
    assert columns(app)["hsv.12x4x4"]["said"][0] == "Least similar first"
    said = {name: param(app, name) for name in NAMES if name in app.query_params}
    assert said == {
        "plus": f"item:{NEAR}",
        "minus": f"item:{FAR}",
        "less": "0.5",
        "least": "1",
        "min": "0.9",
    }
    assert param(app, "where") == "category=mug"
    chips = [part for part in app.get("bidi_component") if "chips_refine" in part.proto.id]
    assert len(chips) == 1


def test_an_old_link_asks_as_it_did(compare):
    app = compare()
    assert not NAMES & set(app.query_params)
    assert ids(app) == wanted(Mix())


def test_a_picture_of_ones_own_can_have_a_sign(compare):
    token = uploads.keep(picture())
    app = compare(minus=f"up:{token}")
    assert not app.exception
    data = uploads.read(token)
    assert ids(app) == wanted(Mix(minus=[Query(data=data)]))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"plus": "item:no-such"}, "item:no-such can't be asked with"),
        ({"minus": "up:0123"}, "can't be asked with"),
        ({"plus": "nonsense"}, "nonsense can't be asked with"),
        ({"plus": ",".join(f"item:mug-{n:02d}-1" for n in range(16))}, "At most 12 pictures"),
        ({"text": "a" * 10_000}, "10,000 characters"),
        ({"min": "high"}, "min=high; it is a number"),
        ({"less": "7"}, "less=7; it is from 0 to 1"),
        ({"words": "many"}, "words=many; it is from 0 to 100"),
    ],
)  # fmt: skip
def test_a_forged_link_gives_a_remark(compare, params, says):
    app = compare(**params)
    assert not app.exception
    assert says in unescape(notes(app))
    assert len(ids(app)) == 10


def test_what_cancels_out_is_said_in_every_column(compare):
    app = compare(minus="item:mug-15-0", less="1")
    for column in columns(app).values():
        assert column["state"] == "failed"
        assert column["headline"] == "What is asked with cancels out: the weights sum to zero."


def test_a_threshold_stands_in_place_of_the_number_of_results(compare):
    everything = wanted(Mix(), k=30)
    app = compare()
    app.number_input(key=refine.THRESHOLD).set_value(0.9).run()
    found = ids(app)
    assert found == wanted(Mix(), threshold=0.9, k=100)
    assert found == everything[: len(found)]
    assert param(app, "min") == "0.9"
    assert app.selectbox(key=link.K).disabled
    app.number_input(key=refine.THRESHOLD).set_value(1.5).run()
    notice = columns(app)["hsv.12x4x4"]["notice"]
    assert notice[0] == "No picture reaches 1.5"
    app.number_input(key=refine.THRESHOLD).set_value(0.1).run()
    assert "these are the first 100" in columns(app)["hsv.12x4x4"]["said"][-1]


def test_the_least_similar_are_the_other_end(compare):
    app = compare()
    app.toggle(key=refine.LEAST).set_value(True).run()
    assert ids(app) == wanted(Mix(), least=True)
    assert param(app, "least") == "1"
    assert app.number_input(key=refine.THRESHOLD).label == "Score at most"


def test_another_query_begins_anew_and_back_returns_to_what_stood_beside_the_last(compare):
    app = vote(compare(), "plus", NEAR)
    app = press(app, "vase-00-1", "picked")
    assert param(app, "query") == "item:vase-00-1"
    assert (examples(app), "plus" in app.query_params) == ([], False)
    app = button(app, "back").click().run()
    assert examples(app) == [("plus", f"item:{NEAR}")]


def test_the_place_of_an_opened_hit_is_for_all_that_is_asked(compare):
    app = compare(plus=f"item:{NEAR}", least="1")
    hit = ids(app)[3]
    app.session_state["opened_hit"] = hit
    places = component(app.run(), "board")["detail"]["places"]
    assert places["hsv.12x4x4"]["rank"] == 4
    everything = wanted(Mix([Query(item_id=NEAR)]), "tiny.16x16", k=1000, least=True)
    if hit in everything:
        assert places["tiny.16x16"]["rank"] == everything.index(hit) + 1


class Reader:
    """Words for a picture of one colour: ``red`` and ``blue``; ``there`` says whether it is here."""

    languages = "English"
    there = "ready"

    def state(self) -> State:
        return State(self.there, "", 9_000_000)

    def load(self, progress=None) -> None: ...

    def encode(self, text: str) -> np.ndarray:
        colour = (255.0, 0, 0) if "red" in text else (0, 0, 255.0)
        return unit_rows(np.tile(colour, 16)[None] + 1.0)

    def cut(self, text: str) -> int:
        return 0


class Captioned(Counting):
    name, title = "captioned.test", "Captioned"
    words = Reader()


@pytest.fixture
def painted(open_page, monkeypatch, tmp_path):
    """Compare on six red and six blue pictures, by an encoder that reads text and one that does
    not."""
    encoders.names()
    monkeypatch.setitem(encoders._makers, Captioned.name, Captioned)
    for label, colour in (("blue", (20, 30, 230)), ("red", (230, 30, 20))):
        for number in range(6):
            path = tmp_path / "painted" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), tuple(part + 3 * number for part in colour)).save(path)
    locator = library.add_folder(str(tmp_path / "painted"))
    build(library.open_dataset(locator), ["captioned.test", "tiny.16x16"])

    def opened(**params: str):
        usual = {"encoders": "captioned.test,tiny.16x16", "query": "item:blue/0.png", "k": "5"}
        return open_page("compare", dataset=locator, **{**usual, **params})

    return opened


def heads(app, name="captioned.test") -> list[str]:
    return [hit["id"].split("/")[0] for hit in columns(app)[name]["hits"]]


def test_words_are_typed_where_a_chosen_encoder_reads_them(painted, compare):
    app = painted()
    assert "English" in app.text_input(key=refine.TEXT).help
    app.text_input(key=refine.TEXT).set_value("something red").run()
    assert not app.exception
    assert heads(app) == ["red"] * 5
    assert (param(app, "text"), "words" in app.query_params) == ("something red", False)
    silent = columns(app)["tiny.16x16"]
    assert (silent["state"], silent["headline"]) == ("unread", "Tiny image reads no text")
    app.slider(key=refine.SHARE).set_value(10).run()
    assert heads(app) == ["blue"] * 5
    assert param(app, "words") == "10"
    app = button(app, "refine_undo").click().run()
    assert app.text_input(key=refine.TEXT).value == ""
    assert columns(app)["tiny.16x16"]["state"] == "done"
    assert not [field for field in compare().text_input if field.key == refine.TEXT]


def test_words_come_with_the_link_and_the_query_then_is_no_picture(painted):
    app = painted(text="red")
    assert heads(app) == ["red"] * 5
    assert component(app, "board")["query"]["title"] == "“red”"
    assert all(hit["verdict"] is None for hit in columns(app)["captioned.test"]["hits"])


def test_an_encoder_without_words_offers_to_ask_without_them(painted):
    app = painted(text="red")
    app = vote(app, "no_words", "tiny.16x16")
    assert "text" not in app.query_params
    assert columns(app)["tiny.16x16"]["state"] == "done"


def test_a_text_tower_that_is_not_here_is_offered(painted, monkeypatch):
    monkeypatch.setattr(Reader, "there", "download")
    started = []
    monkeypatch.setattr(downloads, "start", lambda *given: started.append(given))
    app = painted(text="red")
    column = columns(app)["captioned.test"]
    assert column["headline"] == "The text tower of Captioned is not here yet"
    assert column["message"] == "9.0 MB to download. It reads English."
    assert column["actions"] == [["fetch_text", "Download it"]]
    vote(app, "fetch_text", "captioned.test")
    assert started == [("text", "captioned.test", "the text tower of captioned.test")]
