"""The subject on Compare: found in the background, searched with when it is chosen, kept in the
link, refused in sentences."""

from __future__ import annotations

import base64
import io
import threading

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.detectors import onnx_file
from core.detectors.base import Box, Detector, detectors
from core.errors import UserError
from core.services.embedding import detecting
from core.services.library import uploads
from core.services.library.library import open_dataset
from core.services.search import subject
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import place, search
from core.types import State
from pages.parts import answers, caches, crop, link
from pages.parts.subject import take
from tests.pages.reading import columns, component, give, html, notes, param, picture
from tests.plugged import wait_for

FIRST = "hog.8x8,tiny.16x16,hsv.12x4x4"
WHOLE = "The whole picture is searched."


class Corner(Detector):
    """Finds the lower right quarter, and a smaller box; ``missing`` says why it can't be used."""

    name, title, about = "corner.test", "Corner", "The lower right quarter."
    finds: tuple[Box, ...] = (
        Box(0.1, 0.1, 0.2, 0.2, 0.4),
        Box(0.55, 0.55, 0.95, 0.95, 0.9, "thing"),
    )
    missing = ""

    def state(self) -> State:
        return State("unavailable", self.missing) if self.missing else State("ready")

    def load(self, progress=None) -> None:
        if self.missing:
            raise UserError(self.missing)

    def _detect(self, image):
        return self.finds


@pytest.fixture
def corner(monkeypatch) -> type[Corner]:
    detectors.names()
    monkeypatch.setitem(detectors._makers, Corner.name, Corner)
    detecting._loaded.clear()
    subject._known.clear()
    return Corner


@pytest.fixture
def compare(open_page, corner):
    def opened(**params: str):
        return open_page("compare", **{"encoders": FIRST, "subject": corner.name, **params})

    return opened


def shown_subject(app) -> dict:
    """What stands on the query's picture: what came after it was drawn goes before."""
    drawn = component(app, "query")["subject"]
    sent = [one.proto.component_name for one in app.get("bidi_component")]
    if "lookalike_found" not in sent:
        return drawn
    later = component(app, "found")
    assert drawn["looking"]
    assert (later["of"], later["by"]) == (drawn["of"], drawn["by"])
    return later


def ids(app) -> list[list[str]]:
    return [[hit["id"] for hit in column["hits"]] for column in columns(app).values()]


def expected(dataset, box, query="mug-15-0") -> list[list[str]]:
    asked = Query(item_id=query, box=box)
    return [
        [hit.id for hit in search(SearchRequest(asked, name, k=10), dataset).hits]
        for name in FIRST.split(",")
    ]


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def catalogue():
    return open_dataset("catalogue")


def chosen(app, box):
    """Run the page as it runs when this part was chosen on the picture."""
    app.session_state[crop.BOX] = box
    return app.run()


def test_the_whole_picture_answers_and_what_was_found_stands_on_it(compare, catalogue):
    app = compare()
    assert not app.exception
    shown = shown_subject(app)
    assert [frame["edges"] for frame in shown["frames"]] == [
        [0.55, 0.55, 0.95, 0.95],
        [0.1, 0.1, 0.2, 0.2],
    ]
    assert shown["frames"][0]["part"] == pytest.approx([0.48, 0.48, 1.0, 1.0], abs=1e-4)
    assert [frame["said"] for frame in shown["frames"]] == ["thing 0.90", "score 0.40"]
    assert (shown["main"], shown["box"], shown["note"]) == (0, None, "")
    assert "√area" in shown["rule"]
    assert ids(app) == expected(catalogue, None)
    assert "box" not in app.query_params
    assert param(app, "subject") == "corner.test"


def test_a_part_that_is_chosen_is_searched_in_every_column_and_stands_in_the_link(
    compare, catalogue
):
    box = (0.2, 0.25, 0.8, 0.75)
    app = chosen(compare(), box)
    assert param(app, "box") == "0.2,0.25,0.8,0.75"
    assert ids(app) == expected(catalogue, box) != expected(catalogue, None)
    again = compare(box="0.2,0.25,0.8,0.75")
    assert shown_subject(again)["box"] == list(box)
    assert ids(again) == ids(app)
    assert "Not everything" not in html(again)
    back = chosen(app, None)
    assert "box" not in back.query_params
    assert ids(back) == expected(catalogue, None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("3|0.1,0.2,0.5,0.75|item:a|b", (0.1, 0.2, 0.5, 0.75)),
        ("3||item:a|b", None),
        ("3|nan,0,1,1|item:a|b", None),
        ("3|0.9,0.75,0.1,0.2|item:a|b", (0.1, 0.2, 0.9, 0.75)),
        ("x|0.1,0.2,0.5,0.75|item:a|b", (0, 0, 0.5, 0.5)),
        ("3|0.1,0.2,0.5,0.75|item:other", (0, 0, 0.5, 0.5)),
        ("3", (0, 0, 0.5, 0.5)),
        ("", (0, 0, 0.5, 0.5)),
    ],
)
def test_what_the_picture_sends_is_checked(monkeypatch, text, kept):
    session = {"query_picture": {"boxed": text}, crop.BOX: (0, 0, 0.5, 0.5), link.QUERY: "item:a|b"}
    monkeypatch.setattr(st, "session_state", session)
    take("query_picture")
    assert session[crop.BOX] == kept
    assert session.get("box_serial") == (3 if text.startswith("3") else None)


