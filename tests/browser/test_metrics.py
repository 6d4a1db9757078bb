"""The Metrics page in a real browser, on the report that ships: charts are drawn, a query opens in
Compare, links restore."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import becomes, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser


def test_charts_are_drawn_in_the_ink_of_the_theme(open_at):
    page = open_at("metrics?view=Cost&dataset=catalogue", color_scheme="dark")
    page.locator(".js-plotly-plot").nth(1).wait_for()
    ink = page.locator(".js-plotly-plot text").first

    def lightness() -> float:
        colour = ink.evaluate("node => getComputedStyle(node).fill")
        parts = re.findall(r"\d+", colour)[:3]  # none while the chart is drawn anew
        return sum(map(int, parts)) / 3 if parts else float("nan")

    eventually(page, lightness, lambda found: found > 140)
    page.emulate_media(color_scheme="light")
    page.reload()
    eventually(page, lightness, lambda found: found < 140)


def names(page) -> list[str]:
    return page.locator("tbody .who small").all_inner_texts()


def figures(page, column: str) -> list[float]:
    return [
        float(text.split()[0].replace(",", "").removesuffix("-d"))
        for text in page.locator(f"td.{column}").all_inner_texts()
    ]


def test_the_leaderboard_is_whole_on_a_phone_and_a_click_on_a_header_sorts_it(open_at):
    page = open_at("metrics", width=390)
    for view in ("Metric audit", "Robustness", "Leaderboard"):
        page.get_by_role("radio", name=view, exact=True).click()
        expect(page).to_have_url(
            re.compile(view.replace(" ", r"\+"))
            if view != "Leaderboard"
            else re.compile("^(?!.*view=[RM])")
        )
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("tr[data-key]").nth(5)).to_be_visible()
    no_name_breaks(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    no_name_breaks(page)
    expect(page.locator(".span").first).to_have_attribute("aria-label", re.compile("95 % interval"))
    a_click_on_a_header_sorts(page)


def no_name_breaks(page) -> None:
    """Names break between words alone."""
    small = page.locator("tbody .who small").filter(has_text="autoencoder.lookalike")
    parts = """node => [...node.childNodes].filter(n => n.nodeType === 3).map(n => {
        const range = document.createRange(); range.selectNode(n); return [n.data, range.getClientRects().length]; })"""
    becomes(page, lambda: small.evaluate(parts), [["autoencoder.", 1], ["lookalike", 1]])


def a_click_on_a_header_sorts(page) -> None:
    """And the link keeps it."""
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


def test_a_separating_and_a_worst_query_open_in_compare(open_at):
    page = open_at("metrics?view=Queries&dataset=catalogue&one=hog.8x8&other=tiny.16x16")
    address = page.url
    row = page.locator(".duel.alone").first
    expect(row.locator(".hit")).to_have_count(6)
    assert row.locator(".hit b").all_inner_texts() == [
        "✓" if "right" in one.get_attribute("class").split() else "✕"
        for one in row.locator(".hit").all()
    ]
    wanted = row.get_attribute("data-id")
    row.click()
    page.wait_for_url("**/compare**")
    expect(page).to_have_url(re.compile(rf"{re.escape(wanted)}(&|$)"))
    expect(page).to_have_url(re.compile(r"encoders=hog\.8x8(&|$)"))
    settle(page)

    page.goto(address)
    cell = page.locator(".duel").filter(has=page.locator(".ask")).first
    cell.wait_for()
    settle(page)
    wanted = cell.get_attribute("data-id")
    cell.locator(".ask").click()
    page.wait_for_url("**/compare**")
    expect(page).to_have_url(re.compile(rf"item(%3A|:){re.escape(wanted)}(&|$)"))
    expect(page.locator(".ll-asked b")).not_to_be_empty()
    expect(page.locator(".hit").first).to_be_visible()
