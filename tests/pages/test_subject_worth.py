"""Metrics, Subject: what boxes and crops are worth, by the figures that came with the code."""

from __future__ import annotations

import json

import pytest

from core.services.evaluation import worth
from pages.parts import cached_metrics
from tests.pages.reading import html, param


def figures(mean: float) -> list[float]:
    return [mean, mean - 0.05, mean + 0.05]


def row(mean: float, change: float) -> dict:
    one = {"mean": figures(mean), "change": figures(change)}
    return {"mAP": one, "right category first": one}


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Two detectors, two encoders; the crop helps one and hurts the other."""
    boxes = {
        name: {"pictures": 20, "products": 10, "IoU": figures(mean), "above .5": figures(mean)}
        for name, mean in (("saliency", 0.2), ("objects", 0.7))
    }
    ways = {"whole": row(0.3, 0.0), "saliency": row(0.25, -0.02), "true box": row(0.9, 0.6)}
    search = {
        "hog.8x8": {"cluttered": {**ways, "objects": row(0.6, 0.3)}},
        "tiny.16x16": {"cluttered": {**ways, "objects": row(0.1, -0.2)}},
    }
    path = tmp_path / "subject.json"
    path.write_text(json.dumps({"boxes": {"cluttered": boxes}, "search": search}))
    monkeypatch.setattr(worth, "DATA", path)
    cached_metrics.subject_worth.clear()
    yield path
    cached_metrics.subject_worth.clear()


def test_the_shipped_figures_are_read():
    found = worth.measured()
    assert set(found.boxes) == set(worth.KINDS)
    for kind in worth.KINDS:
        ways = {row.way for row in found.asked[kind, "mAP"]}
        assert {worth.WHOLE, worth.TRUE, *found.detectors} <= ways


def test_both_tables_and_their_readings(opened, made):
    said = html(opened("Subject"))
    for part in (
        "Objects matches the true box best: IoU 0.70",
        "0.200 (0.150 to 0.250)",
        "The crop of Objects raises mAP of 1 of 2 encoders, lowers that of 1; most of HOG, by 30",
        "+0.300 (+0.250 to +0.350)",
        "20 pictures of 10 products",
    ):
        assert part in said


def test_another_detector_is_read_and_stands_in_the_link(opened, made):
    app = opened("Subject")
    app.get("button_group")[-1].set_value("saliency").run()
    assert "The crop of Saliency raises mAP of 0 of 2 encoders" in html(app)
    assert "For 2 the difference is not significant" in html(app)
    assert param(app, "detector") == "saliency"


@pytest.mark.parametrize("text", [None, "{", '{"boxes": {}}', "[]"])
def test_without_figures_the_view_says_so(opened, made, text):
    made.unlink() if text is None else made.write_text(text)
    app = opened("Subject")
    assert "What a crop is worth is not known here." in html(app)
    assert not app.exception
