"""Compare: what the columns say, how the query changes, what a link restores and refuses."""

from __future__ import annotations

import io
import re
import threading

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from core.encoders.base import encoders
from core.encoders.tiny import TinyImage
from core.services import jobs
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.library import library
from core.services.search import engines, serving
from pages.parts import answers, cached
from tests.pages.reading import LIGHT, asked, columns, component, dropped, give, html, notes, param
from tests.plugged import wait_for


def test_the_default_view_is_answered_and_its_link_says_everything(compare):
    app = compare()
    shown = columns(app)
    assert list(shown) == LIGHT
    query = param(app, "query").removeprefix("item:")
    for column in shown.values():
        assert column["state"] == "done"
        assert [hit["rank"] for hit in column["hits"]] == list(range(1, 11))
        assert query not in [hit["id"] for hit in column["hits"]]
        assert [caption for _, caption, _ in column["stats"]] == ["same product", "same category"]
    assert [param(app, name) for name in ("dataset", "index", "k")] == ["catalogue", "exact", "10"]
    assert param(app, "encoders") == ",".join(LIGHT)


def test_every_column_shows_the_time_of_each_stage_on_one_scale(compare):
    shown = columns(compare(encoders=",".join(LIGHT)))
    totals = {}
    for name, column in shown.items():
        stages = column["times"]["stages"]
        assert [stage for stage, _, _ in stages] == ["prepare", "encode", "search"]
        assert all(words.endswith(" ms") for _, words, _ in stages)
        spent = [float(words.removesuffix(" ms").replace(",", "")) for _, words, _ in stages]
        totals[name] = float(column["times"]["total"].removesuffix(" ms").replace(",", ""))
        assert totals[name] == pytest.approx(sum(spent), abs=1.1)
    widths = {
        name: sum(share for _, _, share in column["times"]["stages"])
        for name, column in shown.items()
    }
    slowest = max(totals, key=totals.get)
    assert widths[slowest] == pytest.approx(1.0, abs=0.001)
    printed = (
        0.11 if totals[slowest] < 99 else 1.1
    )  # both totals are rounded to what a column shows
    for name in shown:
        assert widths[name] * totals[slowest] == pytest.approx(totals[name], abs=printed)


def test_times_of_quick_encoders_are_medians_and_those_of_slow_ones_first_runs(
    compare, monkeypatch
):
    for name in ("QUICK_MS", "TRIED_MS"):
        monkeypatch.setattr(engines, name, 1e6)
    app = compare()
    assert [(one["times"]["runs"], one["times"]["hint"]) for one in columns(app).values()] == [
        ("", "median of 3 runs")
    ] * 3
    assert "Times: median of 3 runs" in html(app)
    assert html(app).count("Picture decoded once for all: ") == 1
    monkeypatch.setattr(engines, "QUICK_MS", -1.0)
    app = compare(query="item:mug-16-0")
    assert [one["times"]["runs"] for one in columns(app).values()] == ["first run"] * 3
    assert "Times: first run" in html(app)


def test_the_first_answer_is_drawn_before_anything_is_repeated(compare, monkeypatch):
    monkeypatch.setattr(engines, "QUICK_MS", 1e6)
    monkeypatch.setattr(answers, "_time_again", lambda *given: False)
    app = compare()
    assert [one["times"]["runs"] for one in columns(app).values()] == ["first run"] * 3


def test_a_picture_like_nothing_in_the_gallery_gets_a_notice_in_the_columns_that_say_so(compare):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 2, (64, 64, 3), np.uint8) * 255)
    out = io.BytesIO()
    noise.save(out, "PNG")
    app = compare()
    assert all(column["notice"] == [] for column in columns(app).values())
    headline, why = columns(give(app, out.getvalue()))["hsv.12x4x4"]["notice"]
    assert headline == "Nothing in this gallery is close"
    assert re.fullmatch(
        r"The best score is 0\.\d{3}; even pictures of different categories in the gallery usually"
        r" reach 0\.\d{3}\.",
        why,
    )


class Gated(TinyImage):
    """A tiny image whose loading waits at a gate."""

    name, title = "gated.test", "Gated"
    gate = threading.Event()

    def load(self, progress=None):
        assert self.gate.wait(300)


