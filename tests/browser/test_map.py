"""The maps as a person uses them: draw a lasso on one of two, see its pictures, click, hover,
morph, and send the link."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from core.services.library import library
from core.services.maps import maps
from core.services.maps import views as map_views
from core.services.maps.maps import Wanted
from tests.browser.waiting import becomes, eventually
from tools.serve import settle

pytestmark = pytest.mark.browser
ANCHOR = "tf_efficientnet_lite0.in1k"
PAIR = f"map?encoders={ANCHOR},hog.8x8"


def open_maps(open_at, path: str = PAIR, **options):
    page = open_at(path, **options)
    page.locator(".maps-place canvas").first.wait_for()
    settle(page)
    return page


def drag(page, place: int, corners) -> None:
    """Draw with the pressed mouse on one map; corners are shares of its width and height."""
    box = page.locator(".maps-place canvas").nth(place).bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def a_dot(page) -> tuple[float, float]:
    """Move the mouse over the first map until a picture hovers; where that was. The small pictures
    come after the dots."""

    def picture() -> tuple[float, float] | None:
        box = page.locator(".maps-place canvas").first.bounding_box()
        for step in range(60):
            x, y = box["x"] + box["width"] * (0.3 + step * 0.006), box["y"] + box["height"] * 0.5
            page.mouse.move(x, y)
            if page.locator(".maps-tip canvas").count():
                return x, y
        return None

    return eventually(page, picture, lambda found: found is not None)


def selected_ids(page) -> list[str]:
    page.get_by_text(re.compile(r"pictures? selected on the map by")).wait_for()
    page.locator(".st-key-map_selection .cell").first.wait_for()
    settle(page)
    return page.locator(".st-key-map_selection .cell").evaluate_all(
        "nodes => nodes.map(node => node.dataset.id)"
    )


def flags(page) -> int:
    """How many dots of the page's selection each map shows as selected (one set for all maps)."""
    return page.evaluate(
        "() => { const inner = (n) => [...n.children, ...(n.shadowRoot ? [n.shadowRoot] : [])];"
        " const find = (n) => n.__maps || inner(n).map(find).find(Boolean);"
        " const picked = find(document.body).state.picked;"
        " const ones = (byte) => byte.toString(2).replaceAll('0', '').length;"
        " return picked ? [...picked].reduce((sum, byte) => sum + ones(byte), 0) : 0; }"
    )


def test_a_lasso_on_either_map_a_box_a_clear_and_the_link(open_at):
    page = open_maps(open_at)
    for place, encoder in ((0, "EfficientNet-Lite0, ImageNet"), (1, "HOG")):
        a_lasso_shows_its_pictures(page, place, encoder)
    page.locator(".maps-tools button", has_text="Box").click()
    drag(page, 0, [(0.4, 0.4), (0.6, 0.6)])
    page.get_by_text(re.compile("selected on the map by EfficientNet-Lite0")).wait_for()
    shown = selected_ids(page)
    assert shown
    again = open_maps(open_at, page.url.split("/", 3)[3])
    assert selected_ids(again) == shown
    again.get_by_role("button", name="Clear", exact=True).click()
    again.get_by_text("selected on the map").wait_for(state="detached")
    expect(again).to_have_url(re.compile("^(?!.*lasso=)"))
    becomes(again, lambda: flags(again), 0)


def a_lasso_shows_its_pictures(page, place: int, encoder: str) -> None:
    """Those that lie inside, in the order of the map, whichever of the two it is drawn on."""
    drag(page, place, [(0.35, 0.35), (0.6, 0.35), (0.6, 0.6), (0.35, 0.6)])
    page.get_by_text(re.compile(f"selected on the map by {encoder}")).wait_for()
    shown = selected_ids(page)
    heading = page.get_by_text(re.compile("selected on the map by")).inner_text()
    assert heading.endswith(encoder)
    name, *pairs = re.search(
        r"lasso=([^&]*)", page.evaluate("decodeURIComponent(location.search)")
    )[1].split(";")
    dataset = library.open_dataset("catalogue")
    wanted = {ANCHOR: Wanted(ANCHOR), "hog.8x8": Wanted("hog.8x8", "aligned", ANCHOR)}[name]
    found = maps.read(dataset, wanted)
    inside = map_views.inside(
        found.positions, [tuple(map(float, pair.split(","))) for pair in pairs]
    )
    assert int(heading.split()[0].replace(",", "")) == len(inside) > 20
    assert shown == [found.ids[row] for row in inside[: len(shown)]]
    becomes(page, lambda: flags(page), len(inside))
    image = page.locator(".st-key-map_selection .cell img").first
    eventually(page, lambda: image.evaluate("image => image.naturalWidth"), lambda wide: wide > 40)


