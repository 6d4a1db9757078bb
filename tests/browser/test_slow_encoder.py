"""Compare while an encoder takes its time: here until a file is there, so that nothing depends on
how fast the machine is."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from core.services.search.engines import RUNS
from tests.browser.waiting import IDS, answered, becomes, eventually
from tests.plugged import ROOT, paint
from tools.serve import serving, settle

pytestmark = pytest.mark.browser
QUICK, SLOW = "tiny.16x16", "slow.test"
BUILD = """
import sys
from core.cli.main import main
from core.services.library import library
from pages.parts import given
locator = library.add_folder(sys.argv[1])
assert main(["build", "--dataset", locator, "--encoders", sys.argv[2], "--json"]) == 0
print(given.public_name(locator))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the pictures ``pictures``, the file ``gate`` that lets the encoder go on, and
    the file ``diary``: a line for each picture that it encoded."""
    made = tmp_path_factory.mktemp("slow")
    paint(made / "pictures", [f"{number:02d}.png" for number in range(12)])
    (made / "gate").touch()
    (made / "diary").touch()
    return made


@pytest.fixture(scope="module")
def address(home):
    env = {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "plugin"), str(ROOT)]),
        "TEST_DIARY": str(home / "diary"),
        "TEST_GATE": str(home / "gate"),
        "LOOKALIKE_WARM": "0",
    }
    asked = [sys.executable, "-c", BUILD, str(home / "pictures"), f"{QUICK},{SLOW}"]
    done = subprocess.run(
        asked,
        cwd=ROOT,
        env={**os.environ, **env, "LOOKALIKE_ARTIFACTS": str(home / "artifacts")},
        capture_output=True,
        text=True,
        check=True,
    )
    with serving(home / "artifacts", **env) as url:
        address.name = done.stdout.splitlines()[-1]
        yield url


def column(page, key: str):
    return page.locator(f'.column[data-key="{key}"]')


def hits(page, key: str) -> list[str]:
    return column(page, key).locator(".hit").evaluate_all(IDS)


def another(page, place: int) -> list[str]:
    """The quick encoder's hits for the hit at ``place``, once they stand there."""
    before = hits(page, QUICK)
    column(page, QUICK).locator(".open").nth(place).press("Enter")
    return eventually(page, lambda: hits(page, QUICK), lambda now: now and now != before)


def encoded(home: Path) -> list[str]:
    return (home / "diary").read_text().split()


def test_a_slow_encoder_keeps_neither_columns_nor_clicks_waiting(open_at, home):
    path = f"compare?dataset={address.name}&encoders={QUICK},{SLOW}&together=rrf&k=5&subject=whole"
    page = open_at(path)
    answered(page, 15)
    settle(page)  # no times are being taken any more
    (home / "gate").unlink()
    known, first = len(encoded(home)), hits(page, QUICK)
    for place in (0, 2):  # the second click comes while the first answer is still being made
        others = another(page, place)
        assert len(others) == 5
        expect(column(page, SLOW)).to_have_attribute("aria-busy", "true")
        expect(column(page, SLOW)).to_contain_text("Searching")
        expect(column(page, "together")).to_contain_text("Waiting for the others")
        assert len(encoded(home)) == known, "the encoder is still at work"
    column(page, QUICK).locator("img").first.evaluate("image => { image.drawnBefore = true; }")
    (home / "gate").touch()
    answered(page, 15)
    expect(column(page, SLOW)).to_have_attribute("aria-busy", "false")
    assert hits(page, QUICK) != first
    assert column(page, QUICK).locator("img").first.evaluate("image => image.drawnBefore === true")
    becomes(page, lambda: len(set(encoded(home)[known:])), 2)
    settle(page)
    left, asked = encoded(home)[known:][:2]
    # once; and again for the times, which are given up where a run takes long
    becomes(page, lambda: 1 <= encoded(home)[known:].count(asked) <= 1 + RUNS, True)
    assert encoded(home)[known:].count(left) == 1, "for its column alone"
