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


def test_six_columns_on_screens_of_three_widths_and_what_stays_with_other_ones(open_at):
    page = open_at(SIX, width=390, height=900)
    answered(page, 30)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    a_strip_leads_to_the_rest(page, 390, 1)
    page.set_viewport_size({"width": 820, "height": 900})
    a_strip_leads_to_the_rest(page, 820, 3)
    page.set_viewport_size({"width": 1280, "height": 900})
    six_columns_are_whole(page)
    marks = marks_of(page)
    assert len(set(marks.values())) == 6
    fills = page.locator(".head .shape path").evaluate_all(
        "all => all.map(one => one.getAttribute('fill'))"
    )
    assert len(set(fills)) == 6, "two colours are alike"
    bars = page.locator('.column[data-key="hog.8x8"] .hit .bar i').evaluate_all(BARS)
    assert len(set(bars)) > 3
    heads_stay_in_sight(page)
    other = open_at("compare?encoders=sift.vlad32,hog.8x8,hsv.12x4x4&k=5")
    answered(other, 15)
    assert other.locator('.column[data-key="hog.8x8"] .hit .bar i').evaluate_all(BARS) == bars
    three = marks_of(other)
    assert three == {name: marks[name] for name in three}
    bar = other.locator('.column[data-key="hog.8x8"] .bar').first
    expect(bar).to_have_attribute("title", re.compile("^Closer than .* of random pairs"))


def a_strip_leads_to_the_rest(page, width: int, seen: int) -> None:
    """The columns that do not fit are a click on their name away."""
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
    strip.locator(".chip").first.click()
    expect(page.locator(".extra").first).to_be_hidden()
    page.locator(".asked").click()
    expect(page.locator(".zone")).to_be_in_viewport()


def six_columns_are_whole(page) -> None:
    """On a screen of 1280 nothing is cut, and nothing lies over another."""

    def whole(boxes) -> bool:
        return all(0 <= left < right <= 1280 for left, right in boxes)

    expect(page.locator(".tabs")).to_be_hidden()
    for selector in (".column", ".head", ".hit"):
        found = page.locator(selector)
        assert found.count() in (6, 30)
        eventually(page, lambda found=found: found.evaluate_all(BOXES), whole)
    starts = page.locator(".column").evaluate_all(BOXES)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(starts)), (
        "columns lie over one another"
    )
    cut = (
        "all => all.filter(one => one.scrollHeight > one.clientHeight + 1).map(one =>"
        " one.textContent)"
    )
    assert page.locator(".head .title").evaluate_all(cut) == [], "a name is cut"


def heads_stay_in_sight(page) -> None:
    """The answers are scrolled below them."""
    last = page.locator(".hit").nth(4)
    last.evaluate("hit => hit.scrollIntoView({ block: 'end', behavior: 'instant' })")
    page.evaluate("document.querySelector('.stMain').scrollBy(0, 200)")
    eventually(page, lambda: last.bounding_box()["y"], lambda y: y < 700)
    assert 0 <= page.locator(".head").first.bounding_box()["y"] < 20


def marks_of(page) -> dict[str, str]:
    """Colour and form of the mark of each column."""
    marks = "all => all.map(one => one.getAttribute('fill') + one.getAttribute('d'))"
    return dict(zip(keys(page), page.locator(".head .shape path").evaluate_all(marks), strict=True))


def test_a_hit_opens_large_becomes_the_query_and_so_does_what_is_dropped_on_it(open_at):
    page = open_at(f"{COMPARE}&subject=whole")  # a frame takes the click for itself
    answered(page)
    a_file_is_dropped_on_the_query(page)
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
    a_hit_is_dragged_onto_the_query(page)


def a_hit_is_dragged_onto_the_query(page) -> None:
    """It becomes the query."""
    hit = page.locator(".column").nth(2).locator(".hit").nth(1)
    chosen = hit.get_attribute("data-id")
    hit.drag_to(page.locator(".zone"))
    is_asked(page, chosen)


def a_file_is_dropped_on_the_query(page) -> None:
    """The picture takes what is dropped on it, and a click on it opens the window of files."""
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


def test_pictures_have_three_sizes_and_a_column_is_dragged_hidden_shown_pinned_and_moved(open_at):
    page = open_at(COMPARE)
    answered(page)
    sizes(open_at, page)

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
    page.locator('.head[data-key="hog.8x8"] .title').drag_to(
        page.locator('.head[data-key="tiny.16x16"] .title')
    )
    becomes(page, lambda: keys(page), ["hsv.12x4x4", "hog.8x8", "tiny.16x16"])
    links_to(page, encoders="hsv.12x4x4(%2C|,)hog.8x8(%2C|,)tiny.16x16")
    settle(page)
    assert keys(page) == ["hsv.12x4x4", "hog.8x8", "tiny.16x16"]
    choose("hog.8x8", "Open its map")
    expect(page).to_have_url(re.compile("/map[?].*encoders=hog.8x8"))


def sizes(open_at, page) -> None:
    """Pictures have three sizes, and the link keeps them."""

    def wide(at) -> float:
        return at.locator(".hit .frame").first.bounding_box()["width"]

    usual = eventually(page, lambda: wide(page), lambda now: now > 90)
    page.get_by_role("radio", name="Large pictures").click()
    eventually(page, lambda: wide(page), lambda now: now > 1.5 * usual)
    links_to(page, size="L")
    settle(page)
    page.keyboard.press("s")
    eventually(page, lambda: wide(page), lambda now: now < 0.6 * usual)
    links_to(page, size="S")
    settle(page)
    again = open_at(page.url.split("/", 3)[3])
    answered(again)
    eventually(again, lambda: wide(again), lambda now: now < 0.6 * usual)
    page.bring_to_front()
    page.keyboard.press("?")
    expect(page.locator("dialog.keys")).to_contain_text("search with this picture")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.keys")).to_be_hidden()


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


def test_the_menu_reranks_a_column_and_together_joins_them(open_at):
    page = open_at("compare?encoders=hog.8x8,tiny.16x16&k=5&together=rrf")
    answered(page, 15)
    assert keys(page) == ["hog.8x8", "tiny.16x16", "together"]
    column = page.locator('.column[data-key="hog.8x8"]')
    page.locator('.head[data-key="hog.8x8"] .more').click()
    page.get_by_role("radio", name="k-reciprocal").click()
    links_to(page, rerank="hog.8x8(~|%7E)k-reciprocal")
    expect(column.locator(".second")).to_have_text("k-reciprocal")
    expect(page.locator('.column[data-key="tiny.16x16"] .second')).to_have_count(0)
    assert "rerank" in column.locator(".total").get_attribute("title")