def test_hover_shows_the_picture_a_click_leads_to_compare_and_a_double_click_goes_there(open_at):
    page = open_maps(open_at, f"{PAIR}&query=item:mug-15-0")
    address = page.url
    x, y = a_dot(page)
    tip = page.locator(".maps-tip")
    assert (
        tip.locator("canvas").evaluate(
            "c => new Set(c.getContext('2d').getImageData(0, 0, 216, 216).data).size"
        )
        > 30
    )
    name = tip.locator("div").inner_text()
    page.locator(".maps-place canvas").first.evaluate("canvas => { canvas.there = true; }")
    page.mouse.click(x, y)
    page.get_by_text(f"{name}: neighbours in the space").wait_for()
    settle(page)
    assert page.locator(".maps-place canvas").first.evaluate("canvas => canvas.there")
    expect(page.get_by_text("not offered")).to_have_count(0)
    card = page.locator(".maps-pin")
    expect(card.locator("div")).to_have_text(name)
    eventually(
        page,
        lambda: card.locator("img").evaluate("image => image.naturalWidth"),
        lambda wide: wide > 40,
    )
    card.get_by_role("button", name="Compare with it").click()
    assert_compares(page, name)

    page.goto(address)
    page.locator(".maps-place canvas").first.wait_for()
    settle(page)
    x, y = a_dot(page)
    name = page.locator(".maps-tip div").inner_text()
    page.mouse.dblclick(x, y)
    assert_compares(page, name)


def assert_compares(page, name: str) -> None:
    page.locator(".column").first.wait_for()
    expect(page.locator(".ll-asked b")).to_have_text(name)


def test_the_page_fits_a_phone_keys_move_and_zoom_and_the_morph_moves(open_at):
    page = open_maps(open_at, f"{PAIR}&pictures=1", width=390, height=844, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for place in page.locator(".maps-card").all():
        assert place.bounding_box()["width"] <= 390
    page.set_viewport_size({"width": 1280, "height": 900})
    settle(page)
    keys_move_and_zoom(page)
    page.get_by_role("radio", name="Morph", exact=True).click()
    page.locator(".maps-morph input").wait_for()
    settle(page)
    the_morph_moves(page)


def keys_move_and_zoom(page) -> None:
    """And pictures can be switched off."""
    canvas = page.locator(".maps-place canvas").first
    dots = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    with_pictures = canvas.evaluate(dots)
    canvas.focus()
    before = canvas.evaluate("c => c.toDataURL().length")
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    assert canvas.evaluate("c => c.toDataURL().length") != before
    page.locator(".maps-tools button", has_text="Whole map").click()
    assert canvas.evaluate("c => c.toDataURL().length") == before
    page.get_by_text("Pictures instead of dots").click()
    page.wait_for_url(re.compile("^(?!.*pictures=1)"))
    settle(page)
    assert with_pictures >= canvas.evaluate(dots)


def the_morph_moves(page) -> None:
    """It is kept in the link."""
    look = (
        "c => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let s = 0;"
        " for (let i = 3; i < d.length; i += 4) s = (s * 31 + d[i]) % 1000003; return s; }"
    )
    canvas = page.locator(".maps-place canvas")
    before = canvas.evaluate(look)
    page.locator(".maps-morph input").fill("0.6")
    page.locator(".maps-morph input").dispatch_event("change")
    expect(page).to_have_url(re.compile("morph=0.6"))
    eventually(page, lambda: canvas.evaluate(look), lambda now: now != before)
    expect(page.get_by_text("Largest neighbourhood changes")).to_be_visible()
