"""A person who is faster than the connection: every message of the server comes late."""

from __future__ import annotations

import pytest

from tests.browser.waiting import answered, becomes
from tools.serve import settle

pytestmark = pytest.mark.browser
LATE_MS = 700
LATE = """(() => {
    const Usual = window.WebSocket;
    const late = (take) => (event) => (window.__late ? setTimeout(() => take(event), window.__late) : take(event));
    window.WebSocket = class extends Usual {
        set onmessage(take) { super.onmessage = late(take); }
        addEventListener(name, take, more) { super.addEventListener(name, name === 'message' ? late(take) : take, more); }
    };
})()"""
WATCH = """() => {
    const shown = () => [...document.querySelectorAll('*')].filter((one) => one.shadowRoot).flatMap((one) => [...one.shadowRoot.querySelectorAll('.column')]).map((one) => one.dataset.key).join();
    window.__shown = [shown()];
    setInterval(() => { if (shown() !== window.__shown.at(-1)) window.__shown.push(shown()); }, 20);
}"""


def test_what_is_done_in_a_row_stays_nothing_comes_back_meanwhile_and_back_is_one_step(open_at):
    page = open_at("learn")
    page.context.add_init_script(LATE)
    page.goto(page.url.replace("learn", "compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4&k=5"))
    answered(page, 15)
    settle(page)
    page.evaluate(WATCH)
    page.evaluate(f"window.__late = {LATE_MS}")
    for place, item in enumerate(("Hide this column", "Pin at the left")):
        page.locator(".head").nth(place).get_by_role("button").last.click()
        page.locator(".over.menu").get_by_text(item, exact=True).click()
    for size in "LS":
        page.locator(".sizes").get_by_text(size, exact=True).click()
    becomes(page, lambda: all(one in page.url for one in ("size=S", "hide=hog", "pin=hsv")), True)
    settle(page, 2 * LATE_MS)
    assert page.evaluate("window.__shown") == [
        "hog.8x8,tiny.16x16,hsv.12x4x4",
        "tiny.16x16,hsv.12x4x4",
        "hsv.12x4x4,tiny.16x16",
    ]
    address = page.url
    menu = page.locator(".stSidebar")
    menu.get_by_role("link", name="Learn", exact=True).click()
    becomes(page, lambda: "/learn" in page.url, True)
    settle(page, 2 * LATE_MS)
    menu.get_by_role("link", name="Talk", exact=True).click()
    page.evaluate("history.back()")  # before Talk has come
    becomes(page, lambda: (page.url, page.locator("h1").inner_text()), (address, "Compare"))
    answered(page, 10)
    settle(page)


def test_a_number_that_is_typed_and_left_by_the_menu_at_once_keeps_nobody_on_the_page(open_at):
    page = open_at("compare?encoders=hog.8x8&k=5&subject=whole")
    answered(page, 5)
    settle(page)
    address = page.url
    page.get_by_label("Score at least", exact=True).fill("0.1")
    page.locator(".stSidebar").get_by_role("link", name="Learn", exact=True).click()
    becomes(page, lambda: page.locator("h1").inner_text(), "Learn")
    settle(page)
    assert "/learn" in page.url
    page.locator(".stSidebar").get_by_role("link", name="Compare", exact=True).click()
    becomes(page, lambda: page.url.startswith(address) and "min=0.1" in page.url, True)
