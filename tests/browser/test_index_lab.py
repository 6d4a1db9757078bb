"""The Index lab in a real browser: a slider moves recall and pictures, the link follows and
restores, nothing is too wide."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import becomes
from tools.serve import settle

pytestmark = pytest.mark.browser
ONE = "index_lab?view=One+query&encoder=hog.8x8&try=ivf_flat&set=nprobe=1"


def row(page) -> list[tuple[str, str]]:
    """The pictures of the index's answer with the way they look."""
    cells = page.locator(".pair > button.cell:last-child")
    return cells.evaluate_all("cells => cells.map(cell => [cell.dataset.id, cell.className])")


def test_a_slider_moves_recall_and_pictures(open_at):
    page = open_at(ONE)
    page.locator(".pair .ghost").first.wait_for()
    settle(page)
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


@pytest.mark.parametrize(("width", "wide"), [(1280, 10), (390, 5)])
def test_each_picture_stands_under_the_same_one(open_at, width, wide):
    page = open_at(ONE, width=width)
    page.locator(".pair .ghost").first.wait_for()
    settle(page)
    pairs = page.locator(".pair").evaluate_all(
        "pairs => pairs.map(pair => [...pair.children].map(cell => [cell.dataset.id,"
        " cell.offsetLeft, cell.offsetTop]))"
    )
    for (above, left, top), (below, other, under) in pairs:
        assert above in (None, below)
        assert (left, top < under) == (other, True)
    assert sum(cells[0][2] == pairs[0][0][2] for cells in pairs) == wide


def test_arrows_go_along_a_row_and_from_one_to_the_other(open_at):
    page = open_at(ONE)
    page.locator(".pair .ghost").first.wait_for()
    settle(page)
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


def test_every_chosen_index_can_be_read(open_at):
    page = open_at("index_lab?encoder=hog.8x8")
    box = page.get_by_test_id("stMultiSelectTagsContainer")
    assert box.evaluate("box => box.scrollHeight - box.clientHeight") <= 1


def test_a_table_that_goes_on_says_so(open_at):
    cue = (
        "[...document.querySelectorAll('.st-key-lab_stages')].map(one => getComputedStyle(one,"
        " '::before').content)[0]"
    )
    path = "index_lab?view=Where+it+is+lost&encoder=hog.8x8"
    page = open_at(path, width=390)
    page.locator(".st-key-lab_stages .ll-table").wait_for()
    assert "scroll sideways" in page.evaluate(cue)
    page.set_viewport_size({"width": 1280, "height": 900})
    becomes(page, lambda: "scroll sideways" in page.evaluate(cue), False)


def test_a_narrow_screen_is_no_wider_than_itself(open_at):
    for view in ("Recall+and+time", "One+query", "Buckets", "Advice"):
        page = open_at(f"index_lab?view={view}&encoder=hog.8x8", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
