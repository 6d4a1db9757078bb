"""The Metrics page in a real browser, on the report that ships: charts are drawn, a query opens in
Compare, links restore."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import eventually
from tools.serve import settle

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_in_the_ink_of_the_theme(open_at, scheme):
    page = open_at("metrics?view=Cost&dataset=catalogue", color_scheme=scheme)
    page.locator(".js-plotly-plot").nth(1).wait_for()
    ink = page.locator(".js-plotly-plot text").first

    def lightness() -> float:
        colour = ink.evaluate("node => getComputedStyle(node).fill")
        return (
            sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")[:3])
            / 3
        )

    eventually(page, lightness, lambda found: found > 140 if scheme == "dark" else found < 140)


def names(page) -> list[str]:
    return page.locator("tbody .who small").all_inner_texts()


def figures(page, column: str) -> list[float]:
    return [
        float(text.split()[0].replace(",", "").removesuffix("-d"))
        for text in page.locator(f"td.{column}").all_inner_texts()
    ]


def test_the_leaderboard_shows_without_waiting(open_at):
    page = open_at("metrics")
    expect(page.locator("tr[data-key]").nth(5)).to_be_visible()
    expect(page.locator(".span").first).to_have_attribute("aria-label", re.compile("95 % interval"))


def test_a_click_on_a_header_sorts_and_the_link_keeps_it(open_at):
    page = open_at("metrics?dataset=catalogue")
    head, usual = page.locator("th.p50"), page.locator("th.mean")
    expect(usual).to_have_attribute("aria-sort", "descending")
    first = names(page)
    assert figures(page, "mean") == sorted(figures(page, "mean"), reverse=True)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(head.locator(".arrow")).to_have_text("▲")
    expect(usual).to_have_attribute("aria-sort", "none")
    assert figures(page, "p50") == sorted(figures(page, "p50"))
    assert names(page) != first
    page.keyboard.press("Enter")  # the header still has the focus
    expect(head).to_have_attribute("aria-sort", "descending")
    kept = names(page)
    assert figures(page, "p50") == sorted(figures(page, "p50"), reverse=True)
    expect(page).to_have_url(re.compile(r"sort=p50\+down"))
    settle(page)
    assert (
        page.evaluate("document.activeElement.shadowRoot.activeElement.closest('th').dataset.key")
        == "p50"
    )
    page.reload()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert names(page) == kept


def test_no_name_breaks_inside_a_word(open_at):
    for width in (1280, 390):
        page = open_at("metrics?dataset=catalogue", width=width)
        small = page.locator("tbody .who small").filter(has_text="autoencoder.lookalike")
        parts = small.evaluate(
            """node => [...node.childNodes].filter(n => n.nodeType === 3).map(n => {
            const range = document.createRange(); range.selectNode(n); return [n.data, range.getClientRects().length]; })"""
        )
        assert parts == [["autoencoder.", 1], ["lookalike", 1]]


def test_a_separating_query_opens_in_compare(open_at):
    page = open_at("metrics?view=Queries&dataset=catalogue")
    cell = page.locator(".duel").first
    wanted = cell.get_attribute("data-id")
    cell.locator(".ask").click()
    page.wait_for_url("**/compare**")
    settle(page)
    assert f"item%3A{wanted}" in page.url or f"item:{wanted}" in page.url
    assert page.locator(".ll-asked b").inner_text()
    assert page.locator(".hit").count() > 0


def test_a_worst_query_opens_in_compare_with_its_encoder(open_at):
    page = open_at("metrics?view=Queries&dataset=catalogue&one=hog.8x8&other=tiny.16x16")
    row = page.locator(".duel.alone").first
    expect(row.locator(".hit")).to_have_count(6)
    assert row.locator(".hit b").all_inner_texts() == [
        "✓" if "right" in one.get_attribute("class").split() else "✕"
        for one in row.locator(".hit").all()
    ]
    wanted = row.get_attribute("data-id")
    row.click()
    page.wait_for_url("**/compare**")
    settle(page)
    assert wanted in page.url
    assert "encoders=hog.8x8&" in page.url + "&"


def test_a_link_restores_the_view(open_at):
    page = open_at("metrics?view=Classes&dataset=eth80&protocol=category&metric=hit%401")
    for kept in ("view=Classes", "dataset=eth80", "protocol=category"):
        expect(page).to_have_url(re.compile(kept))
    expect(page.get_by_text("hit@1 by class, the hardest at the left")).to_have_count(1)
    page.reload()
    settle(page)
    expect(page.get_by_text("hit@1 by class, the hardest at the left")).to_have_count(1)


def test_a_narrow_screen_is_no_wider_than_itself(open_at):
    for view in ("Leaderboard", "Metric audit", "Robustness"):
        page = open_at(f"metrics?view={view}", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
