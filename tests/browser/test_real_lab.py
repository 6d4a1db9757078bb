"""The Index lab over the catalogue and over 50,000 real photographs, from the page alone: built,
measured, looked at."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.browser.test_lab_chart import DOTS
from tests.browser.test_real_sets import BUILD_MS
from tests.browser.waiting import add
from tools.serve import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]
ALL_MS = 3_600_000
"""Every setting of every index, on a machine that does other things too."""
ENCODER = "hsv.12x4x4"


def at(view: str, locator: str, more: str = "") -> str:
    return f"index_lab?view={view.replace(' ', '+')}&dataset={quote(locator, safe='')}&encoder={ENCODER}{more}"


def measured(page, gallery: int) -> None:
    """Every index that can be used here, all its settings: the estimate first, then the points."""
    few = page.get_by_text(re.compile(r"^\d+ settings to measure")).first.inner_text()
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.get_by_text(few, exact=True)).to_have_count(0)
    settle(page)
    page.get_by_role("button", name="Measure", exact=True).click()
    page.get_by_text(re.compile(r"\d+ settings to measure: .* of memory")).first.wait_for(
        timeout=BUILD_MS
    )
    page.get_by_role("button", name="Start", exact=True).click()
    page.get_by_role("button", name="Cancel").wait_for()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0, timeout=ALL_MS)
    settle(page)
    expect(page.get_by_text(f"{gallery:,} of your own vectors")).to_be_visible()
    expect(page.locator(".lab-said").first).to_contain_text(
        re.compile(r"At recall@\d+ of at least 0.95 the fastest is")
    )
    expect(page.locator(DOTS)).not_to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Measure( the rest)?$"))).to_have_count(0)


def loses_and_finds(page) -> None:
    """One query: pictures are lost with one list and found with many, by a slider."""
    ghost = page.locator(".pair .ghost")
    ghost.first.wait_for()
    thumb = page.get_by_role("slider", name="nprobe")
    thumb.focus()
    thumb.press("End")
    expect(ghost).to_have_count(0)
    expect(page.locator(".lab-figures b").first).to_have_text("100%")


@pytest.mark.parametrize(("name", "gallery"), [("catalogue", 2720), ("tiny_imagenet", 50_000)])
def test_every_view_works_on(open_at, photographs, name, gallery):
    locator = name if name == "catalogue" else str(photographs / name)
    if name != "catalogue":
        page = open_at("library")
        add(page, locator)
        page.get_by_text(f"Added {name}").wait_for()
        page.context.close()
        page = open_at(at("Recall and time", locator))
        page.get_by_role("button", name="Build", exact=True).click()
        page.get_by_role("button", name="Measure", exact=True).wait_for(timeout=BUILD_MS)
        page.context.close()
    page = open_at(at("Recall and time", locator))
    measured(page, gallery)
    page.context.close()
    page = open_at(at("One query", locator, "&try=ivf_flat&set=nprobe%3D1"))
    loses_and_finds(page)
    page.context.close()
    _other_views(open_at, locator)


def _other_views(open_at, locator: str) -> None:
    page = open_at(at("Approximation loss", locator, "&pca=16&code=pq&through=ivf_flat"))
    button = page.get_by_role("button", name="Measure the stages")
    answer = page.get_by_text("What each stage costs and saves")
    expect(button.or_(answer).first).to_be_visible()
    if button.count():
        button.click()
    answer.wait_for(timeout=BUILD_MS)
    expect(page.locator('[aria-label^="Lost by"] button.cell').first).to_be_visible()
    page.context.close()
    for method in ("lsh", "minhash"):
        page = open_at(at("Buckets", locator, f"&hash={method}"))
        expect(page.locator(".lab-bits .row")).not_to_have_count(0)
        expect(page.locator(".lab-bits .band.met")).not_to_have_count(0)
        page.context.close()
    page = open_at(at("Advice", locator))
    expect(page.locator(".lab-advice")).to_contain_text(
        re.compile(
            r"^For [\d,]+ vectors of 192 dimensions (take .*: it finds|exact search is enough: )"
        )
    )
