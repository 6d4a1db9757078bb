"""Training from the command line and as a job."""

from __future__ import annotations

import json
import time

import pytest

from core.cli.main import main
from core.encoders.base import encoders
from core.services import jobs, runs, train
from core.training.runs import Run
from core.training.settle import settle

SMALL = ("size=32", "dim=16", "batch=16", "precision=fp32")
QUICK = ["--backbone", "test_resnet", "--threads", "1", *(word for pair in SMALL for word in ("--set", pair))]


def test_from_pictures_to_an_encoder_in_one_command(textures, capsys):
    told = ["train", "--recipe", "classify", "--dataset", str(textures), "--epochs", "1", "--name", "resnet.mine", *QUICK]
    assert main(told) == 0
    said = capsys.readouterr().out
    assert "--resume train-" in said
    assert "resnet.mine" in said
    assert "resnet.mine" in encoders.names()
    assert main(["train", "--list-runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["state"], run["model"]) == ("done", "resnet.mine")
    assert main(["train", "--resume", run["id"], "--json"]) == 0  # a finished run is only written out again
    assert json.loads(capsys.readouterr().out)["name"] == "resnet.mine"


def test_an_estimate_and_the_recipes_as_json(textures, capsys):
    assert main(["train", "--recipe", "triplet", "--dataset", str(textures), "--estimate", "--json", *QUICK]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] > 0
    assert main(["train", "--list-recipes", "--json"]) == 0
    assert {"triplet", "siamese"} <= {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("told", [
    ["train"], ["train", "--recipe", "triplets"], ["train", "--recipe", "triplet"], ["train", "--resume", "train-nothing"],
    ["train", "--recipe", "triplet", "--dataset", "/nowhere"], ["train", "--recipe", "triplet", "--set", "lr"],
    ["import-model", "--file", "/nowhere.pth", "--backbone", "resnet18", "--name", "a.b"],
])  # fmt: skip
def test_wrong_commands_end_with_a_sentence(told, capsys):
    assert main(told) == 1
    error = capsys.readouterr().err
    assert error.strip()
    assert "Traceback" not in error
    assert "nobody expected" not in error


def test_a_job_is_stopped_and_what_it_learned_is_kept(tiny):
    """How it goes on: a killed run in test_resume.py, and a job from the page in tests/browser/test_train.py."""
    settings = settle(tiny("classify", epochs=400, checkpoint_s=0.2, name="resnet.job"))
    job, run = train.start(settings)
    try:
        wait_for(lambda: runs.status(run).step > 5)
        assert runs.status(run).state == "running"
        assert runs.job_of(run).id == job
        train.stop(run)
        stopped = runs.status(run)
        assert stopped.state == "stopped"
        assert stopped.step < stopped.steps
        assert Run(run).checkpoint.exists()
    finally:
        train.stop(run)
    assert jobs.status(job).state == "cancelled"


def wait_for(condition, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)