def test_while_an_encoder_loads_its_column_alone_says_so(compare, monkeypatch):
    encoders.names()
    monkeypatch.setitem(encoders._makers, Gated.name, Gated)
    monkeypatch.setattr(cached, "built", lambda locator, version, name: True)
    monkeypatch.setattr(answers, "_wait", lambda *given: st.stop())
    app = compare(encoders=f"hog.8x8,{Gated.name},hsv.12x4x4")
    shown = columns(app)
    assert [shown[name]["state"] for name in shown] == ["done", "loading", "done"]
    assert shown[Gated.name]["headline"] == "Loading Gated\u00a0…"
    Gated.gate.set()
    wait_for(lambda: not serving._loads)


def test_a_letter_stands_on_the_same_picture_in_every_column_and_only_on_shared_ones(compare):
    hits = [hit for column in columns(compare()).values() for hit in column["hits"]]
    ids = [hit["id"] for hit in hits]
    shared = {id for id in ids if ids.count(id) > 1}
    assert shared
    assert {hit["id"] for hit in hits if hit["letter"]} == shared
    assert len({(hit["id"], hit["letter"]) for hit in hits if hit["letter"]}) == len(shared)
    assert all(hit["only"] == (hit["id"] not in shared) for hit in hits)


def test_every_picture_shown_was_sent_once_as_a_thumbnail(compare):
    board = component(compare(), "board")
    ids = {hit["id"] for column in board["columns"] for hit in column["hits"]}
    assert set(board["pictures"]) == ids
    assert all(
        uri.startswith("data:image/webp;base64,") and len(uri) < 20_000
        for uri in board["pictures"].values()
    )


def test_a_link_restores_everything(compare):
    link = {
        "dataset": "catalogue",
        "query": "item:ring-15-2",
        "encoders": "tiny.16x16,hog.8x8",
        "index": "exact",
        "k": "7",
    }
    app = compare(**link)
    assert {name: param(app, name) for name in link} == link
    assert list(columns(app)) == ["tiny.16x16", "hog.8x8"]
    assert [len(column["hits"]) for column in columns(app).values()] == [7, 7]
    assert asked(app) == "ring-15"


LOOK = {"size": "L", "hide": "tiny.16x16", "pin": "hsv.12x4x4"}


def test_a_link_restores_how_the_board_looks(compare):
    app = compare(**LOOK)
    assert {name: param(app, name) for name in LOOK} == LOOK
    assert list(columns(app)) == ["hsv.12x4x4", "hog.8x8"]
    look = component(app, "board")["look"]
    assert (look["size"], look["pinned"]) == ("L", "hsv.12x4x4")
    assert [(one["key"], one["title"]) for one in look["hidden"]] == [("tiny.16x16", "Tiny image")]
    plain = compare()
    assert not set(LOOK) & set(plain.query_params)


def test_what_the_board_asks_of_the_view_is_done_and_stands_in_the_link(compare):
    app = compare()
    for wish, expected in (
        ("order:hsv.12x4x4,hog.8x8,tiny.16x16", ["hsv.12x4x4", "hog.8x8", "tiny.16x16"]),
        ("hide:hog.8x8", ["hsv.12x4x4", "tiny.16x16"]),
        ("pin:tiny.16x16", ["tiny.16x16", "hsv.12x4x4"]),
        ("size:S", ["tiny.16x16", "hsv.12x4x4"]),
        ("show:hog.8x8", ["tiny.16x16", "hsv.12x4x4", "hog.8x8"]),
        ("pin:", ["hsv.12x4x4", "hog.8x8", "tiny.16x16"]),
    ):
        app.session_state["board_wish"] = [wish]
        app.run()
        assert list(columns(app)) == expected, wish
    assert param(app, "size") == "S"
    assert param(app, "encoders") == "hsv.12x4x4,hog.8x8,tiny.16x16"
    assert not {"hide", "pin"} & set(app.query_params)


def test_hiding_every_column_hides_none(compare):
    assert list(columns(compare(hide=",".join(LIGHT)))) == LIGHT


