"""The tables of docs/scale.md are what was measured."""

from __future__ import annotations

from tools import measure_growth as growth


def test_the_tables_in_the_docs_are_the_report():
    text = growth.PAGE.read_text()
    shown = text.partition(growth.BEGIN)[2].partition(growth.END)[0].strip()
    found = growth.report()
    assert shown == growth.tables(found)
    assert "synthetic" in shown or max(map(int, found["sizes"])) <= 50_000


def test_a_line_through_the_last_two_sizes_is_the_prediction():
    held = {
        size: {"open": {"s": size / 1e6, "cpu_s": size / 1e6, "rss_mb": 100 + size / 1e4}}
        for size in (10, 500_000, 1_000_000)
    }
    assert growth._predicted(held)[0] == "100 (100) s"
