"""The main job as a person does it: a picture in, columns out, a click, back, and the link."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from tools.serve import settle

pytestmark = pytest.mark.browser


def picture(colour=(190, 40, 60)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, "JPEG")
    return out.getvalue()


def asked(page) -> str:
    return page.locator(".ll-asked b").inner_text()


def ids(page) -> list[str]:
    return page.locator(".hit").evaluate_all("nodes => nodes.map(node => node.dataset.id)")


def wait_for_query(page, other_than: str) -> None:
    page.wait_for_function("before => document.querySelector('.ll-asked b').innerText !== before", arg=other_than)
    settle(page)


def upload(page, data: bytes, name: str = "mine.jpg") -> None:
    page.get_by_role("button", name="Upload").first.click()
    page.locator("input[type=file]").first.set_input_files({"name": name, "mimeType": "image/jpeg", "buffer": data})


def test_upload_columns_click_back_link(open_at):
    page = open_at("compare")
    assert page.locator(".column").count() == 3
    assert page.locator(".hit").count() == 30
    upload(page, picture())
    wait_for_query(page, asked(page) if asked(page) != "Your picture" else "")
    page.get_by_text("Your picture").wait_for()
    settle(page)
    uploaded = ids(page)
    page.locator(".open").nth(4).click()
    wait_for_query(page, "Your picture")
    assert uploaded[4] not in ids(page)
    clicked, link = ids(page), page.url
    page.get_by_role("button", name="Back to the last query").click()
    page.get_by_text("Your picture").wait_for()
    settle(page)
    assert ids(page) == uploaded
    assert ids(open_at(link.split("/", 3)[3])) == clicked
    assert ids(open_at(page.url.split("/", 3)[3])) == uploaded


def test_the_browsers_own_back_returns_to_the_query_before(open_at):
    page = open_at("compare")
    before, name = ids(page), asked(page)
    page.locator(".column").nth(2).locator(".open").nth(1).click()
    wait_for_query(page, name)
    page.go_back()
    wait_for_query(page, asked(page) if asked(page) != name else "")
    assert (asked(page), ids(page)) == (name, before)


def test_keys_move_between_ranks_and_encoders_and_enter_asks(open_at):
    page = open_at("compare")
    name = asked(page)
    page.locator(".open[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    focused = "(() => { let at = document.activeElement; while (at.shadowRoot) at = at.shadowRoot.activeElement; return at; })()"
    assert page.evaluate(f"{focused}.getAttribute('aria-label')").startswith("Rank 3,")
    assert page.evaluate(f"{focused}.closest('.column').dataset.key") == "tiny.16x16"
    page.keyboard.press("Enter")
    wait_for_query(page, name)
    assert page.locator(".open[tabindex='0']").count() == 1


def test_the_same_picture_lights_up_in_every_column_and_can_be_pinned(open_at):
    page = open_at("compare")
    letter = page.locator(".letter").first
    shared = letter.get_attribute("data-pin")
    page.locator(f'.hit[data-id="{shared}"]').first.hover()
    lit = page.locator(".hit.lit").evaluate_all("nodes => nodes.map(node => node.dataset.id)")
    assert len(lit) >= 2
    assert set(lit) == {shared}
    page.mouse.move(5, 5)
    assert page.locator(".hit.lit").count() == 0
    letter.click()
    page.mouse.move(5, 5)
    assert page.locator(".hit.lit").count() == len(lit)
    assert letter.get_attribute("aria-pressed") == "true"


def test_a_picture_is_pasted_anywhere_on_the_page(open_at):
    page = open_at("compare")
    name = asked(page)
    page.evaluate(
        """async () => {
            const canvas = Object.assign(document.createElement('canvas'), { width: 3000, height: 1500 });
            canvas.getContext('2d').fillRect(0, 0, 1500, 1500);
            const blob = await new Promise((done) => canvas.toBlob(done));
            const data = new DataTransfer();
            data.items.add(new File([blob], 'a.png', { type: 'image/png' }));
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, composed: true }));
        }"""
    )
    wait_for_query(page, name)
    assert asked(page) == "Your picture"
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData('text/plain', 'words');
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, composed: true }));
        }"""
    )
    assert "no picture" in page.locator(".said").all_inner_texts()[-1]


