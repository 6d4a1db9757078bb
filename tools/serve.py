"""The app on a free loopback port, and a Chromium to look at it: shared by the screenshots and the browser tests."""

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


@contextmanager
def serving(artifacts: Path, timeout_s: float = 120.0, **environment: str) -> Iterator[str]:
    """Run the app with its own artifacts folder; gives its address. Ends the process that it started, whatever happens."""
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    env = {**os.environ, "LOOKALIKE_ARTIFACTS": str(artifacts), **environment}
    artifacts.mkdir(parents=True, exist_ok=True)
    with open(artifacts / "server.log", "wb") as log:
        process = subprocess.Popen(
            [*command, "--server.address", "127.0.0.1", "--server.headless", "true"],
            cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process, timeout_s)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def chromium() -> Iterator:
    """A headless Chromium of the system, else Playwright's own."""
    from playwright.sync_api import sync_playwright

    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()


def settle(page, quiet_ms: int = 150) -> None:
    """Wait until the script has run and nothing has started it again for a moment."""
    page.locator(".ll-head").wait_for()
    for _ in range(3):
        page.wait_for_function("document.querySelector('.stApp')?.dataset.testScriptState === 'notRunning'")
        page.wait_for_timeout(quiet_ms)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(url: str, process: subprocess.Popen, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the app ended before it answered; its log is server.log in the artifacts folder")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the app did not answer within {timeout_s:.0f} s")
