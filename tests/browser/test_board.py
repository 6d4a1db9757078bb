"""The board of Compare: every column is seen, each on its own scale; sizes, order, hiding, pinning;
a hit opened large."""

from __future__ import annotations

import base64
import itertools
import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_compare import COMPARE, FOCUSED, is_asked, picture
from tests.browser.waiting import answered, becomes, eventually, ids
from tools.serve import settle

pytestmark = pytest.mark.browser
SIX = "compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4,phash.16x16,dhash.16x16,sift.vlad32&k=5"
BOXES = (
    "all => all.map(one => { const box = one.getBoundingClientRect(); return [box.left,"
    " box.right]; })"
)
BARS = "all => all.map(one => one.style.width)"


def keys(page) -> list[str]:
    return page.locator(".column").evaluate_all("all => all.map(one => one.dataset.key)")


def links_to(page, **params: str | None) -> None:
    """Until the address says these parameters; None: does not say it."""
    for name, value in params.items():
        there = (
            re.compile(rf"[?&]{name}={value}(&|$)")
            if value is not None
            else re.compile(rf"^(?!.*[?&]{name}=).*$")
        )
        expect(page).to_have_url(there)


def test_six_columns_are_whole_on_a_screen_of_1280(open_at):
    page = open_at(SIX)
    answered(page, 30)
    for selector in (".column", ".head", ".hit"):
        boxes = page.locator(selector).evaluate_all(BOXES)
        assert len(boxes) in (6, 30)
        assert all(0 <= left < right <= 1280 for left, right in boxes), selector
    starts = page.locator(".column").evaluate_all(BOXES)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(starts)), (
        "columns lie over one another"
    )
    cut = (
        "all => all.filter(one => one.scrollHeight > one.clientHeight + 1).map(one =>"
        " one.textContent)"
    )
    assert page.locator(".head .title").evaluate_all(cut) == [], "a name is cut"
    assert page.locator(".tabs").is_hidden()


def test_heads_stay_in_sight_when_the_answers_are_scrolled(open_at):
    page = open_at(SIX)
    answered(page, 30)
    page.evaluate("document.querySelector('.stMain').scrollBy(0, 700)")
    head, last = page.locator(".head").first, page.locator(".hit").nth(4)
    eventually(page, lambda: last.bounding_box()["y"], lambda y: y < 700)
    assert 0 <= head.bounding_box()["y"] < 20


@pytest.mark.parametrize(("width", "seen"), [(390, 1), (820, 3)])
def test_a_strip_of_names_leads_to_the_columns_that_do_not_fit(open_at, width, seen):
    page = open_at(SIX, width=width, height=900)
    answered(page, 30)
    strip, more = page.locator(".tabs"), page.locator(".extra").last
    expect(strip).to_be_visible()
    expect(strip.locator(".chip")).to_have_count(6)
    expect(more).to_have_text(f"+{6 - seen} ›")
    expect(strip.locator(".chip[aria-current=true]")).to_have_count(seen)
    right = page.locator(".columns").bounding_box()
    peek = page.locator(".column").nth(seen).bounding_box()
    assert peek["x"] < right["x"] + right["width"] - 10, "the next column shows its edge"
    strip.locator(".chip").nth(5).click()
    expect(more).to_be_hidden()
    last = page.locator(".column").nth(5)
    becomes(page, lambda: page.locator(".extra").first.inner_text(), f"‹ +{6 - seen}")
    eventually(
        page, last.bounding_box, lambda box: 0 <= box["x"] < box["x"] + box["width"] <= width
    )  # it scrolls smoothly
    page.locator(".extra").first.click()
    expect(more).to_be_visible()
    page.locator(".asked").click()
    expect(page.locator(".zone")).to_be_in_viewport()


def test_adding_a_column_leaves_the_bars_of_the_others(open_at):
    page = open_at("compare?encoders=hog.8x8,tiny.16x16")
    answered(page, 20)
    bars = page.locator('.column[data-key="hog.8x8"] .hit .bar i').evaluate_all(BARS)
    assert len(set(bars)) > 3
    more = open_at("compare?encoders=hsv.12x4x4,hog.8x8,sift.vlad32")
    answered(more, 30)
    assert more.locator('.column[data-key="hog.8x8"] .hit .bar i').evaluate_all(BARS) == bars
    bar = more.locator('.column[data-key="hog.8x8"] .bar').first
    expect(bar).to_have_attribute("title", re.compile("^Closer than .* of random pairs"))


