"""Refining a query as a person does: thumbs on hits, keys, chips that are taken away, Undo."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import answered, becomes, eventually, ids
from tools.serve import settle

pytestmark = pytest.mark.browser
COMPARE = "compare?encoders=tiny.16x16,hsv.12x4x4&subject=whole&query=item:mug-15-0"


def said(page, name: str) -> list[str]:
    """A parameter of the address, as a list."""
    return parse_qs(urlsplit(page.url).query).get(name, [])


def chips(page):
    return page.locator(".st-key-refine .cell")


def test_a_thumb_moves_the_list_undo_brings_it_back_and_the_large_view_has_thumbs_too(open_at):
    page = open_at(COMPARE)
    before = answered(page, 20)
    hit = page.locator(".column").nth(1).locator(".hit").nth(3)
    hit.hover()
    hit.get_by_role("button", name="More like this").click()
    eventually(page, lambda: said(page, "plus"), lambda found: found == [f"item:{before[13]}"])
    after = eventually(page, lambda: ids(page), lambda found: len(found) == 20 and found != before)
    assert before[13] not in after
    expect(page.locator(".saying").first).to_contain_text("new")
    marks = page.locator(".column").nth(1).locator(".moved").all_inner_texts()
    assert marks
    assert all(mark == "new" or mark[0] in "↑↓" for mark in marks)
    page.get_by_role("button", name="Undo", exact=True).click()
    becomes(page, lambda: ids(page), before)
    expect(page.locator(".moved")).to_have_count(0)
    assert said(page, "plus") == []
    settle(page)
    first = before[0]
    page.locator(".hit .open").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Less like this").click()
    eventually(page, lambda: said(page, "minus"), lambda found: found == [f"item:{first}"])
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_plus_and_minus_by_keys_stand_as_chips_and_in_the_link(open_at):
    page = open_at(COMPARE)
    before = answered(page, 20)
    page.locator(".hit .open").nth(1).focus()
    page.keyboard.press("+")
    expect(chips(page)).to_have_count(1)
    eventually(page, lambda: ids(page), lambda found: len(found) == 20 and before[1] not in found)
    farther = ids(page)[2]
    page.locator(".hit .open").nth(2).focus()
    page.keyboard.press("-")
    expect(chips(page)).to_have_count(2)
    eventually(page, lambda: said(page, "minus"), lambda found: found == [f"item:{farther}"])
    found = eventually(
        page, lambda: ids(page), lambda found: len(found) == 20 and farther not in found
    )
    again = open_at("compare" + page.url.partition("/compare")[2])
    answered(again, 20)
    becomes(again, lambda: ids(again), found)
    expect(chips(again)).to_have_count(2)
    expect(again.locator(".moved")).to_have_count(0)
    chips(again).first.click()
    expect(chips(again)).to_have_count(1)
    again.get_by_role("button", name="Clear", exact=True).click()
    becomes(again, lambda: ids(again), before)
