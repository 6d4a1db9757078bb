"""What a command loads: a search by colours needs no deep learning library."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.plugged import ROOT

PROBE = """
import sys
from core.cli.main import main
code = main({arguments!r})
heavy = [name for name in ("torch", "timm", "torchvision", "faiss", "streamlit", "sklearn") if name in sys.modules]
print("LOADED", code, heavy, file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [
            "search",
            "--dataset",
            "catalogue",
            "--encoder",
            "hsv.12x4x4",
            "--query",
            "id:mug-00-0",
            "--json",
        ],
        ["build", "--dataset", "catalogue", "--encoders", "hsv.12x4x4,tiny.16x16"],
        ["encoders", "--json"],
        ["encoders", "--name", "hsv.12x4x4"],
        ["datasets"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_need_no_network_do_not_load_one(plugged, arguments):
    command = [sys.executable, "-c", PROBE.format(arguments=arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=plugged.env, capture_output=True, text=True, check=True
    )
    assert "LOADED 0 []" in done.stderr, done.stderr
