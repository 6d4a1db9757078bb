"""What comes later has its place before: the places are as large as what comes, so nothing moves."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import answered, becomes

HEIGHTS = """keys => keys.map(key => {
    const node = document.querySelector(`.st-key-${key}, [class*="st-key-${key}_"]`);
    return [key, parseFloat(getComputedStyle(node).minHeight), node.offsetHeight];
})"""
QUERY = ("panel_query", "query_picture", "examples")


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_place_of_the_query_is_as_high_as_the_query(open_at, width):
    page = open_at("compare", width=width)
    answered(page)
    expect(page.locator(".chip:enabled").first).to_be_visible()
    for key, kept, high in page.evaluate(HEIGHTS, list(QUERY)):
        assert kept > 0, f"{key} has no place of its own"
        assert high == pytest.approx(kept, abs=2), key


@pytest.mark.parametrize("width", [390, 1280])
def test_the_place_for_a_photograph_is_as_high_as_the_field(open_at, width):
    page = open_at(width=width)
    expect(page.locator(".st-key-home_own section")).to_be_visible()
    [(_, kept, high)] = page.evaluate(HEIGHTS, ["home_own"])
    assert high == pytest.approx(kept, abs=2)


def test_a_page_keeps_the_place_of_its_menu(open_at):
    page = open_at("library")
    left = "() => document.querySelector('.stMain').getBoundingClientRect().x"
    before = page.evaluate(left)
    page.evaluate("document.querySelector('[data-testid=stSidebar]').remove()")
    assert page.evaluate(left) == before > 0


def test_a_board_keeps_a_place_until_it_is_drawn(open_at):
    page = open_at("compare", width=390)
    answered(page)
    least = "() => getComputedStyle(document.querySelector('.st-key-board')).minHeight"
    assert page.evaluate(least) in ("0px", "auto")
    page.evaluate(
        "document.querySelector('.st-key-board [data-drawn]').removeAttribute('data-drawn')"
    )
    assert page.evaluate(least) == f"{page.viewport_size['height']}px"


def test_the_empty_panels_of_a_page_stand_in_their_places(open_at):
    """The answer is there while it is empty, and keeps the window until the page is at its end."""
    page = open_at("metrics", width=390)
    expect(page.locator(".st-key-heard")).to_be_attached()
    answer = "() => parseFloat(getComputedStyle(document.querySelector('.st-key-answer')).minHeight) || 0"
    assert page.evaluate(answer) == 0
    page.evaluate("document.querySelector('.st-key-heard').remove()")
    assert page.evaluate(answer) == page.viewport_size["height"]


ROWS = """() => new Set([...document.querySelectorAll('.st-key-head > *')].slice(1)
    .map(node => node.getBoundingClientRect()).filter(box => box.width).map(box => box.y + box.height / 2)).size"""


@pytest.mark.parametrize("width", [390, 820, 1280])
def test_the_buttons_of_a_page_stand_in_one_row(open_at, width):
    page = open_at("compare", width=width)
    expect(page.locator(".st-key-copy")).to_be_visible()
    becomes(page, lambda: page.evaluate(ROWS), 1)


def test_on_a_phone_the_title_stands_beside_the_button_of_the_menu(open_at):
    page = open_at("compare", width=390)
    button = page.get_by_test_id("stExpandSidebarButton").bounding_box()
    text = page.evaluate(
        "() => { const range = document.createRange(); range.selectNodeContents(document.querySelector('.ll-head h1'));"
        " return range.getBoundingClientRect().toJSON(); }"
    )
    assert text["x"] >= button["x"] + button["width"], "the title lies under the button"
    assert abs(text["y"] + text["height"] / 2 - button["y"] - button["height"] / 2) <= 4


def test_icons_are_seen_once_their_font_is_there_and_no_other_typeface_is_loaded(open_at):
    page = open_at("")
    expect(page.locator("html.ll-icons")).to_be_attached()
    icon = page.get_by_test_id("stIconMaterial").first
    box = icon.bounding_box()
    assert box["width"] == pytest.approx(box["height"], abs=1)
    loaded = page.evaluate(
        "[...document.fonts].filter(one => one.status === 'loaded').map(one => one.family)"
    )
    assert [name.strip('"') for name in loaded] == ["Material Symbols Rounded"]
