"""The Metrics page on reports of its own: every view, links, what can't be judged, and how fast a
filter is."""

from __future__ import annotations

import json
import shutil
import time
from html import unescape

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import store
from core.services import jobs
from core.services.embedding.build import build
from core.services.evaluation import crossing, reports
from core.services.evaluation.evaluate import evaluate
from core.services.library import library
from pages.parts import cached, cached_metrics, link
from pages.parts.metrics import queries
from tests.pages.conftest import ENCODERS
from tests.pages.reading import component, html, param, views_of

VIEWS = views_of("metrics")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens(opened, view):
    app = opened(view)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert app.get("button_group")[0].value is not None
    assert param(app, "view") == view


def test_a_link_restores_the_view_of_the_report_that_comes_with_the_code(open_page):
    said = {"view": "Classes", "dataset": "eth80", "protocol": "category", "metric": "hit@1"}
    app = open_page("metrics", **said)
    assert {name: param(app, name) for name in said} == said
    assert "hit@1 by class, the hardest at the left" in html(app)


def test_the_leaderboard_holds_every_encoder_with_interval_and_protocol(opened):
    app = opened("Leaderboard")
    rows, said = component(app, "standings")["rows"], html(app)
    assert {row["name"] for row in rows} == set(ENCODERS)
    for row in rows:
        assert "95 % interval" in row["bar"]["said"]
        assert 0 <= row["bar"]["low"] <= row["bar"]["mean"] <= row["bar"]["high"] <= 1
        assert all(row["texts"].values())
    facts = (
        "dataset hash",
        "ties",
        "self",
        "hardware",
        "normalisation",
        "same class",
        "BCa bootstrap",
        "Holm over all 3 pairs",
    )
    for part in facts:
        assert part in said


def test_the_queries_that_separate_two_encoders_stand_beside_what_each_found(opened):
    app = opened("Queries")
    assert "12 tied" in html(app)
    app.selectbox(key="keep_metrics_other").set_value("hog.8x8").run()
    assert "won by HSV histogram" in html(app)
    assert [side["title"] for side in component(app, "duels")["sides"]] == ["HSV histogram", "HOG"]
    for board in duels(app)[:-2]:
        differences = [float(row["words"].removeprefix("difference ")) for row in board["rows"]]
        assert differences == sorted(differences, reverse=True)
        check_rows(board, 5)


def duels(app: AppTest) -> list[dict]:
    """What was sent to every set of picture rows."""
    sent = [
        one.proto
        for one in app.get("bidi_component")
        if one.proto.component_name == "lookalike_duels"
    ]
    return [json.loads(proto.json) for proto in sent]


def check_rows(board: dict, places: int) -> None:
    """Each hit says whether it is right; no query is its own hit; every picture is there."""
    assert board["rows"]
    assert board["places"] == places
    for row in board["rows"]:
        assert row["id"].startswith(("cold/", "warm/"))
        for side in row["sides"]:
            right = [hit["id"].split("/")[0] == row["id"].split("/")[0] for hit in side["hits"]]
            assert [hit["right"] for hit in side["hits"]] == right
            assert len(right) == places
            assert row["id"] not in [hit["id"] for hit in side["hits"]]
            assert {row["id"], *(hit["id"] for hit in side["hits"])} <= set(board["pictures"])


def test_the_worst_queries_of_each_stand_beside_what_it_found(opened):
    app = opened("Queries", one="tiny.16x16", other="hog.8x8")
    assert (param(app, "one"), param(app, "other")) == ("tiny.16x16", "hog.8x8")
    worst = duels(app)[-2:]
    assert [[side["title"] for side in board["sides"]] for board in worst] == [
        ["Tiny image"],
        ["HOG"],
    ]
    cells = {cell.encoder: cell for cell in reports.Report.load(reports.find("ours")).cells}
    for board, encoder in zip(worst, ("tiny.16x16", "hog.8x8"), strict=True):
        check_rows(board, 6)
        scores = [float(row["sides"][0]["score"]) for row in board["rows"]]
        assert scores == [round(value, 2) for value in np.sort(cells[encoder].scores["mAP"])[:3]]
        assert all(row["words"] == "5 relevant" for row in board["rows"])
    app.button(key="metrics_worst_hog.8x8_more").click().run()
    assert len(duels(app)[-1]["rows"]) == 9


