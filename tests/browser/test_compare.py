"""The main job as a person does it: a picture in, columns out, a click, back, and the link."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect

from pages.parts import components
from tests.browser.waiting import answered, asked, becomes, eventually, ids
from tools.serve import settle

pytestmark = pytest.mark.browser
COMPARE = "compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4"
"""Three that load no network: what is tested here does not depend on the encoders."""
FOCUSED = """(() => { let at = document.activeElement; while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at; })()"""


def picture(colour=(190, 40, 60)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), colour).save(out, "JPEG")
    return out.getvalue()


def is_asked(page, item_id: str) -> None:
    """Until this picture of the gallery is the query: the address says so, and it is no longer
    among the hits."""
    expect(page).to_have_url(re.compile(f"query=item(%3A|:){re.escape(item_id)}(&|$)"))
    eventually(page, lambda: ids(page), lambda found: found and item_id not in found)
    settle(page)


def upload(page, data: bytes, name: str = "mine.jpg") -> None:
    page.locator(".st-key-panel_query input[type=file]").set_input_files(
        {"name": name, "mimeType": "image/jpeg", "buffer": data}
    )


def test_what_is_no_picture_is_refused_then_upload_columns_click_back_link_and_paste(open_at):
    page = open_at(COMPARE)
    expect(page.locator(".column")).to_have_count(3)
    examples = answered(page)
    upload(page, b"<script>alert(1)</script>", "evil.jpg")
    expect(page.locator(".ll-note.bad")).to_contain_text("not a picture")
    settle(page)
    assert ids(page) == examples
    upload(page, picture())
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    uploaded = eventually(
        page, lambda: ids(page), lambda found: len(found) == 30 and found != examples
    )
    settle(page)
    assert ids(page) == uploaded
    page.locator(".open").nth(4).press("Enter")
    is_asked(page, uploaded[4])
    clicked, link = answered(page), page.url
    page.get_by_role("button", name="Back to the last query").click()
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    becomes(page, lambda: ids(page), uploaded)
    settle(page)
    back = open_at(page.url.split("/", 3)[3])
    becomes(back, lambda: ids(back), uploaded)
    restored = open_at(link.split("/", 3)[3])
    becomes(restored, lambda: ids(restored), clicked)
    pasted(restored)


def pasted(page) -> None:
    """A picture is pasted anywhere on the page, and then words."""
    expect(page.get_by_role("button", name="Paste")).to_be_visible()
    page.evaluate("""async () => {
            const canvas = Object.assign(document.createElement('canvas'), { width: 3000, height: 1500 });
            canvas.getContext('2d').fillRect(0, 0, 1500, 1500);
            const blob = await new Promise((done) => canvas.toBlob(done));
            const data = new DataTransfer();
            data.items.add(new File([blob], 'a.png', { type: 'image/png' }));
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, composed: true }));
        }""")
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    settle(page)
    page.evaluate("""() => {
            const data = new DataTransfer();
            data.setData('text/plain', 'words');
            document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, composed: true }));
        }""")
    expect(page.locator(".said", has_text="no picture")).to_be_visible()


def test_what_a_board_shows_and_gives(open_at):
    page = open_at(COMPARE, permissions=["clipboard-read", "clipboard-write"])
    answered(page)
    assert page.locator("img:not([alt])").count() == 0
    expect(page.locator(".hit img")).to_have_count(30)
    drawn = "all => all.every(one => one.complete && one.naturalWidth > 0 && one.alt)"
    becomes(page, lambda: page.locator(".hit img").evaluate_all(drawn), True)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copied").or_(
        page.get_by_role("button", name="Copy link")
    ).click()
    assert page.get_by_label("Address of this view").input_value() == page.url
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


def test_shared_pictures_light_up_keys_ask_and_the_browsers_own_back_returns(open_at):
    page = open_at(COMPARE)
    before, name, address = answered(page), asked(page), page.url
    lights_up(page)
    page.locator(".open[tabindex='0']").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert page.evaluate(f"{FOCUSED}.getAttribute('aria-label')").startswith("Rank 3,")
    assert page.evaluate(f"{FOCUSED}.closest('.column').dataset.key") == "tiny.16x16"
    chosen = page.evaluate(f"{FOCUSED}.closest('.hit').dataset.id")
    page.keyboard.press("Enter")
    is_asked(page, chosen)
    expect(page.locator(".open[tabindex='0']")).to_have_count(1)
    after = answered(page)
    page.go_back()
    expect(page.locator(".ll-asked b")).to_have_text(name)
    becomes(page, lambda: ids(page), before)
    expect(page).to_have_url(address)
    page.go_forward()
    is_asked(page, chosen)
    becomes(page, lambda: ids(page), after)


def lights_up(page) -> None:
    """The same picture lights up in every column, and stays so once it is pinned."""
    letter = page.locator(".letter").first
    shared = letter.get_attribute("data-pin")
    page.locator(f'.hit[data-id="{shared}"]').first.hover()
    same = page.locator(f'.hit[data-id="{shared}"]').count()
    assert same >= 2
    expect(page.locator(".hit.lit")).to_have_count(same)
    expect(page.locator(f'.hit.lit[data-id="{shared}"]')).to_have_count(same)
    page.mouse.move(5, 5)
    expect(page.locator(".hit.lit")).to_have_count(0)
    letter.click()
    page.mouse.move(5, 5)
    expect(page.locator(".hit.lit")).to_have_count(same)
    expect(letter).to_have_attribute("aria-pressed", "true")


def test_a_picture_is_chosen_from_the_gallery_by_mouse_and_with_the_keyboard_alone(open_at):
    page = open_at(COMPARE)
    page.get_by_role("button", name="Gallery", exact=True).click()
    page.locator("[role=dialog] .cell").first.wait_for()
    page.get_by_placeholder("Part of a name").fill("teapot stripes")
    page.keyboard.press("Enter")
    first = page.locator("[role=dialog] .cell").first
    expect(first.locator(".caption")).to_have_text(re.compile("^teapot"))
    chosen = first.get_attribute("data-id")
    first.click()
    is_asked(page, chosen)
    expect(page.locator(".ll-asked b")).to_have_text(re.compile("^teapot"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    settle(page)

    page.get_by_role("button", name="Gallery", exact=True).focus()
    page.keyboard.press("Enter")
    page.locator("[role=dialog] .cell").first.wait_for()
    settle(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate(f"{FOCUSED}.className") == "cell":
            break
    assert page.evaluate(
        f"{FOCUSED}.closest('[role=dialog]') !== null && {FOCUSED}.className === 'cell'"
    )
    page.keyboard.press("ArrowRight")
    assert "px" in page.evaluate(f"getComputedStyle({FOCUSED}.querySelector('img')).boxShadow"), (
        "focus can't be seen"
    )
    chosen = page.evaluate(f"{FOCUSED}.dataset.id")
    page.keyboard.press("Enter")
    is_asked(page, chosen)


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
PAPER = {"light": "rgb(250, 250, 247)", "dark": "rgb(20, 21, 20)"}


@pytest.mark.parametrize(
    ("path", "schemes"), [("", ["light"]), (COMPARE, ["dark"]), ("library", ["dark", "light"])]
)
def test_a_page_fits_a_phone_and_whatever_the_tab_key_reaches_has_a_name_and_shows_its_focus(
    open_at, path, schemes
):
    page = open_at(path, width=390, height=844, color_scheme=schemes[0])
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        fits_a_phone(page, scheme)
    page.set_viewport_size({"width": 1280, "height": 900})
    settle(page)
    for _ in range(24):
        page.keyboard.press("Tab")
        said, shown = page.evaluate(LOOK)
        assert said
        assert shown, said


def fits_a_phone(page, scheme: str) -> None:
    """Nothing scrolls sideways, on the paper of the theme."""
    paper = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    becomes(page, lambda: page.evaluate(paper), PAPER[scheme])
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 390


def test_an_older_board_that_arrives_late_is_not_drawn(window):
    drawn = window().evaluate(
        """async (code) => {
            const board = await import(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
            const parentElement = document.body.appendChild(document.createElement('div'));
            const draw = (at, title) => board.default({ parentElement, setTriggerValue: () => {},
                data: [{ at, rows: 1, pictures: {}, look: { size: 'M', pinned: '', hidden: [] },
                    columns: [{ key: 'a', title, family: '', state: 'pending', mark: { path: '', colour: '' } }] }] });
            draw(2, 'newer'); draw(1, 'older');
            return parentElement.innerText;
        }""",
        components.BOARD_JS,
    )
    assert "newer" in drawn
    assert "older" not in drawn


def test_a_missing_encoder_is_built_from_its_column(open_at):
    page = open_at("compare?encoders=hog.8x8,hog.8x8:pca%3D16&k=5")
    column = page.locator('.column[data-key="hog.8x8:pca=16"]')
    column.get_by_role("button", name="Build").click()
    column.get_by_role("progressbar").wait_for()
    expect(column.locator(".hit")).to_have_count(5)
