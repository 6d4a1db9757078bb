"""What an evaluation keeps: all that was finished when it was killed, and the times of a calm
machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from core.metrics import stream
from core.services.evaluation import latency, reports
from core.services.evaluation.evaluate import evaluate
from core.services.library import library

ROOT = Path(__file__).parent.parent.parent
ENCODERS = ["hsv.12x4x4", "tiny.16x16", "hog.8x8"]
DIES = """
import os, signal, sys
from core.cli.main import main
from core.metrics import stream
real, calls = stream.evaluate, []
def counted(*given, **named):
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **named)
stream.evaluate = counted
main(sys.argv[1:])
"""


def test_only_what_was_not_finished_is_judged_again(pictures, monkeypatch):
    asked = [
        "evaluate",
        "--datasets",
        str(pictures),
        "--encoders",
        ",".join(ENCODERS),
        "--no-latency",
        "--name",
        "broken",
    ]
    done = subprocess.run(
        [sys.executable, "-c", DIES, *asked], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    assert "broken" not in reports.listing(), "a report is there whole or not at all"
    evaluated, real = [], stream.evaluate
    monkeypatch.setattr(stream, "evaluate", lambda *a, **b: evaluated.append(1) or real(*a, **b))
    report = evaluate(
        "broken", [library.open_dataset(str(pictures), fresh=True)], ENCODERS, timed=False
    )
    assert len(evaluated) == 2
    assert [cell.encoder for cell in report.cells] == ENCODERS


def test_times_of_a_busy_machine_are_taken_again_on_a_calm_one(pictures, monkeypatch):
    dataset, found = library.open_dataset(str(pictures), fresh=True), []
    for now in (4.0, 3.0, 0.4, 0.2, 3.0):
        monkeypatch.setattr(latency, "busy", lambda now=now: now)
        found.append(evaluate("timed", [dataset], ENCODERS[:1]).cells[0].latency)
    assert [times["busy"] for times in found] == [4.0, 4.0, 0.4, 0.4, 0.4]
    assert found[0] == found[1] != found[2] == found[3] == found[4]