def test_copy_link_gives_the_address_or_shows_it(open_at, address):
    page = open_at("compare", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    blocked = open_at("compare")
    blocked.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    blocked.get_by_role("button", name="Copy link").click()
    assert blocked.get_by_label("Address of this view").input_value() == blocked.url


def test_a_picture_is_chosen_from_the_gallery(open_at):
    page = open_at("compare")
    name = asked(page)
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.locator("[role=dialog] .cell").first.wait_for()
    page.get_by_placeholder("A word of the name").fill("teapot stripes")
    page.keyboard.press("Enter")
    page.locator("[role=dialog] .caption", has_text=re.compile("^teapot")).first.wait_for()
    page.locator("[role=dialog] .cell").first.click()
    wait_for_query(page, name)
    assert asked(page).startswith("teapot")
    assert page.locator("[role=dialog]").count() == 0


FOCUSED = """(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at; })()"""


def test_a_picture_is_chosen_from_the_gallery_with_the_keyboard_alone(open_at):
    page = open_at("compare")
    name = asked(page)
    page.get_by_role("button", name="Gallery", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("[role=dialog] .cell").first.wait_for()
    settle(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate(f"{FOCUSED}.className") == "cell":
            break
    assert page.evaluate(f"{FOCUSED}.closest('[role=dialog]') !== null && {FOCUSED}.className === 'cell'")
    page.keyboard.press("ArrowRight")
    assert "px" in page.evaluate(f"getComputedStyle({FOCUSED}.querySelector('img')).boxShadow"), "focus can't be seen"
    chosen = page.evaluate(f"{FOCUSED}.dataset.id")
    page.keyboard.press("Enter")
    wait_for_query(page, name)
    assert f"item%3A{chosen}" in page.url or f"item:{chosen}" in page.url


LOOK = """async () => {
    const settled = () => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 80));
    const look = (node) => { const s = getComputedStyle(node); return [s.outlineStyle, s.boxShadow, s.borderColor].join(); };
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    if (['BODY', 'MAIN', 'SECTION'].includes(at.tagName)) return ['the page', true];
    const nodes = [at, ...at.querySelectorAll('img')];
    for (let up = at.parentElement; up && nodes.length < 12; up = up.parentElement) nodes.push(up);
    await settled();
    const lit = nodes.map(look).join('|');
    at.blur();
    await settled();
    const dark = nodes.map(look).join('|');
    at.focus();
    const said = at.getAttribute('aria-label') || at.innerText || at.title || at.labels?.[0]?.innerText || at.alt || '';
    return [said.trim(), lit !== dark];
}"""


@pytest.mark.parametrize("path", ["", "compare", "library"])
def test_whatever_the_tab_key_reaches_has_a_name_and_shows_its_focus(open_at, path):
    page = open_at(path)
    for _ in range(24):
        page.keyboard.press("Tab")
        said, shown = page.evaluate(LOOK)
        assert said
        assert shown, said


def test_an_older_board_that_arrives_late_is_not_drawn(open_at):
    script = (Path(__file__).parents[2] / "pages" / "parts" / "web" / "board.js").read_text()
    drawn = open_at("library").evaluate(
        """async (code) => {
            const board = await import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
            const parentElement = document.body.appendChild(document.createElement('div'));
            const draw = (at, title) => board.default({ parentElement, setTriggerValue: () => {},
                data: { at, rows: 1, pictures: {}, columns: [{ key: 'a', title, family: '', state: 'pending' }] } });
            draw(2, 'newer'); draw(1, 'older');
            return parentElement.innerText;
        }""",
        script,
    )
    assert "newer" in drawn
    assert "older" not in drawn


def test_a_file_that_is_no_picture_is_refused_in_words(open_at):
    page = open_at("compare")
    before = ids(page)
    upload(page, b"<script>alert(1)</script>", "evil.jpg")
    page.locator(".ll-note.bad").wait_for()
    assert "not a picture" in page.locator(".ll-note.bad").inner_text()
    assert ids(page) == before


def test_a_missing_encoder_is_built_from_its_column(open_at):
    page = open_at("compare?encoders=hog.8x8,dhash.16x16&k=5")
    column = page.locator('.column[data-key="dhash.16x16"]')
    column.get_by_role("button", name="Build").click()
    column.get_by_role("progressbar").wait_for()
    column.locator(".hit").first.wait_for(timeout=90_000)
    assert column.locator(".hit").count() == 5


def test_export_gives_a_table_and_a_picture(open_at):
    page = open_at("compare")
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as table:
        page.get_by_role("button", name="Table (CSV)").click()
    lines = table.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 31
    with page.expect_download() as board:
        page.get_by_role("button", name="Picture (PNG)").click()
    with Image.open(board.value.path()) as image:
        assert image.format == "PNG"
        assert image.width > 900


MANY = "compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4,phash.16x16,sift.vlad32&k=5"


@pytest.mark.parametrize("path", ["", "compare", "library", MANY])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_every_page_without_scrolling_sideways(open_at, path, scheme):
    page = open_at(path, width=390, height=844, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390
    paper = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert paper == {"light": "rgb(250, 250, 247)", "dark": "rgb(20, 21, 20)"}[scheme]


def test_every_picture_says_what_it_is(open_at):
    page = open_at("compare")
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator(".hit img").count() == 30
    assert page.locator(".hit img").evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 0 && one.alt)")
