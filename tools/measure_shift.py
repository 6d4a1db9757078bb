"""How much a page moves while it arrives, on a phone and at a desk: every page on its first load, and
after a person did something there.

    python tools/measure_shift.py [home compare ...] [--widths 390 1280] [--sources]

A slow phone: one core at a quarter of its speed, 1.6 Mbit/s, 150 ms; at a desk neither is slowed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.serve import chromium, serving, settle

SLOWER = 4
LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
PHONE = 480
PATIENCE_MS = 180_000
PAGES = {
    "home": "",
    "compare": "compare",
    "map": "map",
    "metrics": "metrics",
    "index_lab": "index_lab",
    "learn": "learn",
    "lesson": "learn?lesson=pixels",
    "arena": "arena",
    "train": "train",
    "library": "library",
    "talk": "talk",
}
WATCH = """() => {
    const seen = (window.__arrival = { shifts: [], largest: null });
    const named = (node) => {
        if (!node) return '(gone)';
        const at = node.nodeType === 1 ? node : node.parentElement;
        const key = at?.closest('[class*="st-key-"]')?.className.match(/st-key-[\\w-]+/)?.[0] ?? '';
        return `${key} ${at?.tagName.toLowerCase()}.${String(at?.className?.baseVal ?? at?.className).split(' ').slice(-2).join('.')}[${at?.dataset?.testid ?? ''}]`;
    };
    const box = (rect) => [rect.x, rect.y, rect.width, rect.height].map(Math.round).join(',');
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) seen.shifts.push({
            at: one.startTime, value: one.value, asked: one.hadRecentInput,
            sources: one.sources.map((s) => `${named(s.node)}: ${box(s.previousRect)} -> ${box(s.currentRect)}`),
        });
    }).observe({ type: 'layout-shift', buffered: true });
    new PerformanceObserver((list) => {
        for (const one of list.getEntries()) seen.largest = { at: one.startTime, what: named(one.element) };
    }).observe({ type: 'largest-contentful-paint', buffered: true });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="*", help="names of pages; all where none is given")
    parser.add_argument("--widths", type=int, nargs="+", default=[390, 1280])
    parser.add_argument(
        "--sources", action="store_true", help="also what moved, from where to where"
    )
    parser.add_argument("--address", help="of a server that runs already")
    asked = parser.parse_args()
    names = asked.pages or list(PAGES)
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        if asked.address:
            return table(browser, asked.address, names, asked)
        with serving(Path(scratch)) as address:
            table(browser, address, names, asked)


def table(browser, address: str, names: list[str], asked: argparse.Namespace) -> None:
    for width in asked.widths:
        print(f"{width} px: page, shift of the first load, after a choice, largest paint, bytes")
        for name in names:
            measured(browser, address, name, width, asked.sources)


def measured(browser, address: str, name: str, width: int, sources: bool) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < PHONE else 900}
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(f"({WATCH})()")
    line = context.new_cdp_session(page)
    line.send("Network.enable")
    got: dict[str, int] = {}
    kinds: dict[str, str] = {}
    line.on(
        "Network.responseReceived",
        lambda e: kinds.__setitem__(e["requestId"], e["response"]["url"]),
    )
    line.on(
        "Network.loadingFinished", lambda e: got.__setitem__(e["requestId"], e["encodedDataLength"])
    )
    frames = [0]
    line.on(
        "Network.webSocketFrameReceived",
        lambda e: frames.__setitem__(0, frames[0] + len(e["response"]["payloadData"]) * 3 // 4),
    )
    if width < PHONE:
        line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        line.send("Network.emulateNetworkConditions", LINE)
    page.goto(f"{address}/{PAGES[name]}")
    settle(page, 2500)
    first = page.evaluate("window.__arrival")
    page.evaluate("window.__arrival.shifts.length = 0")
    act(page, name, width)
    page.wait_for_timeout(700)
    settle(page, 2500)
    then = page.evaluate("window.__arrival")
    moved, after = shift(first["shifts"]), shift(then["shifts"])
    largest = first["largest"] or {"at": 0, "what": "none"}
    loaded = sum(got.values())
    print(
        f"{name:10} {moved:6.3f} {after:6.3f}  {largest['at'] / 1000:5.1f} s {largest['what'][:60]}"
        f"  {loaded / 1e6:.2f} MB + {frames[0] / 1e6:.2f} MB",
        flush=True,
    )
    if sources:
        for when, shifts in (("first", first["shifts"]), ("then", then["shifts"])):
            for one in shifts:
                if one["value"] > 0.005 and not one["asked"]:
                    print(f"  {when} {one['at'] / 1000:.2f} s {one['value']:.3f}")
                    for source in one["sources"]:
                        print(f"      {source}")
    if sources and name in ("home", "compare"):
        for id, size in sorted(got.items(), key=lambda kv: -kv[1])[:12]:
            print(f"      {size / 1000:.0f} kB {kinds.get(id, '?')[:110]}")
    context.close()


def act(page, name: str, width: int) -> None:
    """What a person does first on this page: a click on a hit, else another page by the menu."""
    if name in ("home", "compare"):
        hits = page.locator(".hit .open")
        hits.nth(4).scroll_into_view_if_needed()
        page.wait_for_timeout(600)
        page.evaluate("window.__arrival.shifts.length = 0")
        hits.nth(4).press("Enter")
        return
    if width < PHONE:
        page.get_by_test_id("stExpandSidebarButton").click()
        page.wait_for_timeout(800)
    to = "Library" if name != "library" else "Train"
    page.locator('section[data-testid="stSidebar"] a', has_text=to).click()


def shift(shifts: list[dict]) -> float:
    """Cumulative layout shift: the largest sum of a window of 5 s at most, whose shifts are less
    than 1 s apart (web.dev/cls)."""
    most = total = began = last = 0.0
    for one in shifts:
        if one["asked"]:
            continue
        if one["at"] - last > 1000 or one["at"] - began > 5000:
            began, total = one["at"], 0.0
        last, total = one["at"], total + one["value"]
        most = max(most, total)
    return most


if __name__ == "__main__":
    main()
