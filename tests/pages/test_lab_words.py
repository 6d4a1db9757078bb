"""How the Index lab says its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.services.index_lab.point import Point
from pages.parts.lab import chart, loss, one_query, state


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.0064, 0.0081, "-0.006 to +0.008"),
        (-0.0002, -0.00012, "-0.0002 to -0.0001"),
        (-1e-9, 0.0, "no change"),
        (-0.0021, 0.0001, "-0.002 to 0"),
    ],
)
def test_a_change_takes_as_many_digits_as_it_needs(low, high, said):
    assert loss.between(low, high) == said


def test_a_line_has_the_automatic_value_where_its_recall_belongs(monkeypatch):
    usual = Point(
        "annoy",
        "Annoy",
        "annoy",
        {"trees": 32},
        {"search_k": 0},
        False,
        100,
        100,
        8,
        10,
        20,
        0.9,
        0.8,
        *[1.0] * 4,
        1,
        1,
        1.0,
    )
    recalls = {100: 0.8, 1000: 0.95, 10_000: 1.0}
    others = [
        replace(usual, text=f"annoy:search_k={k}", search={"search_k": k}, recall=r)
        for k, r in recalls.items()
    ]
    monkeypatch.setattr(chart.state, "knob_rows", lambda index: {"search_k": {"default": 0}})
    [(index, number, drawn)] = chart.lines([usual, *others])
    assert (index, number) == ("annoy", 0)
    assert [point.search["search_k"] for point in drawn] == [100, 0, 1000, 10_000]


def test_a_slider_of_sub_vectors_offers_what_divides(monkeypatch):
    shown = {}
    monkeypatch.setattr(one_query.st, "session_state", {})
    monkeypatch.setattr(
        one_query.st, "select_slider", lambda name, options, **more: shown.update({name: options})
    )
    one_query._slider("pq", "m", state.index_row("pq")["build_knobs"]["m"], 192)
    assert {0, 16, 32, 64} <= set(shown["m"])
    assert not any(192 % one for one in shown["m"] if one)
