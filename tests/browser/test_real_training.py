"""Our slim ResNet goes on with real photographs of clothes from the Train page, until the page says what that changed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import choose_typed, eventually, fill

pytestmark = [pytest.mark.browser, pytest.mark.slow]
LEARN_MS = 900_000


@pytest.fixture(scope="module")
def address(tmp_path_factory, photographs):
    """The app with the photographs of clothes in its library."""
    from core.services import library
    from tools.serve import serving

    home = tmp_path_factory.mktemp("clothes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home))
        library.add_folder(str(photographs / "clothing"))
    with serving(home, OMP_NUM_THREADS="1") as url:
        yield url


def test_a_resnet_is_fine_tuned_and_before_and_after_are_seen(open_at):
    page = open_at("train")
    choose_typed(page, "It starts as", "resnet.lookalike")
    fill(page, "Epochs", "2")
    page.get_by_text("kept back", exact=False).first.wait_for()
    page.get_by_role("button", name="Start training").click()
    page.get_by_role("radio", name="Before and after").click(timeout=LEARN_MS)
    page.get_by_role("button", name="Measure before and after").click()
    page.locator(".ll-shifts .track").first.wait_for(timeout=LEARN_MS)
    said = eventually(page, lambda: page.locator(".ll-shifts").first.inner_text(), lambda text: "372" in text)
    assert "resnet.lookalike" in page.locator("body").inner_text(), said
    expect(page.locator(".ll-moved").first).to_be_visible()
    expect(page.get_by_role("button", name="Compare both encoders")).to_be_enabled()
