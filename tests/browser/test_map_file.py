"""The exported page of maps, opened from the disk without a network: hover, click, lasso, and
nothing asked of anybody."""

from __future__ import annotations

import pytest

from core.services.embedding import build
from core.services.library import library
from core.services.maps import maps
from core.services.maps import page as map_page

pytestmark = pytest.mark.browser
PATIENCE_MS = 120_000


@pytest.fixture
def page(browser, pictures, tmp_path):
    """The page of two maps in a Chromium that is offline; a broken script or a request fails the
    test."""
    dataset, names = library.open_dataset(str(pictures), fresh=True), ["hsv.12x4x4", "tiny.16x16"]
    build.build(dataset, names)
    wanted = maps.drawn_together(names, "aligned", {"epochs": 30})
    file = tmp_path / "map.html"
    file.write_bytes(
        map_page.write(
            dataset, [maps.read(dataset, one, maps.build(dataset, one)) for one in wanted]
        )[0]
    )
    context, asked, broken = browser.new_context(offline=True), [], []
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: broken.append(str(error)))
    opened.goto(file.as_uri())
    yield opened
    context.close()
    assert [url for url in asked if not url.startswith((file.as_uri(), "data:", "blob:"))] == []
    assert broken == []


def places(page) -> list[tuple[float, float]]:
    """Where each dot of the first map stands in the window."""
    found = page.evaluate(
        "() => { const { state, fit, toScreen, spot } = maps, view = state.views[0], box ="
        " view.canvas.getBoundingClientRect(); return [...Array(view.points.n).keys()].map((row) =>"
        " toScreen(fit(view), ...spot(view, row))).map(([x, y]) => [x + box.left, y + box.top]); }"
    )
    return [(x, y) for x, y in found]


def test_hover_click_and_lasso_without_a_network(page):
    page.locator(".maps-place canvas").nth(1).wait_for()
    assert page.locator(".maps-tools").first.is_visible()
    assert "compare" not in page.locator(".maps-hint").inner_text()
    page.wait_for_function(
        "() => maps.state.sheets.every((image) => image.complete && image.naturalWidth)"
    )
    (x, y), *_ = dots = places(page)
    page.mouse.move(x, y)
    tip = page.locator(".maps-tip")
    tip.wait_for()
    assert tip.locator("div").inner_text() in ("cold", "warm")
    colours = "c => new Set(c.getContext('2d').getImageData(0, 0, 216, 216).data).size"
    assert tip.locator("canvas").evaluate(colours) > 20
    page.mouse.dblclick(x, y)
    assert page.locator("#said").inner_text().startswith("1 picture")
    low, high = min(y for _, y in dots) - 12, max(y for _, y in dots) + 12
    left, right = min(x for x, _ in dots) - 12, max(x for x, _ in dots) + 12
    page.mouse.move(left, low)
    page.mouse.down()
    for corner in ((right, low), (right, high), (left, high)):
        page.mouse.move(*corner, steps=5)
    page.mouse.up()
    assert page.locator("#said").inner_text() == "12 pictures selected: cold 6, warm 6"
    assert page.locator("#picked canvas").count() == 12
