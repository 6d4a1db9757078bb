"""Why this hit, in a real browser: the panel opens beside a hit, a region leads to its counterpart,
and the link brings all of it back."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import answered, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser
VGG = "compare?encoders=vgg.lookalike,hog.8x8&query=item:mug-15-0&k=5"
VEIL = """node => { const { data } = node.getContext("2d").getImageData(0, 0, node.width, node.height);
    let sum = 0; for (let i = 3; i < data.length; i += 4) sum += data[i]; return sum / (data.length / 4); }"""


def test_a_hit_is_explained_its_regions_answer_and_the_link_opens_it_again(open_at):
    page = open_at(VGG)
    answered(page, 10)
    hit = page.locator(".column").first.locator(".hit").nth(1)
    chosen = hit.get_attribute("data-id")
    hit.locator(".open").click()
    window = page.locator("dialog.detail")
    window.get_by_role("button", name="Why this hit?").click()
    panel = window.locator(".why")
    expect(panel).to_contain_text("Covering the marked fifth")
    expect(panel.get_by_role("radio", name="Regions")).to_be_checked()
    expect(page).to_have_url(re.compile(rf"why=(%7C|\|)vgg.lookalike(%7C|\|){chosen}"))
    veils = window.locator(".veil")
    expect(veils).to_have_count(2)
    before = [veil.evaluate(VEIL) for veil in veils.all()]
    assert all(20 < alpha < 199 for alpha in before), (
        "each veil is dark in places and clear in others"
    )

    window.locator(".stage").first.hover(position={"x": 150, "y": 150})
    expect(panel.locator(".about")).to_contain_text("what goes best with it in the hit")
    expect(window.locator(".cell:visible")).to_have_count(2)
    assert veils.nth(1).evaluate(VEIL) != before[1]
    page.mouse.move(2, 2)
    expect(window.locator(".cell:visible")).to_have_count(0)

    panel.get_by_role("button", name="Show the plain pictures").click()
    expect(veils.first).to_have_css("opacity", "0")
    panel.get_by_role("radio", name="Occlusion").click()
    expect(panel.get_by_role("radio", name="Occlusion")).to_be_checked()
    expect(panel).to_contain_text("The cover is a square")
    expect(page).to_have_url(re.compile(rf"why=occlusion(%7C|\|)vgg.lookalike(%7C|\|){chosen}"))
    settle(page)
    link = "compare" + page.url.partition("/compare")[2]
    page.go_back()
    expect(panel.get_by_role("radio", name="Regions")).to_be_checked()
    page.go_back()
    expect(panel).to_have_count(0)

    again = open_at(link)
    panel = again.locator("dialog.detail .why")
    expect(panel.get_by_role("radio", name="Occlusion")).to_be_checked()
    again.keyboard.press("ArrowRight")
    expect(again.locator("dialog.detail")).to_contain_text("Rank 3 of")
    expect(panel).to_contain_text("Covering the marked fifth")
    again.keyboard.press("Escape")
    expect(again.locator("dialog.detail")).to_be_hidden()
    eventually(again, lambda: again.url, lambda url: "why=" not in url)
