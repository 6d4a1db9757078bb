"""The Index lab in a real browser: a slider moves recall and pictures, the link follows and restores, nothing is too wide."""

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
    cells = page.locator('[aria-label="Answer of the index"] button.cell')
    return cells.evaluate_all("cells => cells.map(cell => [cell.dataset.id, cell.className])")


def test_a_slider_moves_recall_and_pictures(open_at):
    page = open_at(ONE)
    page.locator('[aria-label="Answer of the index"] .ghost').first.wait_for()
    settle(page)
    before, recall = row(page), page.locator(".lab-figures b").first
    expect(recall).to_have_text(re.compile(r"^\d\d?%$"))
    thumb = page.get_by_role("slider", name="nprobe")
    thumb.focus()
    thumb.press("End")
    expect(page.locator('[aria-label="Answer of the index"] .ghost')).to_have_count(0)
    expect(recall).to_have_text("100%")
    expect(page).to_have_url(re.compile("set=nprobe%3D(?!1(&|$))"))
    settle(page)
    after = row(page)
    assert after != before
    assert not [kind for _, kind in after if "extra" in kind]
    page.reload()
    settle(page)
    becomes(page, lambda: row(page), after)


def test_a_narrow_screen_is_no_wider_than_itself(open_at):
    for view in ("Recall+and+time", "One+query", "Buckets", "Advice"):
        page = open_at(f"index_lab?view={view}&encoder=hog.8x8", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
