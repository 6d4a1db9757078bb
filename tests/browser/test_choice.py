"""Choosing encoders by typing, and a photograph of one's own from Home to its neighbours."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import TimeoutError, expect

from core.services.embedding.opening import FIRST_ENCODERS
from tests.browser.waiting import IDS, PATIENCE_MS, answered, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser
CLASSICAL = ["hog.8x8", "tiny.16x16", "hsv.12x4x4"]
OPENS_MS = 5000
COMPARE = f"compare?encoders={','.join(CLASSICAL)}&k=5"


def chosen(page) -> list[str]:
    """The encoders that the address names."""
    return parse_qs(urlsplit(page.url).query).get("encoders", [""])[0].split(",")


def offered(page) -> list[str]:
    return [option.inner_text() for option in page.get_by_role("option").all()]


def open_list(page) -> None:
    """Open the list of encoders; a run of the page that just ends closes it again."""
    for _ in range(PATIENCE_MS // OPENS_MS):
        page.get_by_label("Encoders", exact=True).click()
        try:
            return page.get_by_role("option").first.wait_for(timeout=OPENS_MS)
        except TimeoutError:
            page.keyboard.press("Escape")
    raise AssertionError("the list does not open")


def test_the_list_says_what_each_costs_and_enter_takes_the_first_match_and_no_other(open_at):
    page = open_at(COMPARE)
    answered(page, 15)
    open_list(page)
    assert not [one for one in offered(page) if one.startswith("Select")]
    page.keyboard.type("SIFT")
    eventually(
        page,
        lambda: offered(page)[:1],
        lambda found: found and re.match(r"SIFT \+ VLAD · (ready|builds in )", found[0]),
    )
    cut = "all => all.some(one => one.scrollWidth > one.clientWidth + 1)"
    assert not page.get_by_role("option").evaluate_all(cut), "the words don't fit"
    names = page.locator("[data-tag]").evaluate_all(
        "all => all.map(one => one.getAttribute('aria-label'))"
    )
    assert names == ["HOG", "Tiny image", "HSV histogram"]
    page.keyboard.press("Escape")
    takes_the_first_match(page, "hash", "phash.16x16")
    takes_the_first_match(page, "lite", "tf_efficientnet_lite0.in1k")


def takes_the_first_match(page, typed: str, name: str) -> None:
    """Of several that match what was typed."""
    before = chosen(page)
    open_list(page)
    page.keyboard.type(typed)
    eventually(
        page,
        lambda: offered(page),
        lambda found: found and all(typed in one.lower() for one in found),
    )
    assert len(offered(page)) > 2, "several match"
    page.keyboard.press("Enter")
    now = eventually(page, lambda: chosen(page), lambda found: found != before)
    assert now == [*before, name]
    answered(page, 5 * len(now))
    settle(page)
    assert chosen(page) == now


def test_a_photograph_dropped_on_home_finds_its_kind(open_at, photographs):
    shoe = sorted((photographs / "clothing" / "test" / "shoes").glob("*.jpg"))[5]
    page = open_at("")
    page.locator(".st-key-drop input[type=file]").set_input_files(shoe)
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    columns = page.locator(".column")
    expect(columns).to_have_count(len(FIRST_ENCODERS))
    first = columns.first.locator(".hit")
    expect(first).to_have_count(10)
    assert chosen(page) == list(FIRST_ENCODERS)
    found = [name.split("-")[0] for name in first.evaluate_all(IDS)]
    assert found[0] == "sneaker"
    assert found.count("sneaker") >= 4
