"""Real photographs from the Library page to an answer on Compare, as a person does it: added, built, asked, asked again."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PATIENCE_MS
from tests.browser.test_compare import asked, ids, wait_for_query
from tools.serve import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ENCODERS = {"hsv.12x4x4": "HSV histogram", "hog.8x8": "HOG"}
BUILD_MS = 300_000
SETS = {
    "clothing": (3_781, "same class"),
    "eth80": (3_280, "same object"),
    "cats_dogs": (2_000, "same class"),
    "tiny_imagenet": (54_000, "same class"),
}


def add(page, path) -> None:
    page.get_by_label("A place on this machine").fill(str(path))
    page.get_by_role("button", name="Add", exact=True).click()


def build(page) -> None:
    """Both encoders for what was just added, from the panel; until the page says that it is done."""
    box = page.get_by_label("Encoders", exact=True).first
    for title in ENCODERS.values():
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
    pictures, same = SETS[name]
    page = open_at("library")
    add(page, photographs / name)
    page.get_by_text(f"Added {name}").wait_for()
    settle(page)
    build(page)
    row = page.locator("[class*=st-key-row_dataset_]", has_text=f"{pictures:,} pictures")
    row.get_by_role("button", name="Compare").click()
    page.locator(".column").first.wait_for()
    settle(page)
    page.locator(".hit").first.wait_for()
    _look(page, pictures, same)


def _look(page, pictures: int, same: str) -> None:
    """The first answer, one to a picture of the gallery, and one to a hit of that."""
    assert f"the nearest of {pictures:,}" in page.locator(".ll-head").inner_text()
    for name in ENCODERS:
        column = page.locator(f'.column[data-key="{name}"]')
        column.locator(".hit").nth(9).wait_for()
        assert re.search(rf"\d+/10\s+{same}", column.inner_text()), "right and wrong are marked and counted"
    page.locator(".hit img").evaluate_all("all => all.forEach(one => { if (!one.naturalWidth) throw one.alt; })")
    before = asked(page)
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.locator("[role=dialog] .cell").nth(30).click()
    wait_for_query(page, before)
    found = ids(page)
    page.locator(".column").first.locator(".open").nth(2).click()
    expect(page.locator(".hit").first).not_to_have_attribute("data-id", found[0], timeout=PATIENCE_MS)
    settle(page)
    assert found[2] not in ids(page)[:10]
