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
    assert "LOADED 0 []" in said(plugged, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["build", "--dataset", "catalogue", "--encoders", "resnet5o.tv_in1k"],
        ["compile", "--encoders", "nothing.x"],
        ["train"],
        ["train", "--dataset", "catalog"],
        ["train", "--recipe", "magic", "--dataset", "catalogue"],
        ["import-model", "--file", "nowhere.pth", "--backbone", "resnet18", "--name", "a.b"],
        ["map", "--dataset", "catalogue", "--encoder", "hog.8x8", "--colour", "colr"],
        ["evaluate", "--datasets", "catalogue", "--encoders", "ready", "--metric", "mAPP"],
    ],
    ids=" ".join,
)
def test_what_is_misspelt_is_refused_before_a_library_is_loaded(plugged, arguments):
    """Seconds later, a minute on a busy machine, nobody knows any more what was typed."""
    assert "LOADED 1 []" in said(plugged, arguments)


def said(plugged, arguments: list[str]) -> str:
    command = [sys.executable, "-c", PROBE.format(arguments=arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=plugged.env, capture_output=True, text=True, check=True
    )
    return done.stderr
