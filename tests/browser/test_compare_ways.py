"""Compare with a camera, and with an encoder that lets the others wait for it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import IDS, PATIENCE_MS, answered, becomes, eventually, ids
from tests.plugged import Plugged, numbered, paint
from tools.serve import serving

pytestmark = pytest.mark.browser


def test_a_photograph_taken_with_the_camera_is_the_query(open_at):
    page = open_at("compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4", permissions=["camera"])
    before = answered(page)
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take Photo").wait_for()
    films = "all => all.some(one => one.readyState === 4 && one.videoWidth > 0)"
    becomes(
        page, lambda: page.locator("video").evaluate_all(films), True
    )  # a photograph of nothing is none
    asked, shutter = page.locator(".ll-asked b"), page.get_by_role("button", name="Take Photo")

    def photographed() -> str:
        """Pressed again where Chromium's own picture had no frame just then."""
        if shutter.is_visible():
            shutter.click()
            page.wait_for_timeout(2000)
        return asked.text_content()

    becomes(page, photographed, "Your picture")
    expect(page).to_have_url(re.compile("query=up(%3A|:)"))
    eventually(page, lambda: ids(page), lambda found: len(found) == 30 and found != before)


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """The slow encoder goes on when this file is there."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def slow_address(tmp_path_factory, gate):
    """The app with a small gallery and an encoder that waits at the gate, built for it."""
    home = tmp_path_factory.mktemp("slow")
    pictures = paint(
        home / "pictures", [f"{kind}/{name}" for kind in "ab" for name in numbered(10)]
    )
    plugged = Plugged(home, home / "artifacts")
    added = plugged.run("datasets", "--add", str(pictures))
    assert added.returncode == 0, added.stderr
    built = plugged.run("build", "--dataset", str(pictures), "--encoders", "hog.8x8,slow.test")
    assert built.returncode == 0, built.stderr
    env = {name: plugged.env[name] for name in ("TEST_DIARY", "PYTHONPATH")}
    with serving(plugged.artifacts, **env, TEST_GATE=str(gate), TEST_TIER="pretrained") as url:
        yield url, str(pictures)


def test_columns_fill_as_each_encoder_answers_and_only_the_one_that_loads_says_so(
    browser, slow_address, gate
):
    url, pictures = slow_address
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{url}/compare?dataset={pictures}&encoders=slow.test,hog.8x8&k=5")
    slow, quick = (page.locator(f'.column[data-key="{name}"]') for name in ("slow.test", "hog.8x8"))
    expect(quick.locator(".hit")).to_have_count(5)
    expect(quick).to_have_attribute("aria-busy", "false")
    expect(slow).to_have_attribute("aria-busy", "true")
    expect(slow.get_by_role("status")).to_have_text("Loading Slow\u00a0…")
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(1)
    expect(slow.locator(".hit")).to_have_count(0)
    clicked = quick.locator(".hit").nth(2).get_attribute("data-id")
    quick.locator(".hit").nth(2).locator(".open").press(
        "Enter"
    )  # what is there can be used while the other one loads
    expect(page).to_have_url(
        re.compile(f"query=item(%3A|:){re.escape(clicked).replace('/', '(%2F|/)')}(&|$)")
    )
    expect(quick.locator(".hit")).to_have_count(5)
    expect(quick.locator(f'.hit[data-id="{clicked}"]')).to_have_count(0)
    expect(slow.get_by_role("status")).to_have_text("Loading Slow\u00a0…")
    found = quick.locator(".hit").evaluate_all(IDS)
    gate.touch()
    expect(slow.locator(".hit")).to_have_count(5)
    expect(slow).to_have_attribute("aria-busy", "false")
    expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
    assert quick.locator(".hit").evaluate_all(IDS) == found
    context.close()
