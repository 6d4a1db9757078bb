"""A class in browsers: phones vote, the projector shows it."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tools.serve import settle


def test_phones_vote_and_the_projector_counts(open_at):
    leader = open_at("arena")
    leader.get_by_role("button", name="Open a room").click()
    code = leader.locator(".ar-door b").inner_text()
    assert leader.locator(".ar-door img").evaluate("one => one.naturalWidth") > 100
    phones = [open_at(f"arena?room={code}", width=390, height=844) for _ in range(3)]
    leader.get_by_role("button", name="Start the first round").click()
    for number, phone in enumerate(phones):
        words = "A is better" if number < 2 else "B is better"
        phone.get_by_role("button", name=words).click()
        expect(phone.get_by_text(re.compile("Counted:"))).to_be_visible()
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    expect(leader.get_by_text(re.compile("3 votes"))).to_be_visible()
    leader.get_by_role("button", name="Show the names").click()
    expect(leader.locator(".ar-bars dd b").first).to_have_text("2")
    for phone in phones:
        expect(phone.get_by_text(re.compile("You preferred"))).to_be_visible()
    settle(leader)
