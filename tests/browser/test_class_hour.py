"""A class hour from its beginning to its end: a lesson, a vote of five, its result on the
projector, and the file that everybody takes home."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import PATIENCE_MS, small
from tools.serve import settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COMPARED = "compare?encoders=hog.8x8,hsv.12x4x4&k=5&query=item:mug-16-0"


def lesson(page) -> None:
    """The class predicts, and the system answers."""
    page.locator(".st-key-learn_choices button").first.click()
    expect(page.get_by_text(re.compile(r"^(Correct|Not this time)"))).to_be_visible()
    expect(page.locator(".st-key-learn_part_2 .learn-answer")).to_have_count(4)
    expect(page.locator(".tally")).to_contain_text("of 1 right")


def add_to_talk(page, title: str, notes: str = "") -> None:
    page.get_by_role("button", name="Add to talk").click()
    page.get_by_label("Title of the scene").fill(title)
    page.get_by_label("Notes for the speaker").fill(notes)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(re.compile(r"Scene \d of the talk"))).to_be_visible()


def vote(leader, phones) -> None:
    """Two rounds: four of five prefer A in the first, all in the second."""
    leader.get_by_role("button", name="Start the first round").click()
    for number, last in ((1, False), (2, True)):
        for place, phone in enumerate(phones):
            expect(phone.get_by_text(f"Round {number} of 2")).to_be_visible()
            words = "B is better" if place == 4 and not last else "A is better"
            phone.get_by_role("button", name=words).click()
            expect(phone.get_by_text(re.compile("Counted:"))).to_be_visible()
        expect(leader.get_by_text("5 votes")).to_be_visible()
        leader.get_by_role("button", name="Show the names").click()
        leader.get_by_role("button", name="See the result" if last else "Next round").click()


def test_a_class_hour(open_at, browser, tmp_path):
    student = open_at("learn?lesson=hashing")
    lesson(student)
    student.close()
    compared = open_at(COMPARED)
    compared.locator(".hit").nth(9).wait_for()
    add_to_talk(compared, "Shape or colour?", "Ask before you show it.")
    compared.close()

    leader = open_at("arena?rounds=2&encoders=hog.8x8,hsv.12x4x4,tiny.16x16")
    leader.get_by_role("button", name="Open a room").click()
    code = leader.locator(".ar-door b").inner_text()
    phones = [open_at(f"arena?room={code}", width=390, height=844) for _ in range(5)]
    vote(leader, phones)
    expect(leader.get_by_text("What the class prefers")).to_be_visible()
    expect(leader.get_by_text(re.compile("10 votes by 5 people on 2 rounds"))).to_be_visible()
    settle(leader)
    add_to_talk(leader, "What the class prefers")

    talk = open_at("talk", width=1920, height=1080)
    talk.get_by_role("button", name="File").click()
    with talk.expect_download() as download:
        talk.get_by_role("button", name="Whole talk (HTML, works offline)").click()
    file = tmp_path / "talk.html"
    download.value.save_as(file)
    talk.keyboard.press("Escape")
    talk.get_by_role("button", name="Present", exact=True).click()
    expect(talk.locator(".ll-scene")).to_have_text("Shape or colour?")
    talk.locator(".hit").nth(9).wait_for()
    assert small(talk) == []
    talk.keyboard.press("ArrowRight")
    expect(talk.locator(".ar-ranking")).to_be_visible()
    settle(talk)
    assert small(talk) == []
    assert "voter" not in talk.url
    taken_home(browser, file)


def taken_home(browser, file) -> None:
    """The file, with every way to a network cut."""
    asked = []
    context = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.route(re.compile("^https?:"), lambda route: route.abort())
    page.goto(file.as_uri())
    expect(page.locator(".scene")).to_have_count(2)
    drawn = "all => all.every(one => one.complete && one.naturalWidth > 0)"
    assert page.locator("img").evaluate_all(drawn)
    expect(page.get_by_text(re.compile("10 votes by 5 people on 2 rounds"))).to_be_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()
