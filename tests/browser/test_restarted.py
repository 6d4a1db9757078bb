"""A page that was open while the server began anew, or whose session is gone: what is pressed on it
first is done, in parts of the page that run alone, too."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.waiting import answered, becomes, ids
from tools.serve import end, free_port, settle, start, wait_until_up

pytestmark = pytest.mark.browser


@pytest.fixture
def server(tmp_path):
    """``server()`` starts the app, always at the same address; ``server(away=True)`` ends it."""
    port, running = free_port(), []
    url = f"http://127.0.0.1:{port}"

    def begin(away: bool = False) -> str:
        while running:
            end(running.pop())
        if not away:
            running.append(start(tmp_path / "artifacts", port, LOOKALIKE_WARM="0"))
            wait_until_up(f"{url}/_stcore/health", running[0], 300)
        return url

    yield begin
    begin(away=True)


def reconnect(page, server) -> None:
    """The server goes, which the page says in our words, and comes back."""
    server(away=True)
    expect(page.get_by_role("dialog")).to_contain_text("Lookalike does not answer")
    assert "Streamlit" not in page.get_by_role("dialog").inner_text()
    with page.expect_websocket():
        server()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_first_press_after_a_restart_is_done(window, server):
    page = window(alone=True)
    page.goto(f"{server()}/compare?encoders=hog.8x8,tiny.16x16&k=5&subject=whole")
    before = answered(page, 10)
    settle(page)
    reconnect(page, server)
    page.locator(".open").nth(2).press("Enter")
    becomes(page, lambda: f"query=item%3A{before[2]}" in page.url, True)
    becomes(page, lambda: len(ids(page)) == 10 and ids(page) != before, True)
    settle(page)
    page.get_by_role("link", name="Library", exact=True).click()
    page.get_by_role("button", name="Open").first.click()
    page.locator(".ll-path").wait_for()
    settle(page)
    reconnect(page, server)
    page.locator(".st-key-path_next button").click()  # within a part that runs alone
    expect(page.locator("h1")).not_to_have_text("Library")


SOCKETS = """(() => {
    const Usual = window.WebSocket;
    window.__sockets = [];
    window.WebSocket = class extends Usual { constructor(...given) { super(...given); window.__sockets.push(this); } };
})()"""
OFFLINE = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def test_a_picture_that_is_chosen_while_the_connection_is_away_is_searched_with(window, server):
    page = window(alone=True)
    page.add_init_script(SOCKETS)
    page.goto(f"{server()}/compare?encoders=hog.8x8,tiny.16x16&k=5&subject=whole")
    wanted = answered(page, 10)[3]
    settle(page)
    network = page.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", {"offline": True, **OFFLINE})
    page.evaluate("window.__sockets.forEach(one => one.close())")
    page.locator('.stApp:not([data-test-connection-state="CONNECTED"])').wait_for(state="attached")
    page.locator(".open").nth(3).press("Enter")
    network.send("Network.emulateNetworkConditions", {"offline": False, **OFFLINE})
    becomes(page, lambda: f"query=item%3A{wanted}" in page.url, True)
    answered(page, 10)
