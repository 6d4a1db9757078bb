"""The subject of a query as a person meets it: frames on the picture, and a box that is dragged,
drawn and moved with keys."""

from __future__ import annotations

import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import expect

from core.services.embedding.detecting import detector_rows
from tests.browser.test_board import dropped
from tests.browser.waiting import answered, becomes, eventually, ids
from tools.serve import settle

pytestmark = pytest.mark.browser
COMPARE = "compare?encoders=hog.8x8,tiny.16x16,hsv.12x4x4"
OFF = f"{COMPARE}&subject=whole"
SALIENCY = next(row for row in detector_rows() if row["name"] == "saliency")
needed = pytest.mark.skipif(
    SALIENCY["state"] != "ready", reason="the detector saliency is optional, and not installed here"
)
THING = (0.5, 0.3, 0.85, 0.75)
"""Where the object lies in the photograph."""


def photograph() -> bytes:
    """A red pot on a ground of grass: noise, blurred."""
    wide, high = 640, 480
    noise = np.random.default_rng(5).integers(60, 130, (high, wide, 1))
    ground = (noise * np.array([0.7, 1.0, 0.5])).astype(np.uint8)
    picture = Image.fromarray(ground).filter(ImageFilter.GaussianBlur(2))
    x0, y0, x1, y1 = (
        edge * side for edge, side in zip(THING, (wide, high, wide, high), strict=True)
    )
    pen = ImageDraw.Draw(picture)
    pen.polygon([(x0, y0 + 30), (x1, y0 + 30), (x1 - 40, y1), (x0 + 40, y1)], fill=(196, 40, 36))
    pen.ellipse((x0, y0, x1, y0 + 60), fill=(226, 84, 70))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def box_of(page) -> list[float]:
    """The box in the address; empty where there is none."""
    said = parse_qs(urlsplit(page.url).query).get("box", [""])[0]
    return [float(edge) for edge in said.split(",")] if said else []


def columns_of(found: list[str]) -> list[list[str]]:
    return [found[place : place + 10] for place in range(0, 30, 10)]


def pull(page, start: tuple[float, float], end: tuple[float, float], of: str = ".sheet") -> None:
    """Press the mouse at a place of an element, in fractions of it, and let go at another."""
    area = page.locator(of).bounding_box()
    at = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move((at[0][0] + at[1][0]) / 2, (at[0][1] + at[1][1]) / 2)
    page.mouse.move(*at[1])
    page.mouse.up()


def changed(page, before: list[str]) -> list[str]:
    """The hits, once every column shows others than before."""

    def good(found):
        return len(found) == 30 and all(
            old != new for old, new in zip(columns_of(before), columns_of(found), strict=True)
        )

    return eventually(page, lambda: ids(page), good)


