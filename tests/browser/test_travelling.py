"""A report opened from its file, without a server."""

from __future__ import annotations

import pytest

from core.services.evaluation import reports
from core.services.library import library
from core.services.search.compare import compare
from core.services.search.request import Query, SearchRequest
from core.services.sharing.comparison import comparison_page
from core.services.sharing.scenes import talk_page
from core.services.sharing.standings import leaderboard_page
from core.services.sharing.talks import Scene, Talk
from tests.browser.waiting import PATIENCE_MS

SIX = ("dhash.16x16", "sift.vlad32", "hog.8x8", "hsv.12x4x4", "tiny.16x16", "phash.16x16")
"""That load no network."""


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The page of six encoders' answers, and all their hits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path_factory.mktemp("compared")))
        dataset = library.open_dataset("catalogue")
        query = Query(item_id="mug-16-0")
        answers = compare(SearchRequest(query, "").each(SIX), dataset).answers
        hits = [hit.id for answer in answers for hit in answer.hits]
        return comparison_page(dataset, query, answers), hits


@pytest.fixture
def opened(browser, tmp_path):
    """A page of these words, in a window without a network; it may ask for nothing."""
    asked, broken = [], []

    def open_file(words: str, width: int = 1280):
        file = tmp_path / "report.html"
        file.write_text(words, "utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(file.as_uri())
        return page

    yield open_file
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert broken == []


def test_a_comparison_of_six_encoders_lights_up_shared_pictures(opened, compared):
    words, ids = compared
    assert len(words.encode()) < 5_000_000
    page = opened(words)
    shared = max(ids, key=ids.count)
    page.locator(f'.hit[data-id="{shared}"]').first.hover()
    assert page.locator(".hit.lit").count() == ids.count(shared) > 1
    drawn = "all => all.every(one => one.complete && one.naturalWidth > 0)"
    assert page.locator("img").evaluate_all(drawn)
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_leaderboard_sorts_by_a_column(opened):
    page = opened(leaderboard_page(reports.Report.load(reports.find("leaderboard"))))
    table = page.locator("table").first
    table.get_by_role("columnheader", name="Query, ms").click()
    spent = [float(one) for one in table.locator("tbody td:last-child").all_inner_texts()]
    assert spent == sorted(spent, reverse=True)
    table.get_by_role("columnheader", name="Encoder").press("Enter")
    names = [one.lower() for one in table.locator("tbody td:first-child").all_inner_texts()]
    assert names == sorted(names, reverse=True)


CUT = """() => [...document.querySelectorAll('main *')].filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1).map((node) => node.outerHTML.slice(0, 80))"""
SHEET = 980
"""Pixels that are left of a landscape sheet of letter paper, the narrower of the two usual ones."""


def test_what_is_printed_is_light_whole_and_unfolded(opened, compared):
    pages = {compared[0]: 4, leaderboard_page(reports.Report.load(reports.find("leaderboard"))): 12}
    for words, sheets in pages.items():
        page = opened(words, SHEET)
        page.emulate_media(media="print", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate(CUT) == []
        assert page.locator("details:not([open])").count() == 0
        look = "node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).color]"
        assert page.locator("body").evaluate(look) == ["rgb(255, 255, 255)", "rgb(27, 27, 26)"]
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
        printed = page.pdf(prefer_css_page_size=True)
        assert 1 < printed.count(b"/Type /Page\n") <= sheets


SIZES = """() => {
    const zoom = (node) => { let by = 1; for (let one = node; one; one = one.parentElement) by *= parseFloat(getComputedStyle(one).zoom) || 1; return by; };
    const texts = document.createTreeWalker(document.querySelector('.scene.now'), NodeFilter.SHOW_TEXT), found = [];
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
        const node = text.parentElement;
        if (text.data.trim() && node.getBoundingClientRect().width) found.push(parseFloat(getComputedStyle(node).fontSize) * zoom(node));
    }
    return found;
}"""


def test_a_talk_is_presented_from_its_file(opened):
    asked = {"encoders": ",".join(SIX[2:]), "k": "5", "query": "item:mug-16-0"}
    scenes = (
        Scene("Colour or shape?", "Compare", asked, "Let them guess."),
        Scene("Which is better?", "Metrics"),
        Scene("Hashing", "Learn", {"lesson": "hashing"}),
    )
    page = opened(talk_page(Talk(scenes)), 1920)
    page.keyboard.press("p")
    for scene in scenes:
        assert page.locator(".scene:visible h1").inner_text().startswith(scene.title)
        assert min(page.evaluate(SIZES)) >= 24
        page.keyboard.press("ArrowRight")
    answer = page.locator(".scene:visible .answer").first
    assert not answer.is_visible()
    page.keyboard.press("r")
    assert answer.is_visible()
    page.keyboard.press("Home")
    assert page.locator(".notes:visible").count() == 0
    page.keyboard.press("n")
    assert page.locator(".notes:visible").inner_text() == "Let them guess."
    page.keyboard.press("Escape")
    assert page.locator(".scene:visible").count() == len(scenes)
    page.set_viewport_size({"width": 390, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
