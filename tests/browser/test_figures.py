"""The menu that saves what stands on a page: charts, boards and tables as files."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import expect

from core.services.evaluation import reports
from core.services.evaluation.leaderboard import leaderboard
from tools.serve import settle

pytestmark = pytest.mark.browser


def saved(page, name: str, form: str) -> bytes:
    """The file of a figure, by the figure's name in the menu."""
    row = page.get_by_role("group", name=name, exact=True)
    with page.expect_download() as download:
        row.get_by_role("button", name=form, exact=True).click()
    return download.value.path().read_bytes()


def rows(text: bytes) -> list[dict]:
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))


def test_a_table_is_saved_in_every_form_and_a_chart_with_its_numbers(open_at):
    page = open_at("metrics")
    page.get_by_role("button", name="Figures", exact=True).click()
    a_table_is_saved_in_every_form(page)
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Curves", exact=True).click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    settle(page)
    page.get_by_role("button", name="Figures", exact=True).click()
    a_chart_gives_its_drawing_and_its_numbers(page)


def a_table_is_saved_in_every_form(page) -> None:
    """The numbers of the leaderboard, in each."""
    found = rows(saved(page, "Leaderboard", "CSV"))
    board = leaderboard(
        reports.Report.load(reports.find("leaderboard")), "catalogue", "instance", "mAP"
    )
    assert [float(one["mAP"]) for one in found] == [one.mean for one in board.standings]
    told = json.loads(saved(page, "Leaderboard", "JSON"))
    assert [one["mAP"] for one in told["rows"]] == [one.mean for one in board.standings]
    assert told["link"] == page.url
    lines = saved(page, "Leaderboard", "Markdown").decode().splitlines()
    assert len(lines) == 2 + len(board.standings)
    tex = saved(page, "Leaderboard", "LaTeX").decode()
    assert tex.count(r"\\") == 1 + len(board.standings)
    assert r"95 \% interval" in tex
    svg = ElementTree.fromstring(saved(page, "Leaderboard", "SVG"))
    words = "".join(svg.itertext())
    assert f"{board.standings[0].mean:.3f}" in words
    assert not svg.findall(".//{*}foreignObject")
    picture = Image.open(io.BytesIO(saved(page, "Leaderboard", "PNG")))
    assert picture.size == tuple(2 * int(svg.get(side)) for side in ("width", "height"))


def a_chart_gives_its_drawing_and_its_numbers(page) -> None:
    """Every curve, point by point."""
    name = page.locator(".figure b").first.inner_text()
    found = rows(saved(page, name, "CSV"))
    cells = [
        cell
        for cell in reports.Report.load(reports.find("leaderboard")).cells
        if (cell.dataset, cell.protocol) == ("catalogue", "instance")
    ]
    curve = cells[0].curves["precision@K"]
    assert len(found) == len(cells) * len(curve)
    series = dict.fromkeys(one["series"] for one in found)
    assert len(series) == len(cells)
    svg = ElementTree.fromstring(saved(page, name, "SVG"))
    picture = Image.open(io.BytesIO(saved(page, name, "PNG")))
    assert picture.width == 2 * float(svg.get("width"))
    assert not page.locator(".modebar-container").first.is_visible()
