"""Looking at a page that changes: whatever a test compares is waited for, never read once and hoped
for.

Two rules keep these tests true on a slow machine. What stood before an action is read before the
action; and after it the test waits *for* what must come, by name, not for the absence of what was
there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tools.serve import settle

PATIENCE_MS = 120_000
"""Longest wait for anything on a page: a machine that does other things too is slow, not broken."""
STEP_MS = 50
IDS = "nodes => nodes.map(node => node.dataset.id)"


def asked(page) -> str:
    """The name of the query."""
    return page.locator(".ll-asked b").inner_text()


def ids(page) -> list[str]:
    """The hits of every column, in the order of the columns."""
    return page.locator(".hit").evaluate_all(IDS)


def answered(page, hits: int = 30) -> list[str]:
    """The hits, once there are as many as the columns will hold."""
    expect(page.locator(".hit")).to_have_count(hits)
    return ids(page)


def eventually(page, read: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """Read until it is good, and return that; fails with what was read last."""
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not good(found := read()):
        assert time.monotonic() < deadline, (
            f"after {PATIENCE_MS / 1000:.0f} s it still was {found!r}"
        )
        page.wait_for_timeout(STEP_MS)
    return found


def becomes(page, read: Callable[[], Any], wanted: Any) -> None:
    """Read until it is ``wanted``."""
    eventually(page, read, lambda found: found == wanted)


def fill(page, label: str, value: str) -> None:
    """Type into a field, and wait until the page has taken it."""
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    settle(page)


def choose_typed(page, label: str, words: str) -> None:
    """Type into a list to choose from, and take what it offers for these words."""
    page.get_by_label(label, exact=True).click()
    page.keyboard.type(words)
    page.get_by_role("option", name=words).first.wait_for()
    page.keyboard.press("Enter")
    settle(page)


def look_at(page, path) -> None:
    """In the Library: what lies at a path, in the window that adds."""
    page.get_by_role("button", name="Add pictures").click()
    window = page.get_by_role("dialog")
    window.get_by_text("A path", exact=True).click()
    window.get_by_label("Path on this machine").fill(str(path))
    window.get_by_role("button", name="Look").click()
    window.get_by_role("button", name="Add only").wait_for()


def add(page, path) -> None:
    """Add what lies at a path, without building anything; its page opens."""
    look_at(page, path)
    page.get_by_role("button", name="Add only").click()
    page.locator(".ll-path").wait_for()
    settle(page)


def drop(page, *files: dict) -> None:
    """Give files to the window that adds, and add them without building anything."""
    page.get_by_role("button", name="Add pictures").click()
    window = page.get_by_role("dialog")
    window.locator("input[type=file]").first.set_input_files(list(files))
    window.get_by_role("button", name="Add only").click()
    page.locator(".ll-path").wait_for()
    settle(page)


SMALL = """least => {
    const zoom = (node) => { let by = 1; for (let one = node; one; one = one.parentElement ?? one.getRootNode().host) by *= parseFloat(getComputedStyle(one).zoom) || 1; return by; };
    const found = [];
    const look = (root) => { for (const node of root.childNodes) {
        if (node.nodeType === Node.TEXT_NODE && /[\\p{L}\\p{N}]/u.test(node.data)) {
            const holder = node.parentElement ?? node.getRootNode().host, range = document.createRange(), style = getComputedStyle(holder);
            range.selectNodeContents(node);
            const box = range.getBoundingClientRect(), size = parseFloat(style.fontSize) * zoom(holder);
            const shown = box.width > 1 && box.height > 1 && holder.checkVisibility({ opacityProperty: true, visibilityProperty: true });
            if (shown && size < least) found.push(`${node.data.trim().slice(0, 40)}: ${size.toFixed(1)}`);
        }
        if (node.nodeType !== Node.ELEMENT_NODE || node.matches('style, script, .bar, details:not([open]) > :not(summary)')) continue;
        if (node.shadowRoot) look(node.shadowRoot);
        look(node);
    } };
    look(document.querySelector('.stMainBlockContainer'));
    return found;
}"""


def small(page, least: float = 24) -> list[str]:
    """What can be read on a presented page, in a smaller size than the last row reads; the bar that
    steps is the speaker's."""
    return page.evaluate(SMALL, least)