def test_the_main_subject_is_always_searched_with_where_that_was_asked(compare, catalogue):
    app = compare(always="1")
    box = (0.48, 0.48, 1.0, 1.0)
    assert shown_subject(app)["box"] == pytest.approx(box)
    assert (param(app, "box"), param(app, "always")) == ("0.48,0.48,1,1", "1")
    assert ids(app) == expected(catalogue, box)
    whole = chosen(app, crop.WHOLE)
    assert shown_subject(whole)["box"] is None
    assert param(whole, "box") == "0,0,1,1"
    assert ids(compare(always="1", box="0,0,1,1")) == expected(catalogue, None)


def test_another_query_is_searched_whole_and_back_brings_the_box(compare):
    app = chosen(compare(), (0.2, 0.2, 0.8, 0.8))
    give(app, picture((200, 60, 40)))
    assert param(app, "query").startswith("up:")
    assert "box" not in app.query_params
    app.button(key="back").click().run()
    assert param(app, "box") == "0.2,0.2,0.8,0.8"


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ("0.5,0.2,0.5,0.9", "has no area"),
        ("1.2,0.1,1.6,0.5", "outside the picture"),
        ("0.1,0.2,0.3", "be read"),
        ("nan,0,1,1", "be read"),
        ("<script>", "be read"),
        ("1," * 4000, "be read"),
        ("1e999,0,1,1", "be read"),
        ("", "be read"),
    ],
)
def test_an_impossible_box_gives_a_remark_and_the_whole_picture(compare, catalogue, box, said):
    app = compare(box=box)
    assert not app.exception
    assert said in notes(app)
    assert WHOLE in notes(app)
    assert "<script>" not in html(app)
    assert shown_subject(app)["box"] is None
    assert "box" not in app.query_params
    assert ids(app) == expected(catalogue, None)


def test_a_box_beyond_the_edge_ends_at_the_edge(compare):
    assert param(compare(box="0.5,-1,7,0.5"), "box") == "0.5,0,1,0.5"


def test_a_detector_that_nobody_knows_gives_a_remark(compare):
    app = compare(subject="<b>nothing")
    assert "There is no detector named" in notes(app)
    assert shown_subject(app)["off"]
    assert "subject" not in app.query_params


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            np.random.default_rng(0).integers(0, 256, (31, 200, 3), dtype=np.uint8),
            "200 x 31 pixels: too few",
        ),
        (np.full((80, 80, 3), 140, np.uint8), "of one colour"),
    ],
)
def test_a_picture_with_nothing_to_find_is_searched_whole(compare, data, said):
    app = compare(query=f"up:{uploads.keep(png(data))}", always="1")
    assert said in shown_subject(app)["note"]
    assert shown_subject(app)["note"].endswith(WHOLE)
    assert (
        shown_subject(app)["box"],
        shown_subject(app)["frames"],
        shown_subject(app)["main"],
    ) == (None, [], None)
    assert all(column["state"] == "done" for column in columns(app).values())


def test_a_detector_that_finds_nothing_or_fails_says_so(compare, corner, monkeypatch):
    monkeypatch.setattr(corner, "finds", ())
    assert shown_subject(compare())["note"] == f"Corner found nothing. {WHOLE}"
    subject._known.clear()
    monkeypatch.setattr(corner, "_detect", lambda self, image: 1 / 0)
    assert (
        shown_subject(compare())["note"]
        == f"The detector corner.test failed (ZeroDivisionError). {WHOLE}"
    )


def test_a_detector_that_is_not_installed_says_so_without_a_command(
    compare, monkeypatch, catalogue
):
    monkeypatch.setattr(onnx_file, "PACKAGE", "no_such_package")
    app = compare(subject="saliency")
    assert "onnxruntime is not installed" in shown_subject(app)["note"]
    assert shown_subject(app)["note"].endswith(WHOLE)
    assert "pip" not in shown_subject(app)["note"]
    assert ids(app) == expected(catalogue, None)
    monkeypatch.setattr(crop, "FIRST", "saliency")
    caches.forget()
    plain = compare(subject="whole")
    assert shown_subject(plain)["note"] == "", "nobody asked for it"
    assert "subject" not in plain.query_params


def test_answers_are_drawn_while_a_detector_still_looks(compare, corner, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(corner, "_detect", lambda self, image: gate.wait(300) and self.finds)
    monkeypatch.setattr(answers, "_wait", lambda *given: st.stop())
    app = compare()
    assert all(column["state"] == "done" for column in columns(app).values())
    assert shown_subject(app)["note"].startswith("Looking for the subject")
    gate.set()
    wait_for(lambda: not subject._at_work)
    assert len(shown_subject(app.run())["frames"]) == 2


def test_the_way_to_choose_a_detector(compare, corner):
    app = compare(subject="whole")
    assert shown_subject(app)["off"]
    assert shown_subject(app)["frames"] == []
    app.session_state["keep_subject"] = corner.name
    assert len(shown_subject(app.run())["frames"]) == 2


def test_a_hit_is_opened_beside_the_part_and_its_place_is_the_parts(compare, catalogue):
    box = (0.2, 0.25, 0.8, 0.75)
    app = compare()
    whole = component(app, "board")["query"]
    app = chosen(app, box)
    part = component(app, "board")["query"]
    assert part["key"] != whole["key"]
    with Image.open(io.BytesIO(base64.b64decode(part["uri"].partition(",")[2]))) as image:
        assert image.width / image.height == pytest.approx(0.6 / 0.5, abs=0.02)
    seen = {hit["id"] for column in columns(app).values() for hit in column["hits"]}
    far = next(item.id for item in catalogue.items if item.id not in seen | {"mug-15-0"})
    app.session_state["opened_hit"] = far
    told = component(app.run(), "board")["detail"]["places"]["hog.8x8"]
    asked = SearchRequest(Query(item_id="mug-15-0", box=box), "hog.8x8")
    assert told["rank"] == place(asked, catalogue, far).rank
