"""The chart of the Index lab in a real browser: measured from the page, and a dot opens its setting
under One query."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tools.serve import settle

pytestmark = pytest.mark.browser
LAB = "index_lab?encoder=hog.8x8&indexes=exact%3Bivf_flat"
DOTS = ".scatterlayer .trace .points path.point"
MEASURED_MS = 180_000
WORKS_MS, STOPS_MS = 3000, 120_000
"""So long the work goes on before it is stopped, and so soon it has to be."""


def dots(page) -> list[tuple[float, float]]:
    """The middle of each dot, from left to right."""
    middle = (
        "all => all.map(one => one.getBoundingClientRect()).map(box => [box.x + box.width / 2,"
        " box.y + box.height / 2])"
    )
    return sorted(map(tuple, page.locator(DOTS).evaluate_all(middle)))


def test_a_dot_opens_its_setting(open_at):
    page = open_at(LAB)  # its points came with the code
    expect(page.locator(DOTS)).not_to_have_count(0)
    page.locator(DOTS).first.scroll_into_view_if_needed()
    settle(page)
    lowest = max(dots(page), key=lambda place: place[1])
    page.mouse.move(*lowest)
    hint = page.locator(".hoverlayer .hovertext")
    expect(hint.first).to_contain_text("Inverted lists")
    probes = re.search(r"nprobe=(\d+)", hint.first.text_content() or "")
    assert probes, "the dot with the least recall says its setting"
    page.mouse.click(*lowest)
    page.locator(".pair > button.cell:last-child").first.wait_for()
    settle(page)
    said = parse_qs(urlsplit(page.url).query)
    assert (said["view"], said["try"], said["set"]) == (
        ["One query"],
        ["ivf_flat"],
        [f"nprobe={probes[1]}"],
    )
    assert page.locator(".lab-figures").inner_text().count("%") >= 2, (
        "its mean is known: it was measured"
    )
    page.get_by_role("radio", name="Recall and time").click()
    expect(page.locator(DOTS)).not_to_have_count(0)
    settle(page)
    assert "try" in parse_qs(urlsplit(page.url).query)
    assert "One+query" not in page.url, "the dot that was clicked once opens nothing again"


def test_while_measuring_one_chart_grows_in_place(open_at):
    page = open_at("index_lab?encoder=hsv.12x4x4&k=20")
    page.get_by_role("button", name="Measure", exact=True).click()
    page.get_by_role("button", name="Start", exact=True).click()
    first = page.locator(".growing circle[fill]").first
    first.wait_for(timeout=MEASURED_MS)
    page.locator(".growing").evaluate("chart => { chart.same = true; }")
    few = page.locator(".growing circle[fill]").count()
    expect(page.locator(".growing circle[fill]").nth(few + 1)).to_be_attached(timeout=MEASURED_MS)
    assert page.locator(".growing").evaluate("chart => chart.same"), "another chart took its place"
    page.get_by_role("button", name="Cancel").click()
    expect(
        page.get_by_text(re.compile(r"^Stopped: \d+ of \d+ settings are measured and kept"))
    ).to_be_visible(timeout=STOPS_MS)
    expect(page.locator(".growing")).to_have_count(0)
    expect(page.locator(DOTS)).not_to_have_count(0)


def test_a_million_vectors_are_estimated_first_and_can_be_stopped(open_at):
    page = open_at("index_lab?encoder=hsv.12x4x4&indexes=hnsw&size=1000000")
    page.get_by_role("button", name="Measure", exact=True).click()
    page.get_by_text(
        re.compile(r"settings to measure: about .* of memory, .* free")
    ).first.wait_for()
    page.get_by_role("button", name="Start", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel")
    cancel.wait_for()
    page.wait_for_timeout(WORKS_MS)
    cancel.click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_visible(timeout=STOPS_MS)
    expect(cancel).to_have_count(0)
