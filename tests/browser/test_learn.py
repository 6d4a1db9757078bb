"""Lessons in a real browser: what is dragged moves the numbers, and progress stays in the
browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import becomes, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser


def nearest(page) -> list[str]:
    """The figures under the pictures of the plane, measure by measure."""
    return (
        page.locator(".st-key-learn_live .learn-answers")
        .first.locator("figcaption")
        .all_inner_texts()
    )


def test_a_dragged_point_moves_the_numbers_and_stays_in_the_hand(open_at):
    page = open_at("learn?lesson=cosine")
    before, knob = nearest(page), page.locator(".handle[data-name=query] .knob")
    box = knob.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y + 30, steps=6)
    page.mouse.move(x - 120, y + 60, steps=6)
    during = eventually(page, lambda: nearest(page), lambda found: found != before)
    page.mouse.up()
    settle(page)
    assert len(during) == len(before) == 9
    moved = knob.bounding_box()
    assert moved["x"] == pytest.approx(box["x"] - 120, abs=4)
    assert moved["y"] == pytest.approx(box["y"] + 60, abs=4)
    here = nearest(page)
    page.locator(".handle[data-name=query]").focus()
    page.keyboard.press("Shift+ArrowRight")
    eventually(page, lambda: nearest(page), lambda found: found != here)
    page.get_by_text("Length 1 (L2 normalisation)").click()
    said = page.locator(".learn-said").first
    expect(said).to_have_text("All three put the pictures in the same order.")


def test_progress_outlives_a_reload_and_can_be_forgotten(open_at):
    page = open_at("learn?lesson=hashing")
    page.locator(".st-key-learn_choices button").first.click()
    expect(page.locator(".tally")).to_contain_text("of 1 right")
    for number in range(3):
        page.locator(".quiz section").nth(number).locator(".option").first.click()
    expect(page.locator(".row[aria-current]")).to_have_attribute("data-state", "finished")
    expect(page.locator(".quiz .why").first).to_contain_text("hyperplane")
    page.goto(page.url.replace("lesson=hashing", ""))
    settle(page)
    expect(page.locator(".summary")).to_contain_text("1 of")
    page.locator(".card[data-state=finished]").click()
    settle(page)
    expect(page.locator(".option[data-verdict]").first).to_be_visible()
    assert "lesson=hashing" in page.url
    page.get_by_role("button", name="All lessons").click()
    page.get_by_role("button", name="Forget my progress").click()
    expect(page.locator(".summary")).to_contain_text("0 of")
    expect(page.locator(".card[data-state=finished]")).to_have_count(0)


def verdicts(page) -> list[str]:
    cells = page.locator(".ranking .cell")
    return cells.evaluate_all("cells => cells.map(one => one.dataset.verdict)")


def test_a_list_is_put_in_order_by_hand_and_by_keyboard(open_at):
    page = open_at("learn?lesson=metrics")
    figure = page.locator(".learn-figures b").first
    own = figure.inner_text()
    page.get_by_role("button", name="Best order").click()
    best = eventually(page, figure.inner_text, lambda found: found > own)
    # The figure may stand before the list does: a key pressed on the old list would be lost.
    becomes(page, lambda: sorted(verdicts(page), key="right".__ne__) == verdicts(page), True)
    page.locator(".ranking .cell[data-verdict=right]").last.press("ArrowRight")
    eventually(page, figure.inner_text, lambda found: found < best)
    page.get_by_role("button", name="The encoder's order").click()
    becomes(page, figure.inner_text, own)
    page.get_by_role("button", name="Best order").click()
    becomes(page, figure.inner_text, best)
    first, last = page.locator(".ranking .cell").first, page.locator(".ranking .cell").nth(5)
    id, a, b = first.get_attribute("data-id"), first.bounding_box(), last.bounding_box()
    page.mouse.move(a["x"] + 30, a["y"] + 40)
    page.mouse.down()
    page.mouse.move(b["x"] + 30, b["y"] + 40, steps=8)
    page.mouse.up()
    becomes(page, lambda: page.locator(".ranking .cell").nth(5).get_attribute("data-id"), id)
    eventually(page, figure.inner_text, lambda found: found < best)


def test_on_a_phone_the_menu_goes_away_when_a_page_was_chosen(open_at):
    page = open_at("learn", width=390, height=844)
    links = page.get_by_test_id("stSidebar").get_by_role("link")
    expect(links).to_have_count(0)  # folded, no key reaches them
    page.get_by_test_id("stExpandSidebarButton").click()
    links.filter(has_text="Talk").click()
    page.wait_for_url("**/talk")
    expect(links).to_have_count(0)