def test_every_column_has_a_mark_of_its_own_and_keeps_it(open_at):
    marks = "all => all.map(one => one.getAttribute('fill') + one.getAttribute('d'))"
    page = open_at(SIX)
    answered(page, 30)
    six = dict(zip(keys(page), page.locator(".head .shape path").evaluate_all(marks), strict=True))
    assert len(set(six.values())) == 6
    fills = page.locator(".head .shape path").evaluate_all(
        "all => all.map(one => one.getAttribute('fill'))"
    )
    assert len(set(fills)) == 6, "two colours are alike"
    page = open_at("compare?encoders=sift.vlad32,hog.8x8&k=5")
    answered(page, 10)
    two = dict(zip(keys(page), page.locator(".head .shape path").evaluate_all(marks), strict=True))
    assert two == {name: six[name] for name in two}


def test_a_hit_opens_large_beside_the_query_with_its_place_in_every_column(open_at):
    page = open_at(COMPARE)
    found = answered(page)
    hit = page.locator(".column").nth(1).locator(".hit").nth(3)
    chosen = hit.get_attribute("data-id")
    hit.locator(".open").click()
    window = page.locator("dialog.detail")
    expect(window).to_be_visible()
    expect(window.locator(".side img")).to_have_count(2)
    expect(window.locator(".pairs")).to_contain_text(chosen)
    rows = window.locator(".places tbody tr")
    expect(rows).to_have_count(3)
    for row in rows.all():
        expect(row.locator(".num").first).to_have_text(re.compile(r"^[\d,]+$"))
        expect(row.locator(".num").last).to_have_text(re.compile(r"^-?[01]\.\d{3}$"))
        expect(row.locator(".bar i")).to_have_count(1)
    expect(rows.nth(1).locator(".num").first).to_have_text("4")
    page.keyboard.press("ArrowRight")
    expect(window).to_contain_text("Rank 5 of Tiny image")
    page.keyboard.press("Escape")
    expect(window).to_be_hidden()
    assert page.evaluate(f"{FOCUSED}.closest('.hit').dataset.id") == found[14], (
        "the focus is at the hit that was seen last"
    )
    page.keyboard.press("Space")
    expect(window).to_be_visible()
    window.get_by_role("button", name="Search with this").click()
    is_asked(page, found[14])


def test_a_column_is_hidden_shown_pinned_and_moved_by_its_menu(open_at):
    page = open_at(COMPARE)
    answered(page)

    def choose(key: str, text: str) -> None:
        page.locator(f'.head[data-key="{key}"] .more').click()
        page.get_by_role("button", name=text, exact=True).click()

    page.locator('.head[data-key="hog.8x8"] .more').click()
    expect(page.locator(".menu")).to_contain_text("Compares outlines")
    expect(page.locator(".menu")).to_contain_text("on this gallery, mAP")
    page.keyboard.press("Escape")
    choose("hog.8x8", "Hide this column")
    becomes(page, lambda: keys(page), ["tiny.16x16", "hsv.12x4x4"])
    links_to(page, hide="hog.8x8")
    settle(page)
    page.get_by_role("button", name="Show HOG again").click()
    becomes(page, lambda: keys(page), ["hog.8x8", "tiny.16x16", "hsv.12x4x4"])
    links_to(page, hide=None)
    settle(page)
    choose("hsv.12x4x4", "Pin at the left")
    becomes(page, lambda: keys(page), ["hsv.12x4x4", "hog.8x8", "tiny.16x16"])
    links_to(page, pin="hsv.12x4x4")
    settle(page)
    choose("tiny.16x16", "Move left")
    becomes(page, lambda: keys(page), ["hsv.12x4x4", "tiny.16x16", "hog.8x8"])
    links_to(page, pin="hsv.12x4x4", encoders="hsv.12x4x4(%2C|,)tiny.16x16(%2C|,)hog.8x8")
    settle(page)
    choose("hog.8x8", "Open its map")
    expect(page).to_have_url(re.compile("/map[?].*encoders=hog.8x8"))


