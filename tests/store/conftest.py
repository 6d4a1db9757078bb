"""A fresh artifacts folder for every test, and builders that run as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def artifacts(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def start():
    """``start(code)`` runs Python code in a process with the same artifacts folder; all are killed
    at the end."""
    running: list[subprocess.Popen] = []

    def run(code: str, **options) -> subprocess.Popen:
        env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        child = subprocess.Popen(
            [sys.executable, "-c", code],
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        running.append(child)
        return child

    yield run
    for child in running:
        child.kill()
        child.communicate()


def wait_for(condition, seconds: float = 300.0) -> None:
    """Poll until ``condition()`` holds; fails when it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
