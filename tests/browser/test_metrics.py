"""The Metrics page in a real browser, on the report that ships: charts are drawn, a query opens in Compare, links restore."""

from __future__ import annotations

import pytest

from tools.serve import settle

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_in_the_ink_of_the_theme(open_at, scheme):
    page = open_at("metrics?view=Cost&dataset=catalogue", color_scheme=scheme)
    page.locator(".js-plotly-plot").nth(1).wait_for()
    colour = page.locator(".js-plotly-plot text").first.evaluate("node => getComputedStyle(node).fill")
    lightness = sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3]) / 3
    assert lightness > 140 if scheme == "dark" else lightness < 140


def test_the_leaderboard_shows_without_waiting(open_at):
    page = open_at("metrics")
    assert page.locator(".ll-board tbody tr").count() >= 6
    assert page.locator(".ll-span").first.get_attribute("aria-label").count("95 % interval") == 1


def test_a_separating_query_opens_in_compare(open_at):
    page = open_at("metrics?view=Queries&dataset=catalogue")
    cell = page.locator(".cell").first
    wanted = cell.get_attribute("data-id")
    cell.click()
    page.wait_for_url("**/compare**")
    settle(page)
    assert f"item%3A{wanted}" in page.url or f"item:{wanted}" in page.url
    assert page.locator(".ll-asked b").inner_text()
    assert page.locator(".hit").count() > 0


def test_a_link_restores_the_view(open_at):
    page = open_at("metrics?view=Classes&dataset=eth80&protocol=category&metric=hit%401")
    assert "view=Classes" in page.url
    assert "dataset=eth80" in page.url
    assert "protocol=category" in page.url
    assert page.get_by_text("Hit@1 by class, the hardest at the left").count() == 1
    page.reload()
    settle(page)
    assert page.get_by_text("Hit@1 by class, the hardest at the left").count() == 1


def test_a_narrow_screen_is_no_wider_than_itself(open_at):
    for view in ("Leaderboard", "Metric audit", "Robustness"):
        page = open_at(f"metrics?view={view}", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
