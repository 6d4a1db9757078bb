"""The default run on real photographs of clothes from the Train page, until the page says by itself
what that changed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LEARN_MS = 1_800_000
"""The run fits itself to 8 minutes; comparing comes on top, and a machine may do other things
too."""


@pytest.fixture(scope="module")
def address(tmp_path_factory, photographs):
    """The app with the photographs of clothes in its library."""
    from core.services.library import library
    from tools.serve import serving

    home = tmp_path_factory.mktemp("clothes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home))
        library.add_folder(str(photographs / "clothing"))
    with serving(home, OMP_NUM_THREADS="1") as url:
        yield url


def test_the_default_run_finds_clothes_far_better_and_says_so_by_itself(open_at):
    page = open_at("train")
    page.get_by_text("held out", exact=False).first.wait_for()
    page.get_by_text("min", exact=False).first.wait_for()  # the estimate
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".ll-phases .now")).to_be_visible()
    page.locator(".ll-shifts .track").first.wait_for(timeout=LEARN_MS)
    said = eventually(
        page, lambda: page.locator(".ll-shifts").first.inner_text(), lambda text: "372" in text
    )
    before, after = map(float, re.search(r"(\d\.\d+) → (\d\.\d+)", said).groups())
    assert after > before + 0.2, said
    assert "tf_efficientnet_lite0.in1k" in page.locator("body").inner_text()
    expect(page.locator(".ll-ranks").first).to_be_visible()
    expect(page.get_by_role("button", name="Compare both encoders")).to_be_enabled()
