"""A talk in the browser: collected, stepped through with the keyboard, with notes in a window."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.services.sharing import talks
from core.services.sharing.talks import Scene, Talk
from tests.browser.waiting import small
from tools.serve import ROOT, settle

PAIR = "hog.8x8,hsv.12x4x4"
VIEWS = {
    "Home": [{}],
    "Compare": [{"encoders": PAIR, "why": "|hog.8x8|mug-15-1"}],
    "Map": [{"encoders": PAIR, "view": view} for view in ("Maps", "Morph", "Clusters")],
    "Metrics": [
        {"view": view}
        for view in (
            "Leaderboard", "Cost", "Curves", "Classes", "Queries", "Re-ranking", "Shared factors",
            "Robustness", "Subject", "Data health", "Metric audit",
        )
    ],
    "Index lab": [
        {"view": view, "encoder": "hog.8x8"}
        for view in ("Recall and time", "One query", "Approximation loss", "Buckets", "Advice")
    ],
    "Learn": [
        {"lesson": path.stem} for path in sorted(Path(ROOT, "pages/parts/learn/lessons").glob("*.toml"))
    ],
    "Arena": [{}, {"judge": "1"}],
    "Train": [{}, {"model": "siamese.lookalike"}],
    "Library": [{}, {"set": "catalogue"}],
}  # fmt: skip


def test_a_view_becomes_a_scene_and_arrows_step(open_at):
    page = open_at("compare?encoders=hog.8x8,hsv.12x4x4&k=5", width=1920, height=1080)
    page.get_by_role("button", name="Add to talk").click()
    page.get_by_label("Title of the scene").fill("Colour or shape?")
    page.get_by_label("Notes for the speaker").fill("Let them guess.")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Scene 1 of the talk")).to_be_visible()
    page = open_at("metrics", width=1920, height=1080)
    page.get_by_role("button", name="Add to talk").click()
    page.get_by_label("Title of the scene").fill("Which is better?")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("Scene 2 of the talk")).to_be_visible()
    page = open_at("talk", width=1920, height=1080)
    window = open_at("talk?notes=1")
    page.get_by_role("button", name="Present").click()
    scene = page.locator(".ll-scene")
    expect(scene).to_have_text("Colour or shape?")
    expect(page.locator(".head .title")).to_have_count(2)
    expect(page.get_by_role("button", name="Upload")).to_have_count(0)
    page.locator(".hit").nth(9).wait_for()
    assert small(page) == []
    expect(window.get_by_text("Let them guess.")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(scene).to_have_text("Which is better?")
    expect(window.get_by_text("Scene 2 of 2")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Talk")).to_be_visible()
    expect(window.get_by_text("Nothing is presented yet.")).to_be_visible()


def test_arrows_are_a_controls_while_it_has_the_focus_and_pages_always_step(open_at, tmp_path):
    scenes = (Scene("Points", "Learn", {"lesson": "keypoints"}), Scene("Votes", "Arena"))
    file = tmp_path / "talk.json"
    file.write_text(talks.written(Talk(scenes)), "utf-8")
    page = open_at("talk", width=1920, height=1080)
    page.get_by_role("button", name="File").click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("1. Points").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Present", exact=True).click()
    scene, slider = page.locator(".ll-scene"), page.locator("input[type=range]").first
    slider.wait_for()
    settle(page)  # a control that is drawn anew loses the focus
    slider.focus()
    expect(page.locator(".bar .hint")).to_contain_text("Page")
    slider.press("ArrowRight")
    expect(slider).to_have_value("40")
    expect(scene).to_have_text("Points")
    slider.press("PageDown")
    expect(scene).to_have_text("Votes")
    page.keyboard.press("PageUp")
    expect(scene).to_have_text("Points")
    slider.wait_for()
    settle(page)
    slider.focus()
    page.keyboard.press("?")
    expect(page.locator(".bar .keys")).to_contain_text("a clicker sends them")
    slider.press("Escape")
    expect(page.locator(".bar .keys")).to_be_hidden()
    slider.press("Escape")
    expect(slider).not_to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(scene).to_have_text("Votes")


CONTRAST = """node => {
    const read = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
    const light = (colour) => read(colour).map((part) => (part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4))
        .reduce((sum, part, at) => sum + part * [.2126, .7152, .0722][at], 0);
    const style = getComputedStyle(node), [low, high] = [light(style.color), light(style.backgroundColor)].sort((a, b) => a - b);
    return (high + .05) / (low + .05);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_reads_the_buttons_and_the_scene_has_its_width(open_at, tmp_path, scheme):
    file = tmp_path / "talk.json"
    scene = Scene("Colour or shape?", "Compare", {"encoders": PAIR})
    file.write_text(talks.written(Talk((scene,))), "utf-8")
    page = open_at("talk", width=390, color_scheme=scheme)
    page.get_by_role("button", name="File").click()
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("1. Colour or shape?").wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("button", name="Present").evaluate(CONTRAST) >= 4.5
    page.get_by_role("button", name="Present").click()
    page.locator(".hit").first.wait_for()
    settle(page)
    assert page.locator(".st-key-answer").bounding_box()["width"] > 300


@pytest.mark.slow
def test_the_last_row_reads_every_page(open_at, tmp_path):
    scenes = [
        Scene(f"Scene {page} {place}", page, params)
        for page, several in VIEWS.items()
        for place, params in enumerate(several)
    ]
    file = tmp_path / "talk.json"
    file.write_text(talks.written(Talk(tuple(scenes))), "utf-8")
    page = open_at("talk", width=1920, height=1080)
    page.get_by_role("button", name="File").click()
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_text(f"{len(scenes)} scenes.")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Present", exact=True).click()
    unreadable = {}
    for scene in scenes:
        expect(page.locator(".ll-scene")).to_have_text(scene.title)
        settle(page)
        if found := small(page):
            unreadable[scene.title] = found[:5]
        if scene.page not in ("Learn", "Arena"):
            assert page.locator(".stMain .stButton:visible").count() == 0, scene.title
        page.get_by_label("Next scene").wait_for()
        page.keyboard.press("ArrowRight")
    assert unreadable == {}
