"""Stopped anywhere and resumed, a run gives the curve and the weights of one that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core import store
from core.errors import Cancelled, UserError
from core.training.train import begin, work

REPOSITORY = Path(__file__).parents[2]
CODE = """
import torch
torch.set_num_threads(1)
from core.training.runs import Run
from core.training.train import work
work(Run({!r}))
"""


def curve(run) -> list[tuple]:
    return [(line["kind"], line["step"], line.get("loss"), line.get("lr"), str(line.get("scores")))
            for line in run.lines() if line["kind"] in ("step", "validation")]  # fmt: skip


def stop_at(step: int):
    return lambda done, total: done < step


@pytest.mark.parametrize(("recipe", "changes"), [
    ("classify", {"ema": 0.9, "freeze_epochs": 1}), ("triplet", {"loss": "triplet + proxy-anchor"}), ("selfsup", {}),
    ("autoencoder", {}),
])  # fmt: skip
def test_resumed_equals_never_stopped_bit_for_bit(recipe, changes, tiny):
    whole = begin(tiny(recipe, name="net.whole", **changes))
    first = work(whole)
    parts = begin(tiny(recipe, name="net.parts", **changes))
    for step in (4, 6, 9):  # in the middle of an epoch, at its end, in the next
        with pytest.raises(Cancelled):
            work(parts, stop_at(step))
    second = work(parts)
    assert curve(parts) == curve(whole)
    assert len([line for line in curve(whole) if line[0] == "step"]) == 12
    assert store.digest(first / "weights.safetensors") == store.digest(second / "weights.safetensors")


def test_a_killed_run_goes_on_with_the_same_curve(tiny, artifacts):
    whole = begin(tiny("classify", name="net.whole", epochs=4))
    killed = begin(tiny("classify", name="net.killed", epochs=4, checkpoint_s=0))
    first = work(whole)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    child = subprocess.Popen([sys.executable, "-c", CODE.format(killed.id)], env=env, cwd=REPOSITORY)
    try:
        end = time.monotonic() + 60
        while len([line for line in killed.lines() if line["kind"] == "step"]) < 8:
            assert time.monotonic() < end, "it never came to step 8"
            assert child.poll() is None, "it ended by itself"
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    with open(killed.folder / "log.jsonl", "a") as file:
        file.write('{"kind": "st')  # what a kill leaves of a line
    second = work(killed)
    assert curve(killed) == curve(whole)
    assert store.digest(first / "weights.safetensors") == store.digest(second / "weights.safetensors")


def test_a_damaged_checkpoint_is_an_error_and_no_traceback(tiny):
    run = begin(tiny("classify"))
    with pytest.raises(Cancelled):
        work(run, stop_at(3))
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:1000])
    with pytest.raises(UserError, match="checkpoint"):
        work(run)


def test_two_runs_of_one_seed_are_the_same_and_of_two_seeds_are_not(tiny):
    runs = [begin(tiny("classify", seed=seed, name=f"net.n{number}", epochs=1)) for number, seed in enumerate((5, 5, 6))]
    for run in runs:
        work(run)
    assert curve(runs[0]) == curve(runs[1]) != curve(runs[2])