def test_a_bar_says_how_close_for_its_encoder_and_adding_a_column_changes_no_other(compare):
    alone, beside = (
        columns(compare(encoders="hog.8x8")),
        columns(compare(encoders="hog.8x8,hsv.12x4x4,tiny.16x16")),
    )
    bars = {name: [hit["bar"] for hit in column["hits"]] for name, column in beside.items()}
    assert bars["hog.8x8"] == [hit["bar"] for hit in alone["hog.8x8"]["hits"]]
    assert alone["hog.8x8"]["usual"] == beside["hog.8x8"]["usual"]
    assert all(0 <= bar <= 1 for one in bars.values() for bar in one)
    assert all(one == sorted(one, reverse=True) for one in bars.values())
    first = {name: column["hits"][0] for name, column in beside.items()}
    assert float(first["tiny.16x16"]["score"]) > float(first["hog.8x8"]["score"])
    assert first["tiny.16x16"]["bar"] < first["hog.8x8"]["bar"], (
        "a high cosine is nothing special for this encoder"
    )
    assert re.fullmatch(
        r"Closer than (over\u00a0)?[\d.]+\u00a0% of random pairs, and than [\d.]+\u00a0% of pictures are to"
        r" their nearest picture of the same "
        r"product\.",
        first["hog.8x8"]["worth"],
    )


def test_a_hit_is_opened_with_all_that_is_known_and_its_place_in_every_column(compare):
    app = compare()
    ids = {name: [hit["id"] for hit in column["hits"]] for name, column in columns(app).items()}
    opened = next(id for id in ids["tiny.16x16"] if id not in ids["hog.8x8"])
    assert component(app, "board")["detail"] is None
    app.session_state["opened_hit"] = opened
    app.run()
    detail = component(app, "board")["detail"]
    assert detail["id"] == opened
    assert detail["uri"].startswith("data:image/webp;base64,")
    facts = dict(detail["facts"])
    assert (facts["Picture"], facts["Class"]) == (opened, opened.rsplit("-", 2)[0])
    assert "Category" not in facts, "it is the label, told already"
    assert {"Pattern", "Materials"} <= set(facts)
    assert set(detail["places"]) == set(LIGHT)
    shown = next(hit for hit in columns(app)["tiny.16x16"]["hits"] if hit["id"] == opened)
    expected = {
        "rank": shown["rank"],
        "score": shown["score"],
        "share": shown["bar"],
        "worth": shown["worth"],
    }
    assert detail["places"]["tiny.16x16"] == expected
    assert detail["places"]["hog.8x8"]["rank"] > 10
    last = float(columns(app)["hog.8x8"]["hits"][-1]["score"])
    assert float(detail["places"]["hog.8x8"]["score"]) < last
    app.run()
    assert component(app, "board")["detail"] is None


def test_a_menu_says_what_an_encoder_is_and_where_it_stands(compare):
    column = columns(compare())["hog.8x8"]
    facts = dict(column["facts"])
    assert column["about"].startswith("Compares outlines")
    assert (facts["Name"], facts["Vector"]) == ("hog.8x8", "576 dimensions")
    assert re.fullmatch(r"\d+ of \d+ on this gallery, mAP 0\.\d{3}", facts["Leaderboard"])
    assert [name for name, _ in column["links"]] == ["map", "board"]


def test_a_hit_dragged_on_the_query_and_a_picture_that_is_none(compare):
    app = compare()
    hit = columns(app)["hog.8x8"]["hits"][3]["id"]
    for given, expected in (
        (f"item:{hit}", f"item:{hit}"),
        ("item:nothing", f"item:{hit}"),
        ("data:,zz", f"item:{hit}"),
    ):
        dropped(app, given)
        assert param(app, "query") == expected
    assert "What was given is not a picture." in notes(app)


