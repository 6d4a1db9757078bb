"""The Index lab in a real browser: a slider moves recall and pictures, the link follows and
restores, nothing is too wide."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import becomes, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser
ONE = "index_lab?view=One+query&encoder=hog.8x8&try=ivf_flat&set=nprobe=1"


def row(page) -> list[tuple[str, str]]:
    """The pictures of the index's answer with the way they look."""
    cells = page.locator(".pair > button.cell:last-child")
    return cells.evaluate_all("cells => cells.map(cell => [cell.dataset.id, cell.className])")


def test_pictures_stand_under_the_same_ones_arrows_and_a_slider_move(open_at):
    page = open_at(ONE)
    page.locator(".pair .ghost").first.wait_for()
    settle(page)
    for width, wide in ((390, 5), (1280, 10)):
        page.set_viewport_size({"width": width, "height": 900})
        each_picture_stands_under_the_same_one(page, wide)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    arrows_go_along_a_row_and_from_one_to_the_other(page)
    before, recall = row(page), page.locator(".lab-figures b").first
    expect(recall).to_have_text(re.compile(r"^\d\d?%$"))
    thumb = page.get_by_role("slider", name="nprobe")
    thumb.focus()
    thumb.press("End")
    expect(page.locator(".pair .ghost")).to_have_count(0)
    expect(recall).to_have_text("100%")
    expect(page).to_have_url(re.compile("set=nprobe%3D(?!1(&|$))"))
    settle(page)
    after = row(page)
    assert after != before
    assert not [kind for _, kind in after if "extra" in kind]
    page.reload()
    settle(page)
    becomes(page, lambda: row(page), after)


def each_picture_stands_under_the_same_one(page, wide: int) -> None:
    """In rows of so many."""
    places = (
        "pairs => pairs.map(pair => [...pair.children].map(cell => [cell.dataset.id,"
        " cell.offsetLeft, cell.offsetTop]))"
    )

    def first_row(pairs) -> bool:
        return sum(cells[0][2] == pairs[0][0][2] for cells in pairs) == wide

    pairs = eventually(page, lambda: page.locator(".pair").evaluate_all(places), first_row)
    for (above, left, top), (below, other, under) in pairs:
        assert above in (None, below)
        assert (left, top < under) == (other, True)


def arrows_go_along_a_row_and_from_one_to_the_other(page) -> None:
    """The focus moves."""
    places = page.locator(".pair")
    places.nth(0).locator("button").first.focus()
    for key, place, which in [
        ("ArrowRight", 1, "first"),
        ("ArrowDown", 1, "last"),
        ("ArrowRight", 2, "last"),
        ("ArrowUp", 2, "first"),
        ("Home", 0, "first"),
    ]:
        page.keyboard.press(key)
        expect(getattr(places.nth(place).locator("button"), which)).to_be_focused()


def test_every_view_fits_a_phone_and_what_goes_on_says_so(open_at):
    page = open_at("index_lab?encoder=hog.8x8")
    box = page.get_by_test_id("stMultiSelectTagsContainer")
    assert box.evaluate("box => box.scrollHeight - box.clientHeight") <= 1
    page.set_viewport_size({"width": 390, "height": 844})
    narrow = "document.documentElement.scrollWidth <= 390"
    becomes(page, lambda: page.evaluate(narrow), True)
    for view in ("Buckets", "Advice", "Approximation loss"):
        page.get_by_role("radio", name=view, exact=True).click()
        expect(page).to_have_url(re.compile(view.replace(" ", r"\+")))
        settle(page)
        becomes(page, lambda: page.evaluate(narrow), True)
    page.locator(".st-key-lab_stages .ll-table").wait_for()
    cue = (
        "[...document.querySelectorAll('.st-key-lab_stages')].map(one => getComputedStyle(one,"
        " '::before').content)[0]"
    )
    assert "scroll sideways" in page.evaluate(cue)
    page.set_viewport_size({"width": 1280, "height": 900})
    becomes(page, lambda: "scroll sideways" in page.evaluate(cue), False)
