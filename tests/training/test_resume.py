"""Stopped anywhere and resumed, a run gives the curve and the weights of one that was never
stopped."""

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
    return [
        (line["kind"], line["step"], line.get("loss"), line.get("lr"), str(line.get("scores")))
        for line in run.lines()
        if line["kind"] in ("step", "validation")
    ]


def stop_at(step: int):
    return lambda done, total: done < step


@pytest.mark.parametrize(
    ("recipe", "changes"),
    [
        ("classify", {"ema": 0.9, "freeze_epochs": 1}),
        ("triplet", {"loss": "triplet + proxy-anchor"}),
        ("selfsup", {}),
        ("autoencoder", {}),
    ],
)
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
    assert store.digest(first / "weights.safetensors") == store.digest(
        second / "weights.safetensors"
    )


def test_a_killed_run_goes_on_with_the_same_curve(tiny, artifacts):
    whole = begin(tiny("classify", name="net.whole", epochs=4))
    killed = begin(tiny("classify", name="net.killed", epochs=4, checkpoint_s=0))
    first = work(whole)
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    child = subprocess.Popen(
        [sys.executable, "-c", CODE.format(killed.id)], env=env, cwd=REPOSITORY
    )
    try:
        end = time.monotonic() + 300
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
    assert store.digest(first / "weights.safetensors") == store.digest(
        second / "weights.safetensors"
    )


def _cut(data: bytes) -> bytes:
    return data[:1000]


def _flipped(data: bytes) -> bytes:
    place = len(data) - 500
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


HARMS = {
    "cut": _cut,
    "bit": _flipped,
    "zeros": lambda data: bytes(len(data)),
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_damaged_checkpoint_counts_as_absent_and_the_log_says_so(tiny, harm):
    whole, run = (
        begin(tiny("classify", name="net.whole", epochs=1)),
        begin(tiny("classify", epochs=1)),
    )
    first = work(whole)
    with pytest.raises(Cancelled):
        work(run, stop_at(3))
    run.checkpoint.write_bytes(harm(run.checkpoint.read_bytes()))
    second = work(run)
    assert any("starts from its beginning" in line.get("message", "") for line in run.lines())
    assert run.checkpoint.with_suffix(".damaged").exists()
    assert curve(run) == curve(whole)
    assert store.digest(first / "weights.safetensors") == store.digest(
        second / "weights.safetensors"
    )


def test_a_checkpoint_of_another_network_is_refused(tiny):
    run, other = begin(tiny("classify")), begin(tiny("classify", name="net.other", dim=8))
    for one in (run, other):
        with pytest.raises(Cancelled):
            work(one, stop_at(3))
    run.checkpoint.write_bytes(other.checkpoint.read_bytes())
    with pytest.raises(UserError, match="does not fit"):
        work(run)


def test_two_runs_of_one_seed_are_the_same_and_of_two_seeds_are_not(tiny):
    runs = [
        begin(tiny("classify", seed=seed, name=f"net.n{number}", epochs=1))
        for number, seed in enumerate((5, 5, 6))
    ]
    for run in runs:
        work(run)
    assert curve(runs[0]) == curve(runs[1]) != curve(runs[2])
