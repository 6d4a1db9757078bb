"""A run on the Train page from its start to what it changed, in a real browser: it outlives
reloads, stops and goes on."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import becomes, choose_typed, eventually, fill
from tests.training.conftest import paint_textures
from tools.serve import settle

pytestmark = pytest.mark.browser
SLOW_MS = 150_000
"""Longest wait for a process that imports torch on a machine that has other things to do."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The app with four kinds of stripes in its library."""
    from core.services.library import library
    from tools.serve import serving

    home = tmp_path_factory.mktemp("learning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home / "artifacts"))
        library.add_folder(str(paint_textures(home / "stripes")))
    with serving(home / "artifacts", OMP_NUM_THREADS="1", LOOKALIKE_WARM="0") as url:
        yield url


def steps(page) -> int:
    """How many steps the page says are done."""
    words = page.get_by_text(re.compile(r"^Step \d")).first.inner_text()
    return int(words.split("Step ")[1].split(" of ")[0].replace(",", ""))


@pytest.mark.slow  # 200 epochs, stopped, resumed and compared: minutes
def test_from_start_to_before_and_after(open_at):
    page = open_at("train")
    choose_typed(page, "Recipe", "Classifier")
    choose_typed(page, "Initial weights", "test_resnet")
    page.get_by_text("With its published weights").click()
    settle(page)
    page.get_by_text("All settings").click()
    for label, value in (("Image size, pixels", "32"), ("Batch size", "16"), ("Epochs", "200")):
        fill(page, label, value)
    page.get_by_text("40 + 8 held out").wait_for()
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".ll-phases .now")).to_be_visible()  # from the first minute
    page.locator(".js-plotly-plot").nth(3).wait_for(timeout=SLOW_MS)
    page.get_by_role("button", name="Stop", exact=True).click()
    resume = page.get_by_role("button", name="Resume", exact=True)
    resume.wait_for(timeout=SLOW_MS)
    settle(page)
    stopped, link = steps(page), page.url
    assert 0 < stopped < 400
    page.reload()
    resume.wait_for()
    expect(page).to_have_url(link)
    becomes(page, lambda: steps(page), stopped)
    resume.click()
    page.get_by_role("button", name="Stop", exact=True).wait_for(timeout=SLOW_MS)
    page.locator(".ll-shifts .track").first.wait_for(
        timeout=SLOW_MS
    )  # measured, and opened, by itself
    expect(page.get_by_role("radio", name="Before and after")).to_be_checked()
    page.get_by_text("Largest gains").wait_for()  # none, where the untrained one finds all
    expect(page.get_by_role("button", name="Compare both encoders")).to_be_enabled()


def scrolled(page) -> float:
    return page.get_by_test_id("stMain").evaluate("main => main.scrollTop")


def test_the_start_is_seen_at_once_and_what_a_press_opens_is_seen_from_its_top(open_at):
    page = open_at("train")
    start = page.get_by_role("button", name="Start training")
    start.wait_for()
    assert start.bounding_box()["y"] < 850, "below the fold"
    page.set_viewport_size({"width": 1280, "height": 400})
    page.get_by_role("button", name="Open").last.click()
    page.get_by_role("button", name="All runs").wait_for()
    becomes(page, lambda: scrolled(page), 0)
    page.get_by_role("tab", name="Settings").or_(page.get_by_text("The model's card")).first.hover()
    page.mouse.wheel(0, 300)
    eventually(page, lambda: scrolled(page), lambda top: top > 0)
    settle(page)
    assert scrolled(page) > 0, "the same view stays where it is"
