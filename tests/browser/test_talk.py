"""A talk in the browser: collected, stepped through with the keyboard, with notes in a window."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.waiting import small


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
