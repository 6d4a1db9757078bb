"""Links of every page: each parameter that is declared is read and written alike, what can't be
restored is said, and none tells where a person keeps pictures."""

from __future__ import annotations

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from core.services.library import library
from pages.parts import crop, given, link, url_state
from pages.parts.lab import state as lab
from pages.parts.library import place as library_page
from pages.parts.map import view as maps
from pages.parts.metrics import choice
from pages.parts.train import state as train
from tests.pages.reading import html, notes, param

PAIR = "tiny.16x16,hog.8x8"
COMPARE = {
    "dataset": "catalogue",
    "encoders": PAIR,
    "index": "hnsw:efSearch=32",
    "k": "7",
    "where": "category=mug|ring",
    "query": "item:ring-15-2",
    "subject": "saliency",
    "always": "1",
    "box": "0.1,0.2,0.5,0.75",
    "plus": "item:ring-15-3",
    "minus": "item:mug-15-1",
    "text": "a red ring",
    "words": "40",
    "less": "0.7",
    "least": "1",
    "min": "0.5",
    "rerank": "hog.8x8~geometric",
    "together": "rrf",
    "weights": "1,0.5",
    "size": "L",
    "hide": "tiny.16x16",
    "pin": "hog.8x8",
    "agreement": "Rank-biased",
    "why": "|hog.8x8|ring-15-4",
}
MAP = {
    "map": "umap",
    "colour": "instance",
    "view": "Morph",
    "classes": "chair-04\nmug-01",
    "pictures": "1",
    "picked": "chair-04-0",
    "lasso": "hog.8x8;0,0;1,0;1,1",
    "morph": "0.5",
    "pair": "hog.8x8 tiny.16x16",
}
LAB = {
    "view": "Advice",
    "encoder": "hog.8x8",
    "indexes": "exact;ivf_flat",
    "size": "10000",
    "full": "1",
    "time": "p95",
    "asked": "batch",
    "recall": "0.9",
    "try": "ivf_flat",
    "pca": "32",
    "code": "pq",
    "through": "exact",
    "rerank": "2",
    "hash": "minhash",
    "bits": "128",
    "rows": "4",
    "perms": "64",
    "hashdim": "32",
    "threshold": "0.7",
    "gallery": "1000000",
    "memory": "8",
    "set": "nprobe=4",
}
METRICS = {
    "Leaderboard": {"sort": "rank down"},
    "Cost": {"against": "Vector size"},
    "Queries": {"one": "tiny.16x16", "other": "hog.8x8"},
    "Robustness": {
        "measure": "Same ranks",
        "distortion": "blur",
        "strength": "4",
        "picture": "warm/0.png",
    },
    "Data health": {"encoder": "hog.8x8"},
    "Metric audit": {"query": "warm/1.png", "encoder": "hog.8x8", "k": "3"},
}
ON_BOARD = {"dataset": "pictures", "protocol": "class", "metric": "hit@1", "class": "warm"}


def test_every_parameter_that_is_declared_is_tried_here():
    assert set(link.PARAMS.by_name) == set(COMPARE)
    assert set(maps.PARAMS.by_name) == set(MAP)
    assert set(lab.PARAMS.by_name) == set(LAB)
    of_views = {name for one in METRICS.values() for name in one}
    others = {"report", "view", "precision", "pictures", "worth", "detector"}
    assert set(choice.PARAMS.by_name) == {*others, *ON_BOARD, *of_views}
    assert set(library_page.PARAMS.by_name) == {"set", "view", "tab"}
    assert set(train.PARAMS.by_name) == {"run", "model", "view"}


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ("compare", COMPARE),
        ("map", {"encoders": PAIR, "where": "category=mug|ring", **MAP}),
        ("index_lab", {"k": "7", **LAB}),
    ],
)
def test_what_a_link_says_is_restored_and_written_again(open_page, page, wanted):
    said(open_page(page, **wanted), wanted)


@pytest.mark.parametrize("view", METRICS)
def test_what_a_link_says_of_a_report_is_restored_and_written_again(opened, view):
    wanted = {**ON_BOARD, **METRICS[view]}
    said(opened(view, **wanted), {"report": "ours", "view": view, **wanted})


