"""What a page opens with: the best that is built; what was just built; and what a list to choose
from says of each."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from core.services import jobs
from core.services.embedding import opening, passes
from core.services.embedding.build import build
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.library import library
from pages.parts import builds, cached, encoder_names, given, settings
from pages.parts.library import place
from tests.pages.reading import columns, html, notes, param

CLASSICAL = "hog.8x8,tiny.16x16,hsv.12x4x4"
UNKNOWN = "vit_small_patch14_dinov2.lvd142m"


@pytest.fixture
def own(pictures) -> str:
    return library.add_folder(str(pictures))


def made(locator: str, *names: str) -> None:
    build(library.open_dataset(locator), list(names))
    cached.forget_builds()


def ended() -> None:
    deadline = time.monotonic() + 600
    while jobs.listing(active_only=True):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    cached.forget_builds()


def menu(app, key: str = "keep_encoders") -> list[str]:
    return list(app.multiselect(key=key).options)


def test_a_gallery_opens_with_what_is_built_for_it_the_best_first(open_page, own, monkeypatch):
    made(own, "hsv.12x4x4", "tiny.16x16")
    monkeypatch.setattr(
        opening, "evaluated", lambda dataset: {"hsv.12x4x4": 0.9, "tiny.16x16": 0.2}
    )
    app = open_page("compare", dataset=own)
    assert list(columns(app)) == ["hsv.12x4x4", "tiny.16x16"]
    assert all(column["state"] == "done" for column in columns(app).values())
    monkeypatch.setattr(
        opening, "evaluated", lambda dataset: {"hsv.12x4x4": 0.1, "tiny.16x16": 0.2}
    )
    cached.forget_builds()
    assert list(columns(open_page("compare", dataset=own))) == ["tiny.16x16", "hsv.12x4x4"]


def test_it_opens_with_no_more_than_can_be_taken_in(open_page, own):
    made(own, "hsv.12x4x4", "tiny.16x16", "hog.8x8", "phash.16x16", "dhash.16x16")
    assert len(columns(open_page("compare", dataset=own))) == given.MAX_OPENING == 4


def test_an_option_that_is_built_opens_too(open_page, own):
    made(own, "hog.8x8:pca=4")
    assert set(columns(open_page("compare", dataset=own))) == {"hog.8x8", "hog.8x8:pca=4"}


def test_where_nothing_is_built_the_first_three_offer_it(open_page, own):
    shown = columns(open_page("compare", dataset=own))
    assert list(shown) == list(FIRST_ENCODERS)
    assert all(column["actions"] == [["build", "Build"]] for column in shown.values())
    assert jobs.listing() == []


def test_another_gallery_opens_with_its_own(open_page, own):
    made(own, "tiny.16x16")
    app = open_page("compare", encoders=CLASSICAL)
    app.selectbox(key="keep_dataset").set_value(own).run()
    assert not app.exception
    assert param(app, "encoders") == "tiny.16x16"
    assert given.opening("catalogue") == list(FIRST_ENCODERS)


def test_a_shared_link_keeps_what_it_says(open_page, own):
    made(own, "tiny.16x16")
    app = open_page("compare", dataset=own, encoders="hsv.12x4x4,tiny.16x16")
    assert list(columns(app)) == ["hsv.12x4x4", "tiny.16x16"]
    old = open_page("compare", dataset="catalogue", encoders=CLASSICAL)
    assert list(columns(old)) == CLASSICAL.split(",")
    assert all(column["state"] == "done" for column in columns(old).values())
    assert "Not everything" not in html(old)


def start_build(app, locator: str, names: list[str]):
    app.query_params["set"], app.query_params["view"] = locator, place.ENCODERS
    app.run()
    app.multiselect(key="keep_build_encoders").set_value(names).run()
    app.button(key="build").click().run()
    assert not app.exception
    ended()
    return app


def test_after_a_build_compare_opens_with_exactly_what_was_built(open_page, own):
    made(own, "tiny.16x16")
    app = open_page("compare", encoders=CLASSICAL)
    app.query_params.clear()
    start_build(app.switch_page("pages/library.py").run(), own, ["hsv.12x4x4", "dhash.16x16"])
    app.query_params.clear()
    app.switch_page("pages/compare.py").run()
    assert not app.exception
    assert (param(app, "dataset"), param(app, "encoders")) == (
        given.link_name(own),
        "hsv.12x4x4,dhash.16x16",
    )
    assert all(column["state"] == "done" for column in columns(app).values())
    app.multiselect(key="keep_encoders").set_value(["hsv.12x4x4"]).run()
    app.query_params.clear()
    app.switch_page("pages/library.py").run()
    app.switch_page("pages/compare.py").run()
    assert param(app, "encoders") == "hsv.12x4x4", (
        "it is opened with once; then a choice stays a choice"
    )


def test_a_build_that_failed_changes_nothing(open_page, own, monkeypatch):
    app = open_page("compare", encoders=CLASSICAL)
    app.session_state[builds.UNSEEN] = ["no-such-job"]
    app.query_params.clear()
    app.switch_page("pages/map.py").run()
    app.query_params.clear()
    app.switch_page("pages/compare.py").run()
    assert param(app, "encoders") == CLASSICAL


def test_the_list_says_what_each_encoder_costs_and_ready_ones_come_first(open_page, own):
    made(own, "dhash.16x16", "tiny.16x16")
    app = open_page("compare", dataset=own, encoders="tiny.16x16")
    offered = menu(app)
    assert set(offered[:2]) == {"Tiny image", "Difference hash · ready"}, (
        "what is chosen stands by its title alone"
    )
    assert "SIFT + VLAD · builds in under 1 s" in offered, "12 pictures, by the shipped latencies"
    assert "ResNet-50 · download 103 MB" in offered
    assert all(" · " in one for one in offered if one != "Tiny image")


@pytest.mark.parametrize(
    ("page", "key", "link"),
    [
        ("library", "keep_build_encoders", {"set": "catalogue", "view": place.ENCODERS}),
        ("map", "keep_encoders", {"encoders": "hsv.12x4x4"}),
    ],
)
def test_the_same_words_stand_wherever_encoders_are_chosen(open_page, page, key, link):
    offered = menu(open_page(page, **link), key)
    assert {"HOG · ready", "ResNet-50 · download 103 MB"} <= set(offered)
    assert any(one.startswith("SIFT + VLAD · ") for one in offered)


def test_the_index_lab_and_the_metrics_page_say_them_too(open_page, report):
    lab = open_page("index_lab", encoder="hsv.12x4x4", encoders="hsv.12x4x4")
    assert "HOG · ready" in lab.selectbox(key="keep_lab_encoder").options
    metrics = open_page("metrics", report=report)
    metrics.multiselect(key="metrics_evaluate_sets").set_value(["catalogue"]).run()
    assert "Tiny image · ready" in menu(metrics, "metrics_evaluate_encoders")
    assert "ResNet-50" not in " ".join(menu(metrics, "metrics_evaluate_encoders")), (
        "what is not here can't be judged"
    )


def test_several_data_sets_are_ready_together_or_not_at_all(own):
    made(own, "tiny.16x16")
    assert encoder_names.state_words("tiny.16x16", [own, "catalogue"]) == "ready"
    assert encoder_names.state_words("hog.8x8", [own, "catalogue"]).startswith("builds in ")
    assert encoder_names.state_words("hog.8x8", []) == ""
    assert encoder_names.state_words(UNKNOWN, [own]).startswith("download ")
    assert settings.listed([own, "catalogue"])[0] == "tiny.16x16"


def test_an_encoder_that_nobody_measured_is_not_built(own, monkeypatch):
    monkeypatch.setattr(cached, "build_times", lambda: passes.BuildTimes({}, {}))
    assert encoder_names.state_words("hog.8x8", [own]) == "not built"


def test_opening_a_page_probes_and_loads_nothing(open_page, own, monkeypatch):
    from core.encoders.network import Network
    from core.encoders.trained import Trained
    from core.services.embedding import build

    made(own, "tiny.16x16")
    for kind in (Network, Trained):
        monkeypatch.setattr(kind, "load", lambda *given: pytest.fail("weights were loaded"))
    monkeypatch.setattr(build, "_probe", lambda *given: pytest.fail("pictures were encoded"))
    assert list(columns(open_page("compare", dataset=own))) == ["tiny.16x16"]


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 60, 40)).save(out, "PNG")
    return out.getvalue()


def test_a_picture_dropped_on_home_is_answered_by_the_first_encoders(open_page):
    app = open_page()
    app.file_uploader[0].set_value(("mine.png", picture(), "image/png")).run()
    assert not app.exception
    assert "<h1>Compare</h1>" in html(app)
    assert param(app, "query").startswith("up:")
    assert (param(app, "dataset"), param(app, "encoders")) == (
        "catalogue",
        ",".join(FIRST_ENCODERS),
    )
    assert list(columns(app)) == list(FIRST_ENCODERS)


def test_a_file_dropped_on_home_that_is_no_picture_is_refused_in_words(open_page):
    app = open_page()
    app.file_uploader[0].set_value(("mine.png", b"no picture", "image/png")).run()
    assert not app.exception
    assert "<h1>Lookalike</h1>" in html(app)
    assert "not a picture" in notes(app)


def test_home_downloads_nothing_unasked(open_page, monkeypatch):
    first = FIRST_ENCODERS[0]
    real = cached.encoder_row
    monkeypatch.setattr(cached, "built", lambda locator, version, name: name != first)
    monkeypatch.setattr(
        cached,
        "encoder_row",
        lambda name: {**real(name), "state": "download"} if name == first else real(name),
    )
    asked = []
    monkeypatch.setattr(builds, "start", lambda *given: asked.append(given))
    open_page()
    assert asked == []
