"""A slim ResNet goes on with real photographs of clothes, from the command line, and what it changed is told."""

from __future__ import annotations

import json

import pytest

from core.cli.main import main

pytestmark = pytest.mark.slow
RUN = "train-clothes"
SETTINGS = ("lr=0.0005", "backbone_lr=0.5", "augment=light", "warmup=0.1", "precision=fp32")


def test_fine_tuning_on_photographs_improves_the_search_for_clothes(photographs, capsys):
    clothes, pets = (str(photographs / name) for name in ("clothing", "cats_dogs"))
    told = [word for pair in SETTINGS for word in ("--set", pair)]
    started = ["train", "--recipe", "classify", "--start-from", "resnet.lookalike", "--dataset", clothes, "--epochs", "3"]
    assert main([*started, "--name", "resnet.clothes", "--run", RUN, "--threads", "1", *told]) == 0
    assert f"effect --run {RUN}" in capsys.readouterr().out
    assert main(["effect", "--run", RUN, "--also", pets, "--json"]) == 0
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)}
    learned, other = rows["clothing"], rows["cats_dogs"]
    assert (learned["queries"], other["queries"]) == (372, 1000)
    assert learned["low"] > 0, "more than chance"
    assert learned["encoders"] == ["resnet.lookalike", "resnet.clothes"]
    assert learned["improved"][0]["hits_after"]
    assert (learned["learned"], other["learned"]) == (True, False)