@needed
def test_a_frame_is_clicked_then_a_photograph_its_frame_a_drag_and_the_link(open_at):
    page = open_at(COMPARE)
    before = answered(page)
    page.locator(".frame").first.click()
    before = changed(page, before)
    expect(page.locator(".chosen")).to_be_focused()
    page.get_by_text(re.compile(r"^Box 1 of \d+ is the main subject")).click()
    expect(page.locator(".why details p")).to_contain_text("√area")
    settle(page)
    dropped(page, ".zone", photograph())
    expect(page.locator(".ll-asked b")).to_have_text("Your picture")
    whole = changed(page, before)
    frame = page.get_by_role("button", name=re.compile("^Box 1 of .*, the main subject"))
    expect(frame).to_be_visible()
    assert box_of(page) == [], "nothing searches a part by itself"
    settle(page)
    assert ids(page) == whole
    page.get_by_role("button", name="Main subject", exact=True).click()
    expect(page).to_have_url(re.compile("box="))
    subject = changed(page, whole)
    found = box_of(page)
    assert found[0] <= THING[0] + 0.06
    assert found[2] >= THING[2] - 0.06
    expect(page.get_by_role("button", name="Main subject", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    settle(page)
    pull(page, (0.5, 0.5), (-0.6, 0.2), ".chosen")
    moved = eventually(page, lambda: box_of(page), lambda box: box and box != found)
    assert moved[0] < found[0] - 0.15
    assert moved[2] - moved[0] == pytest.approx(found[2] - found[0], abs=0.001), "its size stays"
    dragged = changed(page, subject)
    settle(page)
    assert ids(page) == dragged
    again = open_at(page.url.split("/", 3)[3])
    becomes(again, lambda: ids(again), dragged)
    expect(again.locator(".ll-asked b")).to_have_text("Your picture")
    expect(again.locator(".chosen")).to_be_visible()
    assert box_of(again) == moved
    again.get_by_role("button", name="Whole picture").click()
    becomes(again, lambda: ids(again), whole)
    expect(again.locator(".chosen")).to_be_hidden()
    assert box_of(again) == []


def test_a_box_is_made_moved_and_left_with_the_keyboard_and_drawn_and_resized_by_mouse(open_at):
    page = open_at(OFF)
    before = answered(page)
    page.get_by_role("button", name="Draw a box").focus()
    page.keyboard.press("Enter")
    becomes(page, lambda: box_of(page), [0.25, 0.25, 0.75, 0.75])
    box = page.get_by_label(re.compile("^Box that is searched with"))
    expect(box).to_be_focused()
    expect(box).to_have_attribute(
        "aria-label",
        re.compile("left 25.%, top 25.%, width 50.%, height 50.%.*Arrows move it, Shift"),
    )
    first = changed(page, before)
    for key in (
        "ArrowRight",
        "ArrowRight",
        "ArrowUp",
        "Shift+ArrowDown",
        "Shift+ArrowDown",
        "Shift+ArrowLeft",
    ):
        page.keyboard.press(key)
    becomes(page, lambda: box_of(page), [0.27, 0.24, 0.76, 0.76])
    expect(box).to_have_attribute(
        "aria-label", re.compile("left 27.%, top 24.%, width 49.%, height 52.%")
    )
    eventually(page, lambda: ids(page), lambda found: len(found) == 30 and found != first)
    expect(box).to_be_focused()
    page.keyboard.press("Delete")
    becomes(page, lambda: box_of(page), [])
    becomes(page, lambda: ids(page), before)
    expect(page.get_by_role("button", name="Whole picture")).to_be_focused()
    settle(page)
    a_box_is_drawn(page, before)


def a_box_is_drawn(page, before: list[str]) -> None:
    """By mouse, and made larger; a query that follows is whole."""
    choosers = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    pull(page, (0.2, 0.25), (0.6, 0.7))
    drawn = eventually(page, lambda: box_of(page), bool)
    assert drawn == pytest.approx([0.2, 0.25, 0.6, 0.7], abs=0.02)
    after = changed(page, before)
    settle(page)
    pull(page, (1, 1), (1.5, 1.4), ".chosen")
    larger = eventually(page, lambda: box_of(page), lambda box: box != drawn)
    assert larger[:2] == drawn[:2]
    assert larger[2:] == pytest.approx([0.8, 0.88], abs=0.02)
    eventually(page, lambda: ids(page), lambda found: len(found) == 30 and found != after)
    assert choosers == [], "to draw is no click"
    settle(page)
    page.locator(".open").nth(2).press("Enter")
    becomes(page, lambda: box_of(page), [])
    expect(page.locator(".chosen")).to_be_hidden()
    page.get_by_role("button", name="Back to the last query").click()
    becomes(page, lambda: box_of(page), larger)
    expect(page.locator(".chosen")).to_be_visible()


def test_a_finger_scrolls_over_the_picture_and_draws_when_asked_to(open_at):
    page = open_at(OFF, width=390, height=844, has_touch=True)
    before = answered(page)
    small = page.locator(".zone").bounding_box()["width"]
    page.get_by_role("button", name="Draw a box").tap()
    expect(page.locator(".zone .hint")).to_have_text("Drag over the subject")
    assert page.locator(".zone").bounding_box()["width"] > small * 1.5, "room for a finger"
    area = page.locator(".sheet").bounding_box()
    places = [
        {"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"]}
        for x, y in ((0.2, 0.2), (0.4, 0.5), (0.7, 0.8))
    ]
    touch = page.context.new_cdp_session(page)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
    for place in places[1:]:
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    drawn = eventually(page, lambda: box_of(page), bool)
    assert drawn == pytest.approx([0.2, 0.2, 0.7, 0.8], abs=0.03)
    changed(page, before)
