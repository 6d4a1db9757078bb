"""Training from the command line and as a job."""

from __future__ import annotations

import json
import time

import pytest

from core.cli.main import main
from core.encoders.base import encoders
from core.errors import Cancelled
from core.services import jobs
from core.services.training import runs, train
from core.training.resolve import resolve
from core.training.runs import Run
from core.training.train import begin, work
from tests.training.conftest import paint_textures

SMALL = ("size=32", "dim=16", "batch=16", "precision=fp32")
QUICK = [
    "--backbone",
    "test_resnet",
    "--threads",
    "1",
    *(word for pair in SMALL for word in ("--set", pair)),
]


def test_from_pictures_to_an_encoder_in_one_command(textures, capsys):
    told = [
        "train",
        "--recipe",
        "classify",
        "--dataset",
        str(textures),
        "--epochs",
        "1",
        "--name",
        "resnet.mine",
        *QUICK,
    ]
    assert main(told) == 0
    said = capsys.readouterr().out
    assert "--resume train-" in said
    assert "resnet.mine" in said
    assert "resnet.mine" in encoders.names()
    assert main(["train", "--list-runs", "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["state"], run["model"]) == ("done", "resnet.mine")
    assert (
        main(["train", "--resume", run["id"], "--json"]) == 0
    )  # a finished run is only written out again
    assert json.loads(capsys.readouterr().out)["name"] == "resnet.mine"


@pytest.fixture
def stopped(tiny, textures):
    """A run of ``classify`` that was stopped at its second step; and what it was asked for."""
    asked = {"datasets": (str(textures),), "batch": "64", "lr": "0.003", "epochs": 2}
    run = begin(
        tiny("classify", batch=12), "train-x", asked=asked
    )  # its batch was fitted: 64 were asked for
    with pytest.raises(Cancelled):
        work(run, lambda done, total: done < 2)
    return run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--resume", "train-x", "--epochs", "5"), "has epochs 2, and epochs 5 was given"),
        (("--resume", "train-x", "--set", "lr=99"), "has lr 0.003, and lr 99.0 was given"),
        (
            ("--resume", "train-x", "--recipe", "triplet"),
            "has recipe classify, and recipe triplet was given",
        ),
        (
            ("--resume", "train-x", "--name", "rs.other"),
            "has name classify.tiny, and name rs.other was given",
        ),
        (
            ("--resume", "train-x", "--backbone", "resnet18"),
            "has backbone test_resnet, and backbone resnet18 was given",
        ),
        (
            ("--resume", "train-x", "--pretrained"),
            "has pretrained False, and pretrained True was given",
        ),
        (
            ("--resume", "train-x", "--start-from", "a.b"),
            "has start_from none, and start_from a.b was given",
        ),
        (
            ("--resume", "train-x", "--dataset", "OTHER"),
            "has dataset {textures}, and dataset {other} was given",
        ),
        (
            ("--run", "train-x", "--recipe", "classify", "--dataset", "OTHER"),
            "and dataset {other} was given",
        ),
        (
            ("--run", "train-x", "--dataset", "SAME"),
            "has recipe classify, and recipe finetune was given",
        ),
        (("--resume", "train-x", "--run", "train-y"), "They name one run"),
        (("--resume", "train-x", "--estimate"), "an estimate is for one that is not"),
        (("--run", "train-x", "--estimate"), "an estimate is for one that is not"),
        (("--resume", "train-x", "--set", "colour=red"), "setting"),
    ],
)
def test_a_run_goes_on_as_it_was_begun_or_not_at_all(
    stopped, given, said, textures, tmp_path, here
):
    """An option that would be passed over is refused with a sentence, and nothing is learned."""
    other = paint_textures(tmp_path / "other")
    before = [line for line in stopped.lines() if line["kind"] == "step"]
    code, out, err = here(
        "train", *({"OTHER": str(other), "SAME": str(textures)}.get(word, word) for word in given)
    )
    assert (code, out) == (1, "")
    assert said.format(textures=textures, other=other) in err
    assert [line for line in stopped.lines() if line["kind"] == "step"] == before


def test_what_was_asked_for_or_decided_may_be_said_again(stopped, textures, here, monkeypatch):
    monkeypatch.chdir(textures.parent)
    again = (
        "--dataset",
        "textures",
        "--set",
        "batch=64",
        "--set",
        "lr=3e-3",
        "--epochs",
        "2",
        "--backbone",
        "test_resnet",
    )
    code, out, err = here(
        "train", "--run", "train-x", "--recipe", "classify", *again, "--threads", "1"
    )
    assert code == 0, err
    assert (
        out.splitlines()[0]
        == f"Continuing train-x: classify on {textures}, 2 epochs, classify.tiny"
    )
    assert here("train", "--resume", "train-x", "--set", "batch=12", "--json")[0] == 0
    assert here("train", "--resume", "train-x")[1].startswith(
        "The run train-x is finished: classify.tiny is written out again."
    )
    code, _, err = here("train", "--resume", "train-x", "--epochs", "3")
    assert (code, "--start-from classify.tiny" in err) == (1, True)


def test_a_run_remembers_its_pictures_by_a_path_from_the_root(textures, here, monkeypatch):
    monkeypatch.chdir(textures.parent)
    told = (
        "train",
        "--recipe",
        "classify",
        "--dataset",
        "textures",
        "--epochs",
        "1",
        "--run",
        "train-near",
        "--no-compare",
    )
    assert here(*told, *QUICK)[0] == 0
    assert Run("train-near").settings().datasets == (str(textures),)
    assert Run("train-near").asked["datasets"] == (str(textures),)


def test_an_estimate_and_the_recipes_as_json(textures, capsys):
    assert (
        main(
            [
                "train",
                "--recipe",
                "triplet",
                "--dataset",
                str(textures),
                "--estimate",
                "--json",
                *QUICK,
            ]
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["steps"] > 0
    assert main(["train", "--list-recipes", "--json"]) == 0
    assert {"triplet", "siamese"} <= {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize(
    "told",
    [
        ["train"],
        ["train", "--recipe", "triplets"],
        ["train", "--recipe", "triplet"],
        ["train", "--resume", "train-nothing"],
        ["train", "--recipe", "triplet", "--dataset", "/nowhere"],
        ["train", "--recipe", "triplet", "--set", "lr"],
        ["import-model", "--file", "/nowhere.pth", "--backbone", "resnet18", "--name", "a.b"],
    ],
)
def test_wrong_commands_end_with_a_sentence(told, capsys):
    assert main(told) == 1
    error = capsys.readouterr().err
    assert error.strip()
    assert "Traceback" not in error
    assert "Unexpected error" not in error


def test_a_job_is_stopped_and_what_it_learned_is_kept(tiny):
    """How it goes on: a killed run in test_resume.py, and a job from the page in
    tests/browser/test_train.py."""
    settings = resolve(tiny("classify", epochs=400, checkpoint_s=0.2, name="resnet.job"))
    job, run = train.start(settings)
    try:
        # A signal may come in the middle of a step: what is kept is what the last checkpoint holds.
        wait_for(lambda: runs.status(run).step > 5 and Run(run).checkpoint.exists())
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
