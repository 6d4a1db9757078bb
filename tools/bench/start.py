"""How long a person waits: the first answer after ``make demo``, an answer after a click, and what a
page's own script costs when it is drawn again.

    python tools/bench/start.py [--rounds 3]

The first two are seen in a real Chromium (``tools/measure_pages.py``), and left out where there is
none. The last is CPU time of the script alone, without a browser: each page is drawn as on the
embedded gallery, and once more with everything in memory; the median of ``--rounds``.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from core.services.hardware import busy, hardware
from tools.bench.ratios import Row

TITLE = "From make demo to an answer"
STEPS = {"first answer, in all": 4.0, "search with a hit": 0.45}
"""What :mod:`tools.measure_pages` times -> the most seconds that it should take."""
PAGES = ("", "compare", "library", "metrics", "map", "index_lab", "learn", "arena", "train")
PAGE_MS, PATIENCE_S = 100.0, 300.0
ROUNDS = 3
DRAWN = 5
"""Times that a page is drawn with everything in memory."""


def steps(rounds: int) -> dict[str, list[float]]:
    """Seconds of each step, each round; nothing where no browser can be driven."""
    from tools import measure_pages

    taken: dict[str, list[float]] = {}
    with suppress(ImportError), measure_pages.chromium() as browser:
        for _ in range(rounds):
            for what, seconds in measure_pages.once(browser):
                taken.setdefault(what, []).append(seconds)
    return taken


def page_ms(page: str) -> tuple[float, float]:
    """CPU milliseconds of a page's script: the first time, and the median of later times."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=PATIENCE_S)
    if page:
        app.switch_page(f"pages/{page}.py")
    taken = []
    for _ in range(2 + DRAWN):  # the second may find what the first began to load
        began = time.process_time()
        app.run()
        taken.append(1000 * (time.process_time() - began))
        if app.exception:
            raise RuntimeError(f"{page or 'home'}: {app.exception[0].message}")
    return taken[0], median(taken[2:])


def rows() -> Iterator[Row]:
    for what, seconds in steps(ROUNDS).items():
        yield Row(
            f"make demo: {what}" if what in ("address", "first answer, in all") else what,
            median(seconds),
            goal=STEPS.get(what),
            at_most=True,
            unit="s",
            told=", ".join(f"{one:.2f}" for one in seconds),
        )
    for page, (first, again) in drawn().items():
        yield Row(
            f"script of {page or 'home'}, drawn again: CPU",
            again,
            goal=PAGE_MS,
            at_most=True,
            unit="ms",
            told=f"first {first:.0f} ms",
        )


def drawn() -> dict[str, tuple[float, float]]:
    """Page -> :func:`page_ms`, with an artifacts folder of its own."""
    logging.disable(logging.WARNING)
    before = os.environ.get("LOOKALIKE_ARTIFACTS")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["LOOKALIKE_ARTIFACTS"] = home
        try:
            return {page: page_ms(page) for page in PAGES}
        finally:
            os.environ.pop("LOOKALIKE_ARTIFACTS")
            if before is not None:
                os.environ["LOOKALIKE_ARTIFACTS"] = before


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    told.add_argument("--rounds", type=int, default=ROUNDS, help=f"(default: {ROUNDS})")
    rounds = told.parse_args().rounds
    print(f"{hardware()}; programs that want each core: {busy()}")
    for what, seconds in (steps(rounds) if rounds else {}).items():
        print(f"{what}: {', '.join(f'{one:.2f}' for one in seconds)} s")
    for page, (first, again) in drawn().items():
        print(f"script of {page or 'home'}: first {first:.0f} ms, again {again:.0f} ms of CPU")


if __name__ == "__main__":
    main()
