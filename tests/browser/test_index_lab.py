"""The Index lab in a real browser: a slider moves recall and pictures, the link follows and restores, nothing is too wide."""

from __future__ import annotations

import pytest

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
    before, recall = row(page), page.locator(".lab-figures b").first.inner_text()
    assert recall != "100%"
    thumb = page.get_by_role("slider", name="nprobe")
    thumb.focus()
    thumb.press("End")
    page.locator('[aria-label="Answer of the index"] .ghost').first.wait_for(state="detached")
    settle(page)
    assert page.locator(".lab-figures b").first.inner_text() == "100%"
    after = row(page)
    assert after != before
    assert not [kind for _, kind in after if "extra" in kind]
    assert "set=nprobe%3D" in page.url
    page.reload()
    settle(page)
    page.locator('[aria-label="Answer of the index"] button.cell').first.wait_for()
    assert row(page) == after


def test_a_narrow_screen_is_no_wider_than_itself(open_at):
    for view in ("Recall+and+time", "One+query", "Buckets", "Advice"):
        page = open_at(f"index_lab?view={view}&encoder=hog.8x8", width=390)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