def said(app: AppTest, wanted: dict[str, str]) -> None:
    assert not app.exception
    assert "Not everything" not in notes(app)
    assert {name: param(app, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("page", "names", "kept"),
    [
        ("compare", COMPARE, {"text": "any is possible"}),
        ("map", {**MAP, "neighbours": ""}, {"map": "umap"}),
        ("index_lab", LAB, {}),
    ],
)
def test_what_a_link_asks_for_in_vain_is_said(open_page, page, names, kept):
    refused(open_page(page, **{name: f"no-{name}" for name in names} | kept), names.keys() - kept)


@pytest.mark.parametrize("view", METRICS)
def test_what_a_link_asks_of_a_report_in_vain_is_said(opened, view):
    names = {*ON_BOARD, *METRICS[view]} if view == "Leaderboard" else set(METRICS[view])
    refused(opened(view, **{name: f"no-{name}" for name in names}), names)


def refused(app: AppTest, names: set[str]) -> None:
    assert not app.exception
    assert "Not everything could be restored." in notes(app)
    assert [name for name in sorted(names) if f"no-{name}" not in notes(app)] == []
    assert not [name for name in app.query_params if param(app, name) == f"no-{name}"]


def test_the_precision_that_a_link_wants(open_page):
    health = {"view": "Data health", "protocol": "category", "encoder": "hog.8x8"}
    wanted = {**health, "precision": "80%"}
    said(open_page("metrics", **wanted), wanted)
    refused(open_page("metrics", **health, precision="no-precision"), {"precision"})


def test_what_a_link_says_of_the_subject(open_page):
    names = {"pictures", "worth", "detector"}
    refused(open_page("metrics", view="Subject", **{name: f"no-{name}" for name in names}), names)


def test_a_view_of_a_page_that_there_is_none_of_is_said(opened, open_page):
    assert "The link says view = All" in notes(opened("All"))
    assert "The link says view = All" in notes(open_page("index_lab", view="All"))
    assert "The link says view = All" in notes(open_page("library", set="catalogue", view="All"))
    assert "There is no data set" in notes(open_page("library", set="nothing"))
    assert "The link says map = umpa" in notes(open_page("map", map="umpa"))


def test_a_link_names_a_folder_but_not_where_it_lies(open_page, pictures):
    locator = library.add_folder(str(pictures))
    app = open_page("compare", dataset=locator, encoders="tiny.16x16")
    public = param(app, "dataset")
    assert public == given.link_name(locator)
    assert public.startswith(f"{given.public_name(locator)}~")
    assert public.startswith(f"{pictures.name}~")
    assert not [name for name in app.query_params if str(pictures.parent) in param(app, name)]
    place = given.public_name(locator)
    assert param(open_page("library", set=place), "set") == place
    for page in ("compare", "map", "index_lab"):
        app = open_page(page, dataset=public)
        assert app.session_state[link.DATASET] == locator
        assert param(app, "dataset") == public
        assert "Not everything" not in html(app)


def test_namesakes_are_told_apart(tmp_path, pictures):
    other = tmp_path / "elsewhere" / pictures.name
    shutil.copytree(pictures, other)
    one, two = library.add_folder(str(pictures)), library.add_folder(str(other))
    assert given.public_name(one) != given.public_name(two)
    assert given.dataset(given.public_name(two)) == two
    with pytest.raises(given.Refused, match="not ready"):
        given.dataset(pictures.name)


def test_sizes_of_pictures_and_of_galleries_do_not_meet(open_page):
    app = open_page("compare", size="L")
    app.switch_page("pages/index_lab.py").run()
    assert "size" not in app.query_params
    app = open_page("index_lab", size="10000")
    assert "Not everything" not in notes(app)
    assert crop.BOX in app.session_state


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("compare", link.DATASET),
        ("map", link.DATASET),
        ("index_lab", link.DATASET),
        ("arena", "keep_arena_dataset"),
        ("metrics", choice.DATASET),
    ],
)
def test_another_place_with_the_same_pictures_is_known_by_them(
    tmp_path, pictures, open_page, page, shown
):
    """A link of one machine, on another: the folder has another path and another name."""
    link_there = given.names.travelling("/elsewhere/mine", "mine", _likeness(pictures))
    moved = tmp_path / "moved" / "renamed"
    shutil.copytree(pictures, moved)  # copies keep their times; a download would not
    for file in moved.rglob("*.*"):
        file.touch()
    locator = library.add_folder(str(moved))
    app = open_page(page, dataset=link_there)
    assert app.session_state[shown] == locator
    assert "Not everything" not in html(app)
    assert param(app, "dataset") == given.link_name(locator)