def test_a_column_is_moved_by_dragging_its_head(open_at):
    page = open_at(COMPARE)
    answered(page)
    page.locator('.head[data-key="hsv.12x4x4"] .title').drag_to(
        page.locator('.head[data-key="hog.8x8"] .title')
    )
    becomes(page, lambda: keys(page), ["hsv.12x4x4", "hog.8x8", "tiny.16x16"])
    links_to(page, encoders="hsv.12x4x4(%2C|,)hog.8x8(%2C|,)tiny.16x16")
    becomes(page, lambda: keys(page), ["hsv.12x4x4", "hog.8x8", "tiny.16x16"])


def test_pictures_have_three_sizes_and_the_link_keeps_them(open_at):
    page = open_at("compare?encoders=hog.8x8,tiny.16x16")
    answered(page, 20)
    eventually(
        page,
        lambda: page.locator(".hit .frame").first.bounding_box()["width"],
        lambda now: now > 140,
    )
    wide = page.locator(".hit .frame").first.bounding_box()["width"]
    page.get_by_role("radio", name="Large pictures").click()
    eventually(
        page,
        lambda: page.locator(".hit .frame").first.bounding_box()["width"],
        lambda now: now > 1.5 * wide,
    )
    links_to(page, size="L")
    settle(page)
    page.keyboard.press("s")
    eventually(
        page,
        lambda: page.locator(".hit .frame").first.bounding_box()["width"],
        lambda now: now < 0.6 * wide,
    )
    links_to(page, size="S")
    again = open_at(page.url.split("/", 3)[3])
    answered(again, 20)
    assert again.locator(".hit .frame").first.bounding_box()["width"] < 0.6 * wide
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_contain_text("search with this picture")


def dropped(page, selector: str, data: bytes) -> None:
    """A file is dragged over a place and dropped there."""
    page.locator(selector).evaluate(
        """(node, text) => {
            const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], 'mine.jpg', { type: 'image/jpeg' }));
            for (const name of ['dragenter', 'dragover', 'drop']) {
                node.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, composed: true, cancelable: true }));
            }
        }""",
        base64.b64encode(data).decode(),
    )


def test_the_query_picture_takes_what_is_dropped_on_it_and_opens_the_file_window(open_at):
    page = open_at(f"{COMPARE}&subject=whole")  # a frame in the middle would take the click
    before = answered(page)
    with page.expect_file_chooser():
        page.locator(".zone").click()
    dropped(page, ".zone", picture((30, 90, 200)))
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    expect(page).to_have_url(re.compile("query=up(%3A|:)"))
    eventually(page, lambda: ids(page), lambda found: len(found) == 30 and found != before)
    settle(page)
    page.get_by_role("button", name="Back to the last query").click()
    becomes(page, lambda: ids(page), before)
    settle(page)
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    page.locator(".zone").click()
    page.wait_for_timeout(300)
    assert len(choosers) == 1, "one click, one window"
    dropped(page, ".zone", b"no picture at all")
    expect(page.locator(".ll-note.bad")).to_contain_text("not a picture")


def test_a_hit_dragged_onto_the_query_becomes_it(open_at):
    page = open_at(COMPARE)
    answered(page)
    hit = page.locator(".column").nth(2).locator(".hit").nth(1)
    chosen = hit.get_attribute("data-id")
    hit.drag_to(page.locator(".zone"))
    is_asked(page, chosen)


def test_the_menu_reranks_a_column_and_together_joins_them(open_at):
    page = open_at("compare?encoders=hog.8x8,tiny.16x16&k=5")
    answered(page, 10)
    column = page.locator('.column[data-key="hog.8x8"]')
    page.locator('.head[data-key="hog.8x8"] .more').click()
    page.get_by_role("radio", name="k-reciprocal").click()
    links_to(page, rerank="hog.8x8(~|%7E)k-reciprocal")
    expect(column.locator(".second")).to_have_text("k-reciprocal")
    expect(page.locator('.column[data-key="tiny.16x16"] .second')).to_have_count(0)
    assert "rerank" in column.locator(".total").get_attribute("title")
    page = open_at("compare?encoders=hog.8x8,tiny.16x16&k=5&together=rrf")
    answered(page, 15)
    assert keys(page) == ["hog.8x8", "tiny.16x16", "together"]