FORGED = [
    ("size", "XXL", "sizes S, M, L"),
    ("dataset", "/etc", "etc&#x27; is not ready in this library"),
    ("dataset", "../../x", "x&#x27; is not ready in this library"),
    ("query", "item:<script>alert(1)</script>", "no picture"),
    ("query", "up:../../../etc/passwd", "never writes"),
    ("query", "up:" + "0" * 24, "no longer here"),
    ("query", "zz", "no picture"),
    ("encoders", "nonsense", "nonsense"),
    ("encoders", "a" * 5000, "no encoder"),
    ("index", "'; drop table", "index"),
    *(("k", value, "K is from") for value in ("0", "-3", "1e9", "٣", "x" * 900)),
]
DEFAULT = {
    "dataset": "catalogue",
    "query": "item:mug-15-0",
    "encoders": ",".join(FIRST_ENCODERS),
    "index": "exact",
    "k": "10",
}
NOT_SAID = {"size"}
"""A link says these only where they are not the default."""


@pytest.mark.parametrize(("name", "value", "said"), FORGED)
def test_a_forged_link_gives_a_remark_and_the_default(compare, name, value, said):
    app = compare(**{name: value})
    assert not app.exception
    assert "Not everything could be restored." in html(app)
    assert said in html(app)
    assert "<script>" not in html(app)
    assert len(html(app)) < 60_000
    assert name not in app.query_params if name in NOT_SAID else param(app, name) == DEFAULT[name]
    assert all(column["state"] in ("done", "loading") for column in columns(app).values())


def test_more_encoders_than_fit_are_cut_with_a_remark(compare):
    names = [*LIGHT, *(row["name"] for row in library.encoder_rows() if row["name"] not in LIGHT)]
    app = compare(encoders=",".join(names))
    assert not app.exception
    assert list(columns(app)) == names[:8]
    assert ("the first 8 are shown" in html(app)) == (len(names) > 8)


class Unbuilt(TinyImage):
    """Whatever embeddings come with the code, these do not."""

    name = "unbuilt.test"


def test_an_encoder_that_is_not_built_offers_a_build_and_starts_none(compare, monkeypatch):
    encoders.names()
    monkeypatch.setitem(encoders._makers, Unbuilt.name, Unbuilt)
    column = columns(compare(encoders=f"hog.8x8,hsv.12x4x4,{Unbuilt.name}"))[Unbuilt.name]
    assert column["state"] == "unbuilt"
    assert column["actions"] == [["build", "Build"]]
    assert "2,720 pictures to encode" in column["message"]
    assert jobs.listing() == []


def test_one_broken_encoder_leaves_the_others_standing(compare, monkeypatch):
    monkeypatch.setattr(TinyImage, "_encode", lambda self, batch: 1 / 0)
    shown = columns(compare())
    assert shown["tiny.16x16"]["state"] == "failed"
    assert "ZeroDivisionError" in shown["tiny.16x16"]["headline"]
    assert shown["tiny.16x16"]["actions"] == [["again", "Try again"]]
    assert [shown[name]["state"] for name in ("hog.8x8", "hsv.12x4x4")] == ["done", "done"]


def test_controls_change_columns_and_link(compare):
    app = compare()
    app.multiselect(key="keep_encoders").set_value(["hsv.12x4x4", "hog.8x8"]).run()
    app.selectbox(key="keep_k").set_value(20).run()
    assert list(columns(app)) == ["hsv.12x4x4", "hog.8x8"]
    assert {len(column["hits"]) for column in columns(app).values()} == {20}
    assert (param(app, "encoders"), param(app, "k")) == ("hsv.12x4x4,hog.8x8", "20")


def test_no_encoder_at_all_says_what_to_do(compare):
    app = compare()
    app.multiselect(key="keep_encoders").set_value([]).run()
    assert not app.exception
    assert "Choose at least one" in html(app)
    app.button(key="usual_encoders").click().run()
    assert list(columns(app)) == list(FIRST_ENCODERS)


def test_the_agreement_is_the_overlap_of_what_is_shown(compare):
    app = compare()
    tops = [{hit["id"] for hit in column["hits"]} for column in columns(app).values()]
    text = html(app)
    for i, a in enumerate(tops):
        for j, b in enumerate(tops):
            share = len(a & b) / 10
            assert i == j or f'<td style="--v:{share:.2f}">' in text
    app.segmented_control(key="keep_measure").set_value("Rank-biased").run()
    assert "Rank-biased overlap (p = 0.9)" in html(app)
    assert param(app, "agreement") == "Rank-biased"
