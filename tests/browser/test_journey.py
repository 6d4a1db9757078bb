"""A new user's way from an own zip to a verdict, by the buttons that the pages propose."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.waiting import PATIENCE_MS, add
from tools.measure_journey import MOST_CLICKS, packed, walk
from tools.serve import chromium, serving, settle

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """An app of its own: the tray counts the jobs of the machine."""
    with serving(tmp_path_factory.mktemp("journey"), LOOKALIKE_WARM="0") as url:
        yield url


def painted(classes: int, each: int) -> bytes:
    """A zip of pictures whose classes differ in their coarse pattern."""
    rng = np.random.default_rng(0)
    files = []
    for label in range(classes):
        base = rng.integers(40, 216, (6, 6, 3))
        for number in range(each):
            pixels = np.clip(base + rng.integers(-40, 40, (6, 6, 3)), 0, 255).astype(np.uint8)
            out = io.BytesIO()
            Image.fromarray(pixels).resize((120, 90), Image.Resampling.BICUBIC).save(out, "JPEG")
            files.append((f"class {label:02d}/{number:02d}.jpg", out.getvalue()))
    return packed(files)


@pytest.mark.slow
def test_a_zip_of_one_s_own_leads_to_a_verdict_in_ten_clicks(tmp_path):
    """How long it takes depends on the machine: ``tools/measure_journey.py`` writes that down."""
    with serving(tmp_path / "artifacts") as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.monotonic()
        made = walk(page, address, painted(10, 30), 300)
        assert made.clicks <= MOST_CLICKS
        words = page.locator(".stApp").inner_text()
        assert "significant" in words or "can't be told apart" in words
        print(f"{made.clicks} clicks, {time.monotonic() - began:.0f} s")


def test_the_tray_stands_on_every_page_and_outlives_a_reload(open_at, tmp_path):
    at = tmp_path / "few" / "one"
    at.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (40, 40), (60 * number, 90, 200)).save(at / f"{number}.png")
    page = open_at("library")
    add(page, tmp_path / "few")
    page.get_by_text("Encoders and builds", exact=True).click()
    page.get_by_label("Encoders", exact=True).first.click()
    page.keyboard.type("Tiny image")
    page.get_by_role("option", name="Tiny image").first.wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    settle(page)
    page.get_by_role("button", name="Build", exact=True).click()
    tray = page.locator(".st-key-tray").get_by_role("button")
    expect(tray).to_contain_text("Jobs · 1 done", timeout=PATIENCE_MS)
    for path in ("metrics", "train"):
        page.goto(page.url.split("/library")[0].rsplit("/metrics")[0] + f"/{path}")
        settle(page)
        expect(tray).to_contain_text("Jobs · 1 done")
    tray.click()
    jobs = page.locator(".st-key-tray_jobs")
    expect(jobs).to_contain_text("Build Tiny image for few")
    jobs.get_by_role("button", name="Dismiss").click()
    expect(tray.locator("p")).to_have_text("Jobs")
