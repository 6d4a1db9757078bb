"""A user's own weights through their door; weights that were damaged."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from core.encoders.base import encoders
from core.errors import UserError
from core.services.library import models
from core.training.train import begin, work


def state_dict() -> dict:
    import timm
    import torch

    torch.manual_seed(1)
    return timm.create_model("test_resnet").state_dict()


@pytest.mark.parametrize(
    "wrap",
    [lambda s: s, lambda s: {"state_dict": {f"module.{k}": v for k, v in s.items()}, "epoch": 3}],
)
def test_a_pth_state_dict_becomes_an_encoder(wrap, tmp_path):
    import torch

    torch.save(wrap(state_dict()), tmp_path / "mine.pth")
    folder, missing, unused = models.import_model(
        tmp_path / "mine.pth", "resnet.mine", "test_resnet", 64, 32
    )
    assert unused == ["fc.bias", "fc.weight"]
    assert all(not key.startswith("backbone.") for key in missing)
    made = encoders.get("resnet.mine")
    assert made.encode([np.zeros((40, 40, 3), np.uint8)]).shape == (1, 32)
    assert json.loads((folder / "card.json").read_text())["unused"] == unused


def test_weights_of_another_architecture_are_refused_with_their_keys(tmp_path):
    import torch

    found = state_dict()
    found["layer1.0.conv1.weight"] = torch.zeros(3, 3)
    del found["conv1.0.weight"]
    torch.save(found, tmp_path / "mine.pth")
    with pytest.raises(
        UserError,
        match=(
            r"lacks 2 weights of test_resnet.*backbone\.conv1\.0\.weight.*layer1\.0\.conv1\.weight"
        ),
    ):
        models.import_model(tmp_path / "mine.pth", "resnet.mine", "test_resnet", 64, 32)
    assert "resnet.mine" not in encoders.names()


class Trap:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("sprung"),)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "trap.pth": pickle.dumps({"a": Trap()}),
        "text.pth": b"hello",
        "empty.pth": b"",
    }.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError):
            models.import_model(tmp_path / name, "resnet.mine", "test_resnet", 64, 32)
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_model_is_told_and_not_listed(tiny, artifacts, caplog):
    folder = work(begin(tiny("classify", epochs=1)))
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(weights[:-8] + b"12345678")
    with pytest.raises(UserError, match="not the ones that its card describes"):
        encoders.get("classify.tiny").load()
    (folder / "card.json").write_text("{")
    assert "classify.tiny" not in encoders.names()
    assert "can't be read" in caplog.text
