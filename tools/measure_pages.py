"""How long a person waits: from ``make demo`` to the first answer, and for the steps of Compare, in
a real Chromium.

    python tools/measure_pages.py [--rounds 3]

Every round has an artifacts folder of its own, so nothing is in its cache; the packages are
installed already.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from PIL import Image

from core.services.hardware import busy, hardware
from tools.demo import free_port
from tools.serve import ROOT, chromium, settle

EXAMPLE, COLUMNS = 15, 30
"""Hits of the example on Home, and of three columns on Compare."""
PATIENCE_MS = 120_000
LOOK_MS = 20
"""Between two looks at the page; hits stand in a shadow tree, which a waiting script in the page
does not see."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print(f"{hardware()}; programs that want each core: {busy()}")
    with chromium() as browser:
        for number in range(rounds):
            print(
                f"round {number + 1}: "
                + ", ".join(f"{what} {took:.2f} s" for what, took in once(browser)),
                flush=True,
            )


def once(browser) -> Iterator[tuple[str, float]]:
    """(what, seconds) of one demo from its start to its end."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, demo(folder) as address:
        yield "address", time.perf_counter() - began
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.locator(".hit").nth(EXAMPLE - 1).wait_for()
        yield "first answer, in all", time.perf_counter() - began
        settle(page)
        began = time.perf_counter()
        page.goto(f"{address}/compare")
        page.locator(".hit").nth(COLUMNS - 1).wait_for()
        yield "Compare", time.perf_counter() - began
        settle(page)
        yield "search with a hit", answer(page, lambda: page.locator(".open").nth(4).press("Enter"))
        chosen = {"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": picture()}
        yield (
            "upload",
            answer(page, lambda: page.locator("input[type=file]").first.set_input_files(chosen)),
        )
        page.close()


def answer(page, act) -> float:
    """Seconds from what a person does to other hits."""
    before = hits(page)
    began = time.perf_counter()
    act()
    while hits(page) in (before, []):
        if time.perf_counter() - began > PATIENCE_MS / 1000:
            raise RuntimeError("no other hits came")
        page.wait_for_timeout(LOOK_MS)
    took = time.perf_counter() - began
    settle(page)
    return took


def hits(page) -> list[str]:
    return page.locator(".hit").evaluate_all("nodes => nodes.map(node => node.dataset.id)")


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1600, 1200), (190, 40, 60)).save(out, "JPEG")
    return out.getvalue()


@contextmanager
def demo(artifacts: str) -> Iterator[str]:
    """``make demo`` with its own artifacts folder; gives the address that it prints."""
    process = subprocess.Popen(
        ["make", "-s", "demo", f"PORT={free_port(8601)}"],
        cwd=ROOT,
        env={**os.environ, "LOOKALIKE_ARTIFACTS": artifacts},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        line = next((line for line in process.stdout if "http://" in line), None)
        if line is None:
            raise RuntimeError("make demo ended without an address")
        yield next(word for word in line.split() if word.startswith("http://"))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


if __name__ == "__main__":
    main()
