"""Two strangers in two browsers on a public server: neither sees, searches, stops nor deletes what
the other brought."""

from __future__ import annotations

import asyncio
import json
import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import expect
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.browser.waiting import PATIENCE_MS, drop, eventually
from tests.hosting.conftest import picture, zipped
from tools.serve import serving, settle
from tools.voters import Tab

pytestmark = pytest.mark.browser
TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def address(home):
    with serving(home, LOOKALIKE_HOSTED="1", LOOKALIKE_ADMIN_TOKEN=TOKEN) as url:
        yield url


@pytest.fixture
def strangers(browser, address):
    """A page of the Library in each of two browsers; nothing on either breaks the policy."""
    contexts = [browser.new_context(viewport={"width": 1280, "height": 900}) for _ in range(2)]
    pages, said = [], []
    for context in contexts:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(f"violates {error}"))
        page.goto(f"{address}/library")
        settle(page)
        pages.append(page)
    yield pages
    for context in contexts:
        context.close()
    assert [text for text in said if "Content Security Policy" in text or "violates" in text] == []


def test_what_one_visitor_brings_is_nothing_to_another(strangers, address, home):
    anna, bela = strangers
    bring(anna, "hers.zip")
    expect(anna.get_by_text("Added hers")).to_be_visible()
    reopen(bela, address)
    expect(bela.get_by_text("hers")).to_have_count(0)

    link = own_link(anna)
    name = parse_qs(urlparse(link).query)["dataset"][0]
    assert "/" not in name
    whose = [path.name for path in (home / "visitors").iterdir()]
    assert len(whose) == 1
    (kept,) = (home / "visitors" / whose[0] / "library" / "uploads").rglob("*.zip")
    for forged in (name, str(kept), str(home)):
        bela.goto(f"{address}/compare?dataset={forged}")
        settle(bela)
        expect(bela.get_by_text("Showing the catalogue")).to_be_visible()
        assert "a/0.png" not in bela.locator(".stApp").inner_html()

    reopen(anna, address)
    anna.get_by_role("button", name="Delete mine now").click()
    anna.get_by_role("button", name="Delete all of it").click()
    expect(anna.get_by_text("nothing of yours is left on this server")).to_be_visible()
    assert not (home / "visitors" / whose[0]).exists()


def test_an_uploaded_picture_is_seen_by_others_only_while_it_is_shared(strangers, address):
    anna, bela = strangers
    anna.goto(f"{address}/")
    settle(anna)
    anna.locator("input[type=file]").first.set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": picture(7, 96)}
    )
    expect(anna).to_have_url(re.compile("query=up(%3A|:)"))
    settle(anna)
    bela.goto(anna.url)
    settle(bela)
    expect(bela.locator(".ll-asked b")).to_be_visible()
    expect(bela.locator(".ll-asked b")).not_to_have_text(
        re.compile("Your picture|A shared picture")
    )
    anna.get_by_text("Share my picture").click()
    settle(anna)
    reopened = bela.context.new_page()
    reopened.goto(anna.url)
    settle(reopened)
    expect(reopened.locator(".ll-asked b")).to_have_text("A shared picture")


def test_the_key_is_random_hidden_from_scripts_and_stays(strangers, address):
    anna, bela = strangers
    keys = [cookie(page) for page in (anna, bela)]
    assert keys[0]["value"] != keys[1]["value"]
    assert all(len(key["value"]) == 43 and key["httpOnly"] for key in keys)
    assert "lookalike_visitor" not in anna.evaluate("document.cookie")
    reopen(anna, address)
    assert cookie(anna)["value"] == keys[0]["value"]


def test_the_operator_enters_with_the_token_and_leaves(strangers):
    anna, _ = strangers
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


def test_an_upload_without_the_token_of_the_page_is_refused(strangers, address):
    anna, _ = strangers
    place = f"{address}/_stcore/upload_file/00000000-0000-0000-0000-000000000000/x"
    for token in ({}, {"X-Xsrftoken": "forged"}):
        answer = anna.request.put(place, multipart={"file": "x"}, headers=token)
        assert answer.status in (400, 403), answer.status
    assert anna.request.get(f"{address}/_stcore/metrics").status == 404
    assert "server" not in anna.request.get(address).headers


@pytest.mark.parametrize("kind", ["number_input", "multiselect"])
def test_a_value_that_no_browser_sends_is_answered_by_a_sentence_and_a_line_of_the_log(
    address, home, kind
):
    async def forged() -> str:
        tab = Tab(address, "arena")
        await tab.open()
        given = next(getattr(one, kind) for one, _ in tab.shown if one.WhichOneof("type") == kind)
        await tab.give(WidgetState(id=given.id, string_value="x" * 100_000))
        await tab.close()
        return tab.words()

    said = asyncio.run(forged())
    number = re.search(r"Tell the operator: (\w+)\.", said)[1]
    log = (home / "server.log").read_text()
    (line,) = [json.loads(one) for one in log.splitlines() if number in one]
    assert (line["request"], line["level"]) == (number, "error")
    assert len(json.dumps(line)) < 40_000
    assert [one for one in log.splitlines() if one.strip() and one[:1] not in "{ "] == []
    for word in ("Traceback", str(home), "TypeError", "streamlit"):
        assert word not in said


def cookie(page) -> dict:
    return next(one for one in page.context.cookies() if one["name"] == "lookalike_visitor")


def bring(page, name: str) -> None:
    drop(page, {"name": name, "mimeType": "application/zip", "buffer": zipped()})


def reopen(page, address: str) -> None:
    page.goto(f"{address}/library")
    settle(page)


def own_link(page) -> str:
    """The address of Compare with the data set that was brought last."""
    page.locator(".cell").first.click()
    page.wait_for_url("**/compare*")
    settle(page)
    return eventually(page, lambda: page.url, lambda url: "dataset=hers" in url)
