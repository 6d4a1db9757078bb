"""Two strangers in two browsers on a public server: neither sees, searches, stops nor deletes what
the other brought."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.browser.waiting import drop, eventually
from tests.hosting.conftest import picture, zipped
from tools.serve import serving, settle
from tools.voters import Tab

pytestmark = pytest.mark.browser
TOKEN = "correct horse battery staple"
LIGHT = "encoders=hog.8x8,tiny.16x16&k=5"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def address(home):
    told = {"LOOKALIKE_HOSTED": "1", "LOOKALIKE_ADMIN_TOKEN": TOKEN, "LOOKALIKE_WARM": "0"}
    with serving(home, **told) as url:
        yield url


@pytest.fixture
def visit(window, address):
    """``visit(path, ...)``: a page in another browser; nothing on any breaks the policy."""
    said = []

    def opened(path: str = "library"):
        page = window(alone=True)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(f"violates {error}"))
        page.goto(f"{address}/{path}")
        settle(page)
        return page

    yield opened
    assert [text for text in said if "Content Security Policy" in text or "violates" in text] == []


def test_what_one_visitor_brings_is_nothing_to_another(visit, address, home):
    anna = visit()
    key = cookie(anna)
    bring(anna, "hers.zip")
    expect(anna.get_by_text("Added hers")).to_be_visible()
    bela = visit()
    expect(bela.get_by_text("Add pictures").first).to_be_visible()
    expect(bela.get_by_text("hers")).to_have_count(0)

    link = own_link(anna)
    name = parse_qs(urlparse(link).query)["dataset"][0]
    assert "/" not in name
    whose = [path.name for path in (home / "visitors").iterdir()]
    assert len(whose) == 1
    (kept,) = (home / "visitors" / whose[0] / "library" / "uploads").rglob("*.zip")
    for forged in (name, str(kept), str(home)):
        bela.goto(f"{address}/compare?{LIGHT}&dataset={forged}")
        expect(bela.get_by_text("Showing the catalogue")).to_be_visible()
        settle(bela)
        assert "a/0.png" not in bela.locator(".stApp").inner_html()

    anna.goto(f"{address}/library")
    keys_are_random_and_hidden(key, cookie(anna), cookie(bela), anna)
    anna.get_by_role("button", name="Delete mine now").click()
    anna.get_by_role("button", name="Delete all of it").click()
    expect(anna.get_by_text("nothing of yours is left on this server")).to_be_visible()
    assert not (home / "visitors" / whose[0]).exists()


def keys_are_random_and_hidden(first: dict, again: dict, other: dict, page) -> None:
    """The key of a visitor stays, is another one's never, and no script reads it."""
    assert again["value"] == first["value"] != other["value"]
    assert all(len(key["value"]) == 43 and key["httpOnly"] for key in (first, other))
    assert "lookalike_visitor" not in page.evaluate("document.cookie")


def test_an_uploaded_picture_is_seen_by_others_only_while_it_is_shared(visit):
    anna = visit(f"compare?{LIGHT}")
    anna.locator(".st-key-panel_query input[type=file]").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": picture(7, 96)}
    )
    expect(anna).to_have_url(re.compile("query=up(%3A|:)"))
    settle(anna)
    kept = anna.locator(".ll-asked span")
    expect(kept).to_have_text("kept for 24 hours after your last visit")
    assert kept.evaluate("it => it.scrollHeight <= it.clientHeight + 1"), "to its last word"
    bela = visit(anna.url.split("/", 3)[3])
    expect(bela.locator(".ll-asked b")).to_have_text(re.compile(r"\w"))
    expect(bela.locator(".ll-asked b")).not_to_have_text(
        re.compile("Your picture|A shared picture")
    )
    anna.get_by_text("Share my picture").click()
    settle(anna)
    bela.goto(anna.url)
    expect(bela.locator(".ll-asked b")).to_have_text("A shared picture")


