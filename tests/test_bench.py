"""``make bench``: the table in the docs is the report, and a goal is judged as it is printed."""

from __future__ import annotations

import importlib
import inspect

import pytest

from tools.bench import __main__ as runner
from tools.bench import ratios
from tools.bench.ratios import Part, Report, Row


def report(*rows: Row) -> Report:
    return Report("a machine", {"python": "3"}, {"one": Part("One", rows, "2026-01-01", 1.0)})


def test_the_table_in_the_docs_is_the_report():
    known = ratios.read()
    assert known is not None
    assert ratios.shown(ratios.PAGE.read_text()) == ratios.table(known)
    assert set(known.parts) <= set(runner.files())


@pytest.mark.parametrize("name", runner.files())
def test_every_file_hands_over_its_rows(name: str):
    file = importlib.import_module(f"tools.bench.{name}")
    assert file.TITLE
    assert inspect.isgeneratorfunction(file.rows)
    assert not inspect.signature(file.rows).parameters


@pytest.mark.parametrize(
    ("row", "met"),
    [
        (Row("a", 0.8499, goal=0.85), True),  # printed as 0.85
        (Row("a", 0.844, goal=0.85), False),
        (Row("a", 1.154, goal=1.15, at_most=True), True),
        (Row("a", 1.16, goal=1.15, at_most=True), False),
        (Row("a", 3.0), None),
    ],
)
def test_a_goal_is_judged_as_it_is_printed(row: Row, met: bool | None):
    assert row.met is met
    assert ("MISSED" in ratios.line(row)) == (met is False)
    assert report(row).missed() == ([row] if met is False else [])


def test_a_report_is_read_as_it_was_written(tmp_path):
    made = report(Row("a ratio", 0.5, goal=0.85, told="1, 2"), Row("b", 3.0, unit="s"))
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{ratios.BEGIN}\nold\n{ratios.END}\n\nAfter.\n")
    ratios.write(made, tmp_path / "bench.json", page)
    assert ratios.read(tmp_path / "bench.json") == made
    text = page.read_text()
    assert ratios.shown(text) == ratios.table(made)
    assert "| a ratio | 0.5 | >= 0.85 | **missed** | 1, 2 |" in text
    assert text.startswith("Before.")
    assert text.endswith("After.\n")


def test_a_bar_would_break_the_table():
    with pytest.raises(ValueError, match="table"):
        Row("a | b", 1.0)
