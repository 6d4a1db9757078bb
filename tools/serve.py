"""The app on a free loopback port, and a Chromium to look at it: shared by the screenshots and the
browser tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",  # a camera that shows a test picture
]
NEVER_QUIET_MS = 15_000
STARTS_MS = 180_000
"""Longest wait for a Chromium: a machine that does other things too is slow, not broken."""
WATCH = """() => {
    const app = document.querySelector('.stApp');
    const watch = (window.__settling = { began: performance.now(), moved: performance.now() });
    const moved = (_, seen) => { if (window.__settling === watch) watch.moved = performance.now(); else seen.disconnect(); };
    new MutationObserver(moved).observe(app, { attributeFilter: ['data-test-script-state'] });
}"""
QUIET = """([quiet, enough]) => {
    const watch = window.__settling, now = performance.now();
    if (document.querySelector('.stApp')?.dataset.testScriptState !== 'notRunning') { watch.moved = now; return false; }
    return now - watch.moved >= quiet || now - watch.began >= enough;
}"""


@contextmanager
def serving(artifacts: Path, timeout_s: float = 300.0, **environment: str) -> Iterator[str]:
    """Run the app with its own artifacts folder; gives its address. Ends the process that it
    started, whatever happens."""
    port = free_port()
    process = start(artifacts, port, **environment)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", process, timeout_s)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def start(artifacts: Path, port: int, **environment: str) -> subprocess.Popen:
    """The process of the app on a port of loopback; what it says is in ``server.log``."""
    command = [sys.executable, "tools/app.py", "--server.port", str(port)]
    env = {**os.environ, "LOOKALIKE_ARTIFACTS": str(artifacts), **environment}
    artifacts.mkdir(parents=True, exist_ok=True)
    with open(artifacts / "server.log", "ab") as log:
        return subprocess.Popen(
            [*command, "--server.address", "127.0.0.1", "--server.headless", "true"],
            cwd=ROOT,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def end(process: subprocess.Popen) -> None:
    """End a process: asked first, then killed."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


@contextmanager
def chromium(profile: Path | None = None) -> Iterator:
    """A headless Chromium of the system, else Playwright's own.

    With a folder for a profile the browser's first context keeps what it loaded and compiled there,
    as a person's does; contexts that are made later begin with nothing, and so does the only kind
    without one.
    """
    from playwright.sync_api import sync_playwright

    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as play:
        launch = play.chromium
        if profile is None:
            browser = opened = launch.launch(executable_path=found, args=FLAGS, timeout=STARTS_MS)
        else:
            opened = launch.launch_persistent_context(
                profile, executable_path=found, args=FLAGS, timeout=STARTS_MS
            )
            browser = opened.browser
        try:
            yield browser
        finally:
            opened.close()


def settle(page, quiet_ms: int = 400) -> None:
    """Wait until the script has run and nothing has started it again for a moment.

    A page that runs its script every second (a build's progress) may never be quiet for long: it
    counts as settled after ``NEVER_QUIET_MS``. What an action is to change has to be waited for by
    itself: the run that it causes may begin late.
    """
    page.locator(".ll-head").wait_for(state="attached")  # hidden while a talk is presented
    page.evaluate(WATCH)
    page.wait_for_function(QUIET, arg=[quiet_ms, NEVER_QUIET_MS], polling=50)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(url: str, process: subprocess.Popen, timeout_s: float) -> None:
    """Until the server answers. Raises RuntimeError where its process ends before, or the time is
    over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(
                "the app ended before it answered; what it said last (tests: server.log) says why"
            )
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.03)
    raise RuntimeError(f"the app did not answer within {timeout_s:.0f} s")
