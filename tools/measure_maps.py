"""Measure the Map page in a real browser: seconds until maps are drawn, seconds from a lasso to its
pictures, bytes sent.

``python tools/measure_maps.py ARTIFACTS LOCATOR ENCODERS [PROJECTION]``: a data set of the library
whose maps are made. The bytes are those of the messages that the server sent over its socket: the
page, the maps and their small pictures.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.serve import chromium, serving, settle

PAINTED = """canvases => canvases.every((c) => {
    const { data } = c.getContext("2d").getImageData(0, 0, c.width, c.height);
    for (let i = 3; i < data.length; i += 4) if (data[i]) return true;
    return false; })"""
BOXES = [(0.40, 0.40, 0.50, 0.50), (0.50, 0.52, 0.56, 0.58), (0.44, 0.56, 0.60, 0.62)]


def main(artifacts: str, locator: str, encoders: str, projection: str = "aligned") -> None:
    path = f"map?dataset={quote(locator)}&encoders={quote(encoders)}&map={projection}"
    with serving(Path(artifacts), timeout_s=120) as url, chromium() as browser:
        for name in ("first page of a cold server", "new visitor, same server", "again"):
            page = browser.new_context(viewport={"width": 1280, "height": 1000}).new_page()
            page.set_default_timeout(180_000)
            sent = counted(page)
            started = time.perf_counter()
            page.goto(f"{url}/{path}")
            page.locator(".maps-place canvas").first.wait_for()
            page.wait_for_function(
                "document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'"
            )
            while not page.locator(".maps-place canvas").evaluate_all(PAINTED):
                page.wait_for_timeout(20)
            print(
                f"{name}: drawn after {time.perf_counter() - started:.2f} s, {sum(sent) / 1e6:.2f}"
                " MB until then",
                flush=True,
            )
        settle(page)
        print(f"with the small pictures, which follow: {sum(sent) / 1e6:.2f} MB")
        for box in BOXES:
            sent.clear()
            print(
                f"lasso: pictures after {lasso(page, box):.2f} s, {sum(sent) / 1e6:.2f} MB",
                flush=True,
            )


def counted(page) -> list[int]:
    """Sizes of the messages that the server sends to a page, as they come."""
    sizes: list[int] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: sizes.append(len(frame))),
    )
    return sizes


def lasso(page, box: tuple[float, float, float, float]) -> float:
    """Seconds from letting the mouse go to the last picture of the selection."""
    where = page.locator(".maps-place canvas").first.bounding_box()
    x0, y0, x1, y1 = box
    corners = [
        (where["x"] + x * where["width"], where["y"] + y * where["height"])
        for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    ]
    before = page.evaluate("decodeURIComponent(location.search)")
    page.mouse.move(*corners[0])
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()
    started = time.perf_counter()
    page.wait_for_function("before => decodeURIComponent(location.search) !== before", arg=before)
    page.locator(".st-key-map_selection .cell img").first.wait_for()
    page.wait_for_function(
        "document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'"
    )
    return time.perf_counter() - started


if __name__ == "__main__":
    main(*sys.argv[1:])
