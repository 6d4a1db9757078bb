"""Fine-tuning with no other option than the pictures: real photographs, from the command line, and
what it changed."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from PIL import Image

from core.cli.main import main
from core.services.training import effect, runs

pytestmark = pytest.mark.slow
LITE = "tf_efficientnet_lite0.in1k"


def trained(folder: Path, capsys) -> dict:
    """What a default run on a folder says as JSON."""
    assert main(["train", "--dataset", str(folder), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_default_run_finds_clothes_far_better(photographs, capsys):
    told = trained(photographs / "clothing", capsys)
    (found,) = told["effect"]
    assert (found["queries"], found["asked"], found["encoders"][0]) == (372, "split", LITE)
    assert found["change"] >= 0.20
    assert found["low"] > 0.15
    assert found["hit1"][1] > found["hit1"][0]
    assert found["p10"][1] > found["p10"][0]
    (run,) = runs.run_ids()
    (pets,) = [
        one
        for one in effect.before_after(run, [str(photographs / "cats_dogs")])
        if one.dataset == "cats_dogs"
    ]
    assert pets.queries == 1000
    assert pets.learned is False
    assert pets.change > -0.25, "it forgets less than it learned"


@pytest.fixture
def forty(photographs, tmp_path) -> Path:
    """A folder of 1,000 photographs in 40 classes."""
    rows = parquet.read_table(
        photographs / "tiny_imagenet" / "train-00000-of-00004.parquet"
    ).to_pylist()
    names = sorted({row["wnid"] for row in rows})[::5][:40]
    for name in names:
        for number, row in enumerate([row for row in rows if row["wnid"] == name][:25]):
            path = tmp_path / "forty" / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            held = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
            Image.open(io.BytesIO(held)).convert("RGB").save(path)
    return tmp_path / "forty"


def test_the_default_run_loses_nothing_on_a_thousand_photographs_of_forty_kinds(forty, capsys):
    told = trained(forty, capsys)
    (found,) = told["effect"]
    assert found["asked"] == "held"
    assert found["queries"] >= 80
    assert found["after"] >= found["before"]