def test_the_queries_of_a_fusion_stand_beside_what_it_found(open_page, report, monkeypatch):
    pair, asked = ("hsv.12x4x4", "hog.8x8"), {}
    dataset = library.open_dataset(cached_metrics.locator_of("pictures", "cold/1.png"))
    made = evaluate("fused", [dataset], pair, timed=False, fuse=["rrf"], weights=(2.0, 1.0))
    made.save()
    fused = made.cells[-1].encoder
    app = open_page("metrics", report="fused", view="Queries", one="hog.8x8", other=fused)
    for board in duels(app):
        check_rows(board, 6 if len(board["sides"]) == 1 else 5)
    assert [side["title"] for side in duels(app)[-1]["sides"]] == [fused]
    monkeypatch.setattr(link, "to", lambda page, **params: asked.update(params))
    queries._open("cold/1.png", ["cold/1.png"], dataset.locator, ("hog.8x8", fused))
    said = {name: asked[name] for name in ("query", "encoders", "together", "weights")}
    assert said == {
        "query": "item:cold/1.png",
        "encoders": "hsv.12x4x4,hog.8x8",
        "together": "rrf",
        "weights": "2,1",
    }


def test_the_class_filter_holds_for_the_queries_too(opened):
    app = opened("Queries", **{"class": "warm"})
    assert "of 6 queries" in html(app)
    assert all(row["id"].startswith("warm/") for board in duels(app) for row in board["rows"])


def test_the_class_filter_holds_for_the_curves_too(opened):
    drawn = {}
    for group in ("cold", "warm"):
        app = opened("Curves", **{"class": group})
        assert "all classes" not in html(app)
        charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
        drawn[group] = {line["name"]: line["y"] for line in charts[0]["data"]}
    hog = next(
        cell
        for cell in reports.Report.load(reports.find("ours")).cells
        if cell.encoder == "hog.8x8"
    )
    for group, lines in drawn.items():
        assert lines["HOG"] == pytest.approx(hog.curves_of(group)["precision@K"])
    assert drawn["cold"] != drawn["warm"]


def test_hits_of_an_encoder_that_is_not_built_are_missed_in_words(opened, judged, artifacts):
    shutil.rmtree(artifacts / "cache" / "embeddings")
    app = opened("Queries")
    app.selectbox(key="keep_metrics_other").set_value("hog.8x8").run()
    assert not app.exception
    sides = [side for row in component(app, "duels")["rows"] for side in row["sides"]]
    assert all("once it is built" in side["why"] and not side["hits"] for side in sides)


def test_filters_are_fast_and_change_the_figures(opened):
    app = opened("Leaderboard")
    before = component(app, "standings")["rows"]
    app.selectbox(key="keep_metrics_metric").set_value("hit@1").run()
    app.selectbox(key="keep_metrics_group").set_value("cold").run()
    assert "6 queries" in html(app)
    app.selectbox(key="keep_metrics_group").set_value("All classes").run()
    started = time.process_time()
    app.selectbox(key="keep_metrics_metric").set_value("mAP").run()
    seconds = time.process_time() - started
    assert component(app, "standings")["rows"] == before
    assert seconds < 1.5, "of computing; 0.3 s on an idle machine"


FORGED = (
    {"dataset": "nope"},
    {"protocol": "<script>"},
    {"metric": "x" * 300},
    {"class": "nobody"},
    {
        "view": "Robustness",
        "strength": "1e9",
        "distortion": "melt",
        "picture": "../x",
        "measure": "all",
    },
    {"view": "Metric audit", "query": "<script>", "encoder": "nobody", "k": "-1"},
    {"view": "Queries", "one": "nobody", "other": "<script>"},
)


@pytest.mark.parametrize("params", FORGED)
def test_a_forged_link_shows_the_default(opened, params):
    app = opened(**({"view": "Leaderboard"} | params))
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert "<script>" not in html(app)


