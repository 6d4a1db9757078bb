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


@pytest.fixture(scope="session")
def shared_address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("artifacts")) as url:
        yield url


@pytest.fixture(scope="module")
def address(shared_address):
    return shared_address


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def open_at(browser, address):
    """Open a page of the app in a window of its own; whatever leaves this machine or breaks on the
    page fails the test."""
    contexts, asked, broken = [], [], []

    def opened(path: str = "", width: int = 1280, height: int = 900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(f"{address}/{path}")
        settle(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    own = (address, "data:", "blob:")
    assert [url for url in asked if not url.startswith(own)] == [], "the page asked another machine"
    assert broken == [], "a script of the page failed"
