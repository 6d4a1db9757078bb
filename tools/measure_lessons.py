"""How long the live part of each lesson takes to answer, warm: in the process, and as a person sees
it in a real Chromium. Measure on a quiet machine.

    python tools/measure_lessons.py              prints the table
    python tools/measure_lessons.py --write      and puts it into docs/measured.md
    python tools/measure_lessons.py --only hashing,maps
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from streamlit.testing.v1 import AppTest

from core.services.hardware import busy, hardware
from pages.parts.learn import dials, lesson
from tools.serve import chromium, serving, settle

TIMES = 5
LIMIT_S = 0.5
"""What a lesson may take (docs/measured.md)."""
PATIENCE_MS = 120_000
BEGIN, END = "<!-- lessons:begin (written by tools/measure_lessons.py) -->", "<!-- lessons:end -->"
WATCH = """() => {
    const part = document.querySelector('.st-key-learn_live');
    const watch = window.__answer = { began: performance.now(), last: 0 };
    const moved = () => { watch.last = performance.now(); };
    const look = (root) => { new MutationObserver(moved).observe(root, { subtree: true, childList: true, characterData: true, attributes: true });
        root.querySelectorAll('*').forEach((one) => { if (one.shadowRoot) look(one.shadowRoot); }); };
    look(part);
}"""
DONE = """() => { const watch = window.__answer, app = document.querySelector('.stApp');
    return app.dataset.testScriptState === 'notRunning' && performance.now() - Math.max(watch.last, watch.began) > 700; }"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="lessons, separated by commas")
    parser.add_argument("--write", action="store_true", help="into docs/measured.md")
    options = parser.parse_args()
    names = [one for one in options.only.split(",") if one] or lesson.names()
    load = busy()
    inside = {name: in_process(name) for name in names}
    with (
        tempfile.TemporaryDirectory() as scratch,
        serving(Path(scratch)) as address,
        chromium() as browser,
    ):
        outside = {name: in_browser(browser, address, name) for name in names}
    text = table(inside, outside, load)
    print(text)
    if options.write:
        write(text)


def in_process(name: str) -> list[float]:
    """Seconds of the live part alone, each time with another value of one of its controls."""
    app = AppTest.from_function(_live, kwargs={"name": name}, default_timeout=PATIENCE_MS / 1000)
    app.run()
    if app.exception:
        raise RuntimeError(f"{name}: {app.exception[0].value}")
    took = []
    for number, move in zip(range(TIMES + 1), _moves(app), strict=False):
        move()
        began = time.perf_counter()
        app.run()
        if number:  # the first may load what all later ones find
            took.append(time.perf_counter() - began)
    return took


def _live(name: str) -> None:
    from pages.parts.learn import dials, lesson

    dials.begin(name)
    lesson.module(name).live()


def _moves(app: AppTest) -> Iterator[Callable[[], object]]:
    """One control after another, each time with another of its values."""
    number = 0
    while True:
        number += 1
        every = [*app.selectbox, *app.slider, *app.toggle]
        yield functools.partial(_turn, app, every[number % len(every)], number)


def _turn(app: AppTest, control, number: int) -> None:
    """Another value of a control."""
    if control.type == "selectbox":
        known = {one.key: one.kind for one in app.session_state[dials.DRAWN].values()}
        options = list(known[control.key].read.__self__.values())  # of `dials._one_of`
        control.set_value(options[number % len(options)])
    elif control.type == "slider":
        steps = int((control.max - control.min) / control.step)
        control.set_value(control.min + control.step * (1 + number * 3 % steps))
    else:
        control.set_value(not control.value)


def in_browser(browser, address: str, name: str) -> list[float]:
    """Seconds from a key press on a control to the last change that it makes in the live part."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}/learn?lesson={name}")
    settle(page, 1000)
    took = []
    for number in range(TIMES + 1):
        act = control(page, number)
        page.evaluate(WATCH)
        act()
        page.wait_for_function(DONE, polling=50)
        if number:
            took.append(page.evaluate("(window.__answer.last - window.__answer.began) / 1000"))
    page.close()
    return took


def control(page, number: int) -> Callable[[], None]:
    """What a person does: moves the point, a slider, or takes the next of a few choices."""
    part = page.locator(".st-key-learn_live")
    key = "ArrowRight" if number % 4 < 2 else "ArrowLeft"
    for found in (part.locator(".handle"), part.get_by_role("slider")):
        if found.count():
            one = found.first
            one.focus()
            return lambda: one.press(key)
    cell = part.locator(".ranking .cell")
    if cell.count():
        one = cell.nth(number % 3)
        one.focus()
        return lambda: one.press("ArrowRight")
    others = part.locator('[data-testid="stButtonGroup"] button:not([aria-checked="true"])')
    return others.nth(number % others.count()).click


def table(inside: dict[str, list[float]], outside: dict[str, list[float]], load: float) -> str:
    """The figures as Markdown, the slowest lesson first."""
    median = statistics.median
    lines = [
        f"{hardware()}; programs that want each core before: {load}. Median of {TIMES}, each with"
        f" another value; the limit is {LIMIT_S:g} s.",
        "",
        "| lesson | the live part alone | as seen in the browser |",
        "|---|---:|---:|",
    ]
    for name in sorted(inside, key=lambda one: -median(outside[one])):
        title = lesson.get(name).title
        lines.append(f"| {title} | {median(inside[name]):.2f} s | {median(outside[name]):.2f} s |")
    slow = [lesson.get(name).title for name, took in outside.items() if median(took) > LIMIT_S]
    lines += ["", f"Over the limit: {', '.join(slow) or 'none'}."]
    return "\n".join(lines)


def write(text: str) -> None:
    """Between the marks in docs/measured.md."""
    file = ROOT / "docs" / "measured.md"
    whole = file.read_text("utf-8")
    head, _, rest = whole.partition(BEGIN)
    tail = rest.partition(END)[2]
    file.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", "utf-8")


if __name__ == "__main__":
    main()