def test_the_operator_enters_with_the_token_and_an_upload_without_the_pages_is_refused(
    visit, address
):
    anna = visit()
    for token, answer in (("wrong", "not the operator's token"), (TOKEN, "You are the operator")):
        if not anna.get_by_label("Token").is_visible():
            anna.get_by_role("button", name="Operator").click()
        anna.get_by_label("Token").fill(token)
        anna.get_by_role("button", name="Enter").click()
        expect(anna.get_by_text(answer)).to_be_visible()
    anna.get_by_role("button", name="Add pictures").click()
    expect(anna.get_by_role("dialog").get_by_text("A path", exact=True)).to_be_visible()
    anna.keyboard.press("Escape")
    anna.get_by_role("button", name="Back to the visitor's view").click()
    expect(anna.get_by_text("Yours on this server")).to_be_visible()

    place = f"{address}/_stcore/upload_file/00000000-0000-0000-0000-000000000000/x"
    for token in ({}, {"X-Xsrftoken": "forged"}):
        answer = anna.request.put(place, multipart={"file": "x"}, headers=token)
        assert answer.status in (400, 403), answer.status
    assert anna.request.get(f"{address}/_stcore/metrics").status == 404
    assert "server" not in anna.request.get(address).headers


@pytest.mark.parametrize("kind", ["number_input", "multiselect"])
def test_a_value_that_no_browser_sends_is_answered_by_a_sentence_and_a_page(address, home, kind):
    async def forged() -> str:
        tab = Tab(address, "arena")
        await tab.open()
        given = next(getattr(one, kind) for one, _ in tab.shown if one.WhichOneof("type") == kind)
        await tab.give(WidgetState(id=given.id, string_value="x" * 100_000))
        await tab.close()
        return tab.words()

    with ThreadPoolExecutor(1) as aside:  # Playwright has a loop of its own in this thread
        said = aside.submit(lambda: asyncio.run(forged())).result()
    assert "What was chosen is not offered here." in said
    assert "failed" not in said
    log = (home / "server.log").read_text()
    assert [one for one in log.splitlines() if one.strip() and one[:1] not in "{ "] == []
    for word in ("Traceback", str(home), "TypeError", "streamlit"):
        assert word not in said


def test_two_tabs_of_a_visitor_show_one_build_and_what_became_of_the_set(visit):
    """The same is pressed in both; a third had asked before whether it is built."""
    first = visit()
    tabs = [first, first.context.new_page(), first.context.new_page()]
    for page in tabs[1:]:
        page.goto(first.url)
        settle(page)
    bring(first, "shared.zip")
    name = parse_qs(urlparse(first.url).query)["set"][0]
    through_the_menu(tabs[1], "Compare")
    through_the_menu(tabs[1], "Library")
    tabs[1].locator(".ll-card", has_text="shared").wait_for()
    tabs[1].goto(first.url)
    tabs[2].goto(first.url.split("/library")[0] + f"/compare?encoders=hog.8x8&dataset={name}")
    expect(tabs[2].get_by_text("Not built for shared yet")).to_be_visible()
    for page in tabs:
        settle(page)
    pressed = [page.locator(".st-key-path_build button") for page in tabs[:2]]
    for button in pressed:
        button.click()
    for page in tabs[:2]:
        expect(page.locator(".st-key-tray")).to_contain_text("1 job")
    for page in tabs[:2]:
        page.locator(".st-key-path_evaluate").wait_for()
        expect(page.locator(".st-key-tray")).to_contain_text("Jobs · 1 done")
    tabs[2].get_by_text("Least similar first").click()
    tabs[2].locator(".hit").first.wait_for()

    first.get_by_text("Storage", exact=True).click()
    first.get_by_role("button", name="Remove", exact=True).click()
    first.locator(".st-key-remove_set button").click()
    tabs[1].get_by_text("Encoders and builds", exact=True).click()
    expect(tabs[1].get_by_text("There is no data set 'shared.zip'")).to_be_visible()
    tabs[2].locator(".open").first.press("Enter")
    expect(tabs[2].get_by_text("The data set 'shared.zip' is not ready")).to_be_visible()


def through_the_menu(page, name: str) -> None:
    page.locator(".stSidebar").get_by_role("link", name=name, exact=True).click()
    expect(page.locator("h1")).to_have_text(name)
    settle(page)


def cookie(page) -> dict:
    return next(one for one in page.context.cookies() if one["name"] == "lookalike_visitor")


def bring(page, name: str) -> None:
    drop(page, {"name": name, "mimeType": "application/zip", "buffer": zipped()})


def own_link(page) -> str:
    """The address of Compare with the data set that was brought last."""
    page.locator(".cell").first.click()
    page.wait_for_url("**/compare*")
    settle(page)
    return eventually(page, lambda: page.url, lambda url: "dataset=hers" in url)