def test_an_unlabelled_set_says_why_nothing_can_be_judged(open_page, pictures, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in pictures.rglob("*.png"):
        shutil.copy(path, flat / f"{path.parent.name}-{path.name}")
    evaluate(
        "bare", [library.open_dataset(str(flat), fresh=True)], ENCODERS[:1], timed=False
    ).save()
    for view in VIEWS:
        app = open_page("metrics", report="bare", view=view)
        assert not app.exception
        assert "without labels, right and wrong are unknown" in html(app), view


def test_every_closer_look_shows_what_was_studied(opened):
    assert "HSV histogram goes by" in html(opened("Shared factors"))
    assert param(opened("Meaning"), "view") == "Shared factors", "as older links call it"
    said = html(opened("Robustness"))
    assert "keeps most" in said
    assert "Rank of the original" in said
    said = html(opened("Data health"))
    assert "Hubness" in said
    assert "pairs are the same" in said
    said = html(opened("Metric audit"))
    assert "AP@K, divided by hits found" in said
    assert "R = 5 of 11" in said


def test_a_report_without_studies_says_how_to_get_them(open_page, report, artifacts):
    (artifacts / "reports" / report / "studies.json").unlink()
    for view in ("Shared factors", "Robustness", "Data health"):
        app = open_page("metrics", report=report, view=view)
        assert not app.exception
        assert "python -m" not in html(app)
        app.button(key="metrics_evaluate_again").click().run()
        assert app.session_state["metrics_evaluate_open"]
        assert app.toggle(key="metrics_evaluate_studies").value
        assert set(app.multiselect(key="metrics_evaluate_encoders").value) <= set(ENCODERS)


def test_other_pictures_are_evaluated_by_a_job(opened, judged):
    app = opened("Leaderboard")
    assert app.button(key="metrics_evaluate").disabled
    locator = str(judged.parent / "pictures")
    app.multiselect(key="metrics_evaluate_sets").set_value([locator]).run()
    app.multiselect(key="metrics_evaluate_encoders").set_value(["hsv.12x4x4"]).run()
    app.text_input(key="metrics_evaluate_name").set_value("../up").run()
    assert app.button(key="metrics_evaluate").disabled
    app.text_input(key="metrics_evaluate_name").set_value("second").run()
    app.button(key="metrics_evaluate").click().run()
    assert not app.exception
    deadline = time.monotonic() + 600
    while (job := jobs.listing()[0]).active and time.monotonic() < deadline:
        time.sleep(0.2)
    assert job.state == "done", job.message
    assert "second" in reports.listing()


def test_a_visitors_evaluation_is_refused_with_the_number_when_too_many_jobs_run(
    opened, monkeypatch
):
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    monkeypatch.setenv("LOOKALIKE_VISITOR_JOBS", "0")
    app = opened("Leaderboard")
    app.session_state["metrics_evaluate_open"] = True
    app.run()
    app.multiselect(key="metrics_evaluate_sets").set_value(["catalogue"]).run()
    app.button(key="metrics_evaluate").click().run()
    assert not app.exception
    assert "A visitor has at most 0 at once." in html(app)
    assert jobs.listing() == []


def test_without_a_report_the_page_offers_to_make_one(open_page, monkeypatch):
    monkeypatch.setattr(reports, "listing", list)
    app = open_page("metrics")
    assert not app.exception
    assert "Catalogue has not been evaluated yet." in html(app)
    assert "python -m" not in html(app)
    assert app.button(key="metrics_evaluate_set").label.startswith("Evaluate")
    assert [one.label for one in app.expander][:1] == ["Evaluate other pictures or encoders"]


def test_a_set_that_was_not_evaluated_is_in_the_menu_and_its_result_opens(
    open_page, pictures, monkeypatch
):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16", "hsv.12x4x4"])
    app = open_page("metrics", dataset=locator)
    assert "pictures · not evaluated" in app.selectbox(key="keep_metrics_dataset").options
    assert "2 encoders: " in html(app)
    app.button(key="metrics_evaluate_set").click().run()
    assert not app.exception
    deadline = time.monotonic() + 180
    while jobs.listing(active_only=True) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [job.state for job in jobs.listing()] == ["done"]
    cached.forget_builds()
    app.run()
    assert not app.exception
    assert {row["name"] for row in component(app, "standings")["rows"]} == {
        "tiny.16x16",
        "hsv.12x4x4",
    }
    assert param(app, "dataset") == "pictures"


def test_a_link_to_a_set_without_labels_says_that_it_has_none(open_page, pictures):
    locator = library.add_folder(str(pictures / "cold"))
    app = open_page("metrics", dataset=locator)
    assert "has no labels" in html(app)
    assert param(app, "dataset") == "catalogue"


def test_sets_that_only_a_report_knows_stand_apart(open_page):
    app = open_page("metrics")
    options = app.selectbox(key="keep_metrics_dataset").options
    assert options[0] == "Catalogue"
    assert options[1:] == [one for one in options if one.endswith(" · shipped report")]
    assert len(options) > 1


def test_queries_open_on_the_two_best_encoders(opened):
    app = opened("Leaderboard")
    best = [row["name"] for row in component(app, "standings")["rows"][:2]]
    app = opened("Queries")
    chosen = [app.selectbox(key=f"keep_metrics_{name}").value for name in ("one", "other")]
    assert chosen == best


def test_a_damaged_report_is_a_message(open_page, report, artifacts):
    (artifacts / "reports" / report / "scores.npz").write_bytes(b"PK")
    assert f"The report {report} can\u2019t be read." in unescape(
        html(open_page("metrics", report=report))
    )


@pytest.fixture
def street(tmp_path):
    """Photographs of two classes, to search the twelve pictures with."""
    rng = np.random.default_rng(5)
    for label, tint in (("sky", (60, 100, 200)), ("brick", (200, 90, 60))):
        (tmp_path / "street" / label).mkdir(parents=True)
        for number in range(3):
            picture = (
                (np.array(tint) + rng.integers(0, 36, (40, 40, 3))).clip(0, 255).astype(np.uint8)
            )
            Image.fromarray(picture).save(tmp_path / "street" / label / f"{number}.png")
    (tmp_path / "wall.csv").write_text("query_class,gallery_class\nsky,cold\nbrick,warm\n")
    return tmp_path / "street"


@pytest.fixture
def shop(report, judged, artifacts):
    """The twelve pictures, in the library of this test."""
    return library.add_folder(str(judged.parent / "pictures"))


def test_a_cross_domain_report_is_shown_like_any_other(open_page, shop, street):
    joined = crossing.opened([str(street)], shop, str(street.parent / "wall.csv"))
    evaluate("crossed", [joined], ENCODERS, timed=False).save()
    app = open_page("metrics", report="crossed", view="Leaderboard")
    assert not app.exception
    assert (param(app, "dataset"), param(app, "protocol"), param(app, "metric")) == (
        "wall",
        "cross-domain",
        "hit@1",
    )
    said = html(app)
    for part in (
        "6: 6 of street",
        "12 pictures of pictures",
        "sky → cold",
        "by none of these encoders",
    ):
        assert part in said
    app = open_page("metrics", report="crossed", view="Queries", one="hsv.12x4x4", other="hog.8x8")
    assert not app.exception
    worst = duels(app)[-1]
    assert all(row["id"].startswith("street/") for row in worst["rows"])
    assert all(
        hit["id"].startswith("pictures/")
        for row in worst["rows"]
        for side in row["sides"]
        for hit in side["hits"]
    )


def test_what_encoders_have_seen_stands_beside_their_figures(open_page, report, artifacts):
    folder = artifacts / "reports" / report
    told = json.loads((folder / "report.json").read_text())
    told["rows"][1]["card"] |= {
        "seen": "training part",
        "seen in words": "trained on its training part",
    }
    (folder / "report.json").write_text(json.dumps(told))
    store.write_meta(folder, {})  # as if it had been saved so
    app = open_page("metrics", report=report, view="Leaderboard")
    shown = {row["name"]: row["seen"] for row in component(app, "standings")["rows"]}
    assert shown == {
        "hsv.12x4x4": None,
        "hog.8x8": None,
        "tiny.16x16": {"text": "saw the training part", "hint": "trained on its training part"},
    }
    assert "Tiny image: trained on its training part" in html(app)
    assert "It was trained on these very pictures" not in html(app)
    first = component(app, "standings")["rows"][0]["name"]
    best = next(row for row in told["rows"] if row["encoder"] == first)
    for seen, care in (
        ("training part", "It was trained on this set"),
        ("these pictures", "It was trained on these very pictures"),
    ):
        best["card"] |= {"seen": seen, "seen in words": seen}
        (folder / "report.json").write_text(json.dumps(told))
        store.write_meta(folder, {})
        cached_metrics.report_rows.clear()
        said = html(open_page("metrics", report=report, view="Leaderboard"))
        assert said.index("has the highest") < said.index(care)
        assert "Best of those that were not: " in said


def test_a_cross_domain_evaluation_is_chosen_and_started(open_page, shop, street, monkeypatch):
    other = library.add_folder(str(street))
    started = []
    monkeypatch.setattr(jobs, "start", lambda title, arguments: started.append((title, arguments)))
    app = open_page("metrics", report="ours", view="Leaderboard")
    app.toggle(key="metrics_evaluate_cross").set_value(True).run()
    app.multiselect(key="metrics_cross_queries").set_value([shop]).run()
    app.selectbox(key="metrics_cross_gallery").set_value(shop).run()
    assert "pictures is on both sides" in html(app)
    assert app.button(key="metrics_evaluate").disabled
    app.multiselect(key="metrics_cross_queries").set_value([other]).run()
    assert "joins no class of street to one of pictures" in html(app)
    app.selectbox(key="metrics_cross_join").set_value("A table of my own").run()
    assert app.button(key="metrics_evaluate").disabled
    app.file_uploader(key="metrics_cross_file").set_value(
        ("wall.csv", b"from,to\na,b\n", "text/csv")
    ).run()
    assert "no column query_class" in html(app)
    table = (street.parent / "wall.csv").read_bytes()
    app.file_uploader(key="metrics_cross_file").set_value(("wall.csv", table, "text/csv")).run()
    assert "6 of street. Joined: street: sky → cold, brick → warm." in unescape(html(app))
    app.multiselect(key="metrics_evaluate_encoders").set_value(["hsv.12x4x4"]).run()
    app.button(key="metrics_evaluate").click().run()
    assert not app.exception
    ((title, arguments),) = started
    assert title == "Evaluate 1 encoder on queries of 1 data set against pictures"
    assert arguments[:5] == ["evaluate", "--queries", other, "--gallery", shop]
    assert crossing.table(arguments[6]).name == "wall"
