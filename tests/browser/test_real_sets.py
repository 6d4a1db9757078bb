"""Real photographs from the Library page to an answer on Compare, as a person does it: added,
built, asked, asked again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS
from tests.browser.waiting import add
from tools.serve import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BUILD_MS = 900_000
HSV, HOG, TINY = ("hsv.12x4x4", "HSV histogram"), ("hog.8x8", "HOG"), ("tiny.16x16", "Tiny image")
SETS = {
    "clothing": (3_781, 3_068, "same class", (HSV, HOG)),
    "eth80": (3_280, 3_280, "same object", (HSV, HOG)),
    "cats_dogs": (2_000, 1_000, "same class", (HSV, HOG)),
    "tiny_imagenet": (54_000, 50_000, "same class", (HSV, TINY)),
}
"""Pictures, how many of them are the gallery, what a right hit is called, and the encoders to
build."""


def build(page, titles) -> None:
    """Two encoders for what was just added, from the panel; until the page says that it is done."""
    page.get_by_text("Encoders and builds", exact=True).click()
    box = page.get_by_label("Encoders", exact=True).first
    for title in titles:
        box.click()
        page.keyboard.type(title)
        page.get_by_role("option", name=title).first.wait_for()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        settle(page)
    page.get_by_role("button", name="Build", exact=True).click()
    page.get_by_role("progressbar").first.wait_for()
    page.get_by_role("button", name="Already built").wait_for(timeout=BUILD_MS)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_added_built_and_searched_from_the_pages(open_at, photographs, name):
    pictures, gallery, same, encoders = SETS[name]
    page = open_at("library")
    add(page, photographs / name)
    page.get_by_text(f"Added {name}").wait_for()
    settle(page)
    build(page, [title for _, title in encoders])
    assert f"{pictures:,} pictures" in page.locator(".st-key-set_head").inner_text()
    page.get_by_role("button", name=f"Compare {len(encoders)} encoders").click()
    page.locator(".column").first.wait_for()
    settle(page)
    page.locator(".hit").first.wait_for()
    _look(page, gallery, same, [encoder for encoder, _ in encoders])


def _look(page, gallery: int, same: str, encoders: list[str]) -> None:
    """The first answer, one to a picture of the gallery, and one to a hit of that."""
    assert f"the nearest of {gallery:,}" in page.locator(".ll-head").inner_text()
    for name in encoders:
        column = page.locator(f'.column[data-key="{name}"]')
        column.locator(".hit").nth(9).wait_for()
        assert re.search(rf"\d+/10\s+{same}", column.inner_text()), (
            "right and wrong are marked and counted"
        )
    page.locator(".hit img").evaluate_all(
        "all => all.forEach(one => { if (!one.naturalWidth) throw one.alt; })"
    )
    before = page.url
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.locator("[role=dialog] .cell").nth(30).click()
    asked_anew(page, before)
    column = page.locator(f'.column[data-key="{encoders[0]}"]')
    expect(column.locator(".hit").nth(9)).to_be_visible(timeout=PATIENCE_MS)
    found = column.locator(".hit").evaluate_all("nodes => nodes.map(node => node.dataset.id)")
    before = page.url
    column.locator(".open").nth(2).press("Enter")
    asked_anew(page, before)
    expect(column.locator(f'.hit[data-id="{found[2]}"]')).to_have_count(0, timeout=PATIENCE_MS)
    expect(column.locator(".hit").nth(9)).to_be_visible(timeout=PATIENCE_MS)


def asked_anew(page, before: str) -> None:
    """Until the address says another query: pictures of one class have one name."""
    page.wait_for_function("before => location.href !== before", arg=before)
    settle(page)
