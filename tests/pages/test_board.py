"""The Metrics page looked at closely: sorting, pairs, costs, thresholds, lifts and exports."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from core.services.evaluation import leaderboard, reports
from core.services.library import library
from pages.parts import cached_metrics
from pages.parts.metrics import evaluation, export
from pages.parts.metrics.choice import Choice
from tests.pages.conftest import ENCODERS
from tests.pages.reading import component, html, param


def test_every_column_of_the_leaderboard_sorts_and_the_link_remembers(opened):
    shown = component(opened("Leaderboard"), "standings")
    assert shown["sort"] == "mean down"
    for column in shown["columns"]:
        assert all(column["key"] in row["values"] for row in shown["rows"])
        assert "Sort by" in column["hint"]
    app = opened("Leaderboard", sort="p50 up")
    assert component(app, "standings")["sort"] == "p50 up"
    assert param(app, "sort") == "p50 up"
    app = opened("Leaderboard", sort="<b>x</b> up")
    assert component(app, "standings")["sort"] == param(app, "sort") == "mean down"


def test_a_sort_computes_nothing_again(opened, monkeypatch):
    app = opened("Leaderboard")
    for name in ("leaderboard", "means_of", "aligned"):
        monkeypatch.setattr(leaderboard, name, lambda *a, **b: pytest.fail("computed again"))
    app.session_state["keep_metrics_sort"] = "name down"
    app.run()
    assert not app.exception
    assert component(app, "standings")["sort"] == param(app, "sort") == "name down"


def test_every_pair_is_shown_with_its_adjusted_p(opened):
    said = html(opened("Leaderboard"))
    table = said[said.index("ll-pairs") :]
    assert table.count(" differs by ") == 3
    assert table.count(">≈ ") == table.count(": not significant") > 0
    assert "Holm" in unescape(said)
    assert "all 3 pairs" in said


def test_every_export_is_there_and_holds_what_it_says(opened):
    app = opened("Leaderboard")
    offered = {button.proto.label: button.proto for button in app.get("download_button")}
    assert set(offered) == {
        "Every figure as CSV",
        "This board as LaTeX",
        "This board as Markdown",
        "This board as a report (HTML, works offline)",
        "Every query's scores as CSV",
        "TREC run, 1,000 deep",
        "TREC qrels",
    }
    cells = reports.Report.load(reports.find("ours")).cells
    shown = Choice("ours", 0.0, cells[0].dataset, "class", "mAP", None)
    assert len(export._scores(shown).splitlines()) == 1 + 12 * len(ENCODERS)
    locator = str(
        library.open_dataset(
            cached_metrics.locator_of(cells[0].dataset, str(cells[0].queries[0]))
        ).locator
    )
    assert len(export._run(locator, "class", "hog.8x8", 1000).splitlines()) == 12 * 11
    assert len(export._qrels(locator, "class", "hog.8x8").splitlines()) == 12 * 5


def test_quality_is_drawn_against_every_cost(opened):
    for name in ("Time of a search", "Vector size", "Build time"):
        app = opened("Cost", against=name)
        assert not app.exception
        chart = json.loads(app.get("plotly_chart")[0].proto.spec)
        drawn = {one["text"]: 10 ** one["x"] for one in chart["layout"]["annotations"]}
        assert set(drawn) == {"HSV histogram", "Tiny image", "HOG"}
        assert "on the Pareto front" in html(app)
        if name == "Vector size":
            sizes = {"HSV histogram": 768, "Tiny image": 3072, "HOG": 2304}
            assert drawn == pytest.approx(sizes)


def test_a_threshold_is_drawn_into_both_charts(opened, artifacts):
    path = artifacts / "reports" / "ours" / "studies.json"
    rows = json.loads(path.read_text())
    study = next(row for row in rows if row["kind"] == "health" and row["encoder"] == "hsv.12x4x4")[
        "result"
    ]["similarity"]
    known = [
        {"wanted": p, "threshold": at, "precision": p, "recall": 0.2, "pairs": 60}
        for p, at in ((0.5, 0.25), (0.9, 0.75))
    ]
    study["thresholds"] = known
    path.write_text(json.dumps(rows))
    for asked, shown in ((None, "90%"), ("50%", "50%"), ("7%", "90%")):
        app = opened("Data health", encoder="hsv.12x4x4", **({"precision": asked} if asked else {}))
        at = known[shown == "90%"]["threshold"]
        charts = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
        assert [line["x0"] for chart in charts for line in chart["layout"]["shapes"]] == [at] * 2
        assert f"From a similarity of {at:.3f} on, {shown[:-1]}.0%" in html(app)
        assert param(app, "precision") == shown


def test_lifts_are_shown_with_their_intervals(opened):
    (chart,) = [json.loads(one.proto.spec) for one in opened("Shared factors").get("plotly_chart")]
    assert all(
        "×<br>" in text and "–" in text
        for line in chart["data"][0]["text"]
        for text in line
        if text
    )


def test_two_hundred_classes_are_a_list_that_names_each(open_page, report):
    cells = reports.Report.load(reports.find("ours")).cells
    count = 400
    ids, groups = (
        np.array([f"q{i:03d}" for i in range(count)]),
        np.array([f"kind {i % 200:03d} <b>" for i in range(count)]),
    )
    rng = np.random.default_rng(0)
    wide = [
        replace(
            cell,
            queries=ids,
            groups=groups,
            clusters=ids,
            relevant=np.ones(count, np.int32),
            class_curves={},
            scores={"mAP": rng.random(count)},
        )
        for cell in cells
    ]
    reports.Report.of("wide", wide).save()
    app = open_page("metrics", report="wide", view="Classes")
    assert not app.exception
    said = html(app)
    assert "mAP by class, the hardest first" in said
    assert said.count('<th scope="row"') == 200
    assert said.count('<td style="--v:') == 200 * len(ENCODERS)
    assert "kind 007 &lt;b&gt;" in said
    assert "<b>" not in said[said.index("ll-heat") :]
    means = [float(value) for value in re.findall(r'">([01]\.\d\d)</td>', said)]
    of_classes = np.reshape(means, (200, len(ENCODERS))).mean(axis=1)
    assert (np.diff(of_classes) > -0.01).all()


def test_pictures_can_be_evaluated_by_any_attribute(opened, monkeypatch):
    started = []
    monkeypatch.setattr(
        evaluation.evaluations, "begin", lambda title, arguments: started.append(arguments)
    )
    app = opened("Leaderboard")
    app.multiselect(key="metrics_evaluate_sets").set_value(["catalogue"]).run()
    options = app.multiselect(key="metrics_evaluate_by").options
    assert {"instance", "category", "pattern (attribute)"} <= set(options)
    app.multiselect(key="metrics_evaluate_by").set_value(["by:pattern"]).run()
    app.button(key="metrics_evaluate").click().run()
    assert not app.exception
    ((*_, flag, value),) = started
    assert (flag, value) == ("--protocols", "by:pattern")
