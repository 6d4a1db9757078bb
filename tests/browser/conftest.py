"""A real Chromium against the real app, with an artifacts folder of its own.

To start the app, load its encoders and draw its first page costs more than most tests do: one server
is there for all files. A file whose test counts what is on the machine (jobs, data sets, models)
has an ``address`` of its own.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import PATIENCE_MS
from tools.serve import chromium, serving, settle

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def shared_address(tmp_path_factory):
    # Networks are loaded by the first page that asks with them: many files need none.
    with serving(tmp_path_factory.mktemp("artifacts"), LOOKALIKE_WARM="0") as url:
        yield url


@pytest.fixture(scope="module")
def address(shared_address):
    return shared_address


@pytest.fixture(scope="package")
def browser(tmp_path_factory):
    """One for all tests of a process. Its first context keeps scripts that it has read once, as
    scripts are half of what a page costs; contexts that a test makes begin with nothing."""
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def window(browser):
    """``window(width, height, **options)`` -> a page without an address. Nothing of another test is
    left in it, cached scripts aside; an option that only a new context can have makes one, and so
    does ``alone``: another browser, as far as the app can tell."""
    kept, made, pages = browser.contexts[0], [], []

    def opened(width: int = 1280, height: int = 900, alone: bool = False, **options):
        size = {"width": width, "height": height}
        look = {"color_scheme": options.pop("color_scheme", "light"), "reduced_motion": "reduce"}
        permissions = options.pop("permissions", [])
        context = kept
        if alone or options:
            made.append(context := browser.new_context(viewport=size, **options))
        if permissions:
            context.grant_permissions(permissions)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.set_viewport_size(size)
        page.emulate_media(**look)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        forget(page)
    for context in made:
        context.close()
    kept.clear_permissions()


def forget(page) -> None:
    """Close a page, and leave nothing of what it stored."""
    if not page.is_closed():
        origin = "/".join(page.url.split("/")[:3])
        stored = {"origin": origin, "storageTypes": "cookies,local_storage,indexeddb"}
        page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", stored)
        page.close()


@pytest.fixture
def open_at(window, address):
    """Open a page of the app in a window of its own; whatever leaves this machine or breaks on the
    page fails the test."""
    asked, broken = [], []

    def opened(path: str = "", width: int = 1280, height: int = 900, **options):
        page = window(width, height, **options)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(f"{address}/{path}")
        settle(page)
        return page

    yield opened
    own = (address, "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == [], "the page asked another machine"
    assert broken == [], "a script of the page failed"
