"""A pretrained network from first wish to answer: its name is typed, its weights come from a hub on
the loopback interface."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import IDS, add, becomes
from tests.hub import serving as serving_hub
from tools.serve import serving, settle

pytestmark = pytest.mark.browser
NAME, LISTED = "test_resnet.r160_in1k", "mobilenetv3_large_100.ra_in1k"
SLOW_MS = 150_000
"""Longest wait for a process that imports torch and encodes on a machine that has other things to
do."""


@pytest.fixture(scope="module")
def hub():
    import timm
    import torch
    from safetensors.torch import save

    with serving_hub() as made:
        for name in (NAME, LISTED):
            torch.manual_seed(0)
            repo = timm.models.get_pretrained_cfg(name).hf_hub_id
            made.put(repo, "model.safetensors", save(timm.create_model(name).state_dict()))
        yield made


@pytest.fixture(scope="module")
def address(tmp_path_factory, hub):
    told = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "", "LOOKALIKE_TORCHVISION_URL": hub.url}
    told |= {"LOOKALIKE_WARM": "0"}
    with serving(tmp_path_factory.mktemp("pretrained"), **told) as url:
        yield url


@pytest.fixture
def folder(tmp_path):
    """Forty small pictures, so that a network answers within seconds."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(40):
        at = tmp_path / "pictures" / f"class {number % 4}" / f"{number:02d}.jpg"
        at.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((160, 120), Image.Resampling.BICUBIC).save(at)
    return tmp_path / "pictures"


def test_a_typed_timm_name_is_downloaded_built_and_answers(open_at, folder):
    page = open_at("library")
    add(page, folder)
    page.locator(".cell").first.click()
    page.locator(".column").first.wait_for()
    settle(page)
    page.get_by_label("Encoders", exact=True).first.click()
    page.keyboard.type(NAME)
    page.get_by_role("option", name=NAME).first.wait_for()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    column = page.locator(f'.column[data-key="{NAME}"]')
    column.get_by_role("button", name="Download and build").click(timeout=SLOW_MS)
    column.get_by_role("progressbar").wait_for()
    expect(column.locator(".hit")).to_have_count(10, timeout=SLOW_MS)
    expect(column.locator(".stages dt")).to_have_text(["prepare", "encode", "search"])
    found = column.locator(".hit").evaluate_all(IDS)
    page.reload()
    becomes(page, lambda: column.locator(".hit").evaluate_all(IDS), found)


def test_weights_are_fetched_on_the_library_page_stopped_and_fetched_again(open_at, hub):
    hub.piece_delay_s = 0.1
    page = open_at("library")
    page.get_by_role("tab", name="Encoders").click()
    row = page.locator("[class*=st-key-row_encoder_]", has_text=LISTED)
    row.get_by_role("button", name="Download").click()
    row.get_by_text("MB of").wait_for(timeout=SLOW_MS)
    row.get_by_role("button", name="Cancel").click()
    row.get_by_text("The download was stopped.").wait_for(timeout=SLOW_MS)
    hub.piece_delay_s, before = 0.0, len(hub.ranges)
    row.get_by_role("button", name="Download").click()
    row.get_by_text("ready", exact=True).wait_for(timeout=SLOW_MS)
    assert hub.ranges[before] is not None, "it did not go on where it had stopped"
    expect(row.get_by_role("button", name="Download")).to_have_count(0)