def test_a_room_and_a_report_of_another_machine_are_said_to_be_missing(open_page):
    assert "There is no room" in notes(open_page("arena", room="ABCDE", result="1"))
    assert "report = theirs" in notes(open_page("metrics", report="theirs"))
    assert "There is no lesson &#x27;theirs&#x27;" in notes(open_page("learn", lesson="theirs"))
    unbuilt = {"encoder": "siamese.nobody", "encoders": "siamese.nobody"}
    for page in ("map", "index_lab"):
        assert "siamese.nobody" in notes(open_page(page, **unbuilt))


def test_other_pictures_of_the_same_name_are_said(pictures, open_page):
    library.add_folder(str(pictures))
    there = given.names.travelling(f"/elsewhere/{pictures.name}", pictures.name, "01234567")
    assert "holds other pictures" in notes(open_page("compare", dataset=there))
    assert "not ready in this library" in notes(
        open_page("compare", dataset="gone~12ab34~01234567")
    )


def _likeness(pictures) -> str:
    return library.open_dataset(str(pictures)).likeness


def test_a_lesson_says_what_its_link_can_not_set(open_page):
    app = open_page("learn", lesson="hashing", bits="128", rows="7", hash="sha")
    assert "The link says rows = 7" in notes(app)
    assert "The link says hash = sha" in notes(app)
    assert param(app, "bits") == "128"
    assert "rows" not in app.query_params
    assert "Not everything" not in notes(open_page("learn", lesson="hashing", bits="128"))


def test_the_arena_opens_as_its_link_says(open_page):
    app = open_page("arena", encoders="hog.8x8,tiny.16x16,nothing", rounds="3")
    assert app.session_state["keep_arena_encoders"] == ["hog.8x8", "tiny.16x16"]
    assert "Not built for this data set: nothing" in notes(app)
    assert (param(app, "encoders"), param(app, "rounds")) == ("hog.8x8,tiny.16x16", "3")
    assert "The link says rounds = 900" in notes(open_page("arena", rounds="900"))


def test_a_control_is_faster_than_the_address_bar(open_page):
    """What the address bar still said when the next control was used is not opened again."""
    app = open_page("library")
    app.session_state[library_page.TAB] = "Encoders"
    app.run()
    assert param(app, "tab") == "Encoders"
    late(app).button(key="add_pictures").click().run()
    assert app.session_state[library_page.TAB] == param(app, "tab") == "Encoders"


def test_a_rerun_of_its_own_is_no_link_either(open_page):
    app = open_page("library")
    app.session_state[library_page.TAB] = "Encoders"
    app.run()
    late(app).run()
    assert app.session_state[library_page.TAB] == param(app, "tab") == "Encoders"


@pytest.mark.parametrize("way", ["back", "menu"])
def test_the_way_back_and_the_menu_are_followed(open_page, monkeypatch, way):
    app = open_page("library")
    app.session_state[library_page.TAB] = "Encoders"
    app.run()
    late(app)
    if way == "back":
        monkeypatch.setattr(url_state, "_went_back", lambda: True)
    else:
        app.query_params.update(url_state.AFRESH)
    app.run()
    assert app.session_state[library_page.TAB] == "Data sets"
    assert not app.query_params


def late(app: AppTest) -> AppTest:
    """The next run begins with the link that the page was opened with."""
    app.query_params.clear()
    return app
