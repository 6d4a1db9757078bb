"""What happens where there is a GPU, as far as that can be seen without one: torch's ``meta``
device stands for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core import device
from core.encoders import precision
from core.encoders.base import encoders
from core.encoders.trained import encoding_network

NAME, OWN = "test_resnet.r160_in1k", "resnet.lookalike"
PICTURES = [np.full((50, 60, 3), shade, np.uint8) for shade in (10, 200)]


@pytest.fixture
def elsewhere(monkeypatch):
    """Networks are placed on another device than the processor's memory."""
    encoding_network.cache_clear()
    monkeypatch.setattr(precision, "device_kind", lambda: "meta")
    yield "meta"
    encoding_network.cache_clear()


def test_a_pretrained_network_and_its_pictures_go_to_the_device(publish, elsewhere):
    publish(NAME)
    encoder = encoders.get(NAME)
    assert {one.device.type for one in encoder.model.parameters()} == {elsewhere}
    pixels = encoder._normalised([encoder.prepare(picture) for picture in PICTURES], encoder.model)
    assert pixels.device.type == elsewhere
    assert encoder._features(encoder.model, pixels).shape == (2, encoder.dim)


def test_a_network_trained_here_and_its_pictures_go_to_the_device(elsewhere):
    encoder = encoders.get(OWN)
    pixels = encoder._input([encoder.prepare(picture) for picture in PICTURES])
    assert {one.device.type for one in encoder._ready().parameters()} == {elsewhere}
    assert pixels.device.type == elsewhere
    assert encoder._ready()(pixels).shape == (2, encoder.dim)


def test_a_gpu_is_used_where_a_driver_and_torch_both_know_one(monkeypatch, tmp_path):
    ask = device.device_kind.__wrapped__
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device.platform, "system", lambda: "Linux")
    monkeypatch.setattr(device, "DRIVERS", (str(tmp_path / "none"),))
    assert ask() == "cpu", "without a driver torch is not even asked"
    monkeypatch.setattr(device, "DRIVERS", (str(tmp_path / "none"), str(tmp_path)))
    assert ask() == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert ask() == "cpu"


def test_half_precision_on_a_gpu_is_what_it_computes_in_hardware(monkeypatch):
    monkeypatch.setattr(precision, "device_kind", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    assert precision.offered() == ("fp16-autocast", "bf16-autocast")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert precision.offered() == ("fp16-autocast",)
    assert set(precision.offered()) <= set(precision.KNOWN)


def test_fp32_on_a_gpu_keeps_all_its_bits_and_its_fast_convolutions():
    before = torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32
    with precision.whole(True):
        assert torch.backends.cudnn.enabled
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == before
    assert not torch.backends.cuda.matmul.allow_tf32
    with precision.whole(False):
        assert (torch.backends.cudnn.enabled, torch.backends.cudnn.allow_tf32) == before


def test_a_decision_for_one_device_says_nothing_about_another(publish, monkeypatch):
    publish(NAME)
    encoder, paths = encoders.get(NAME), set()
    encoder.load()
    for name in ("NVIDIA H200", "NVIDIA A100", "x86_64"):
        monkeypatch.setattr(precision, "device_name", lambda name=name: name)
        paths.add(precision._path(encoder))
    assert len(paths) == 3


def test_pictures_go_to_a_gpu_from_locked_memory_in_large_batches(publish, monkeypatch):
    """Torch's calls are noted in the place of a GPU that is not here."""
    asked = []

    def sent(self, *given, **how):
        asked.append((given, how))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: asked.append("locked") or self)
    monkeypatch.setattr(torch.Tensor, "to", sent)
    pixels = precision.sent(PICTURES, torch.device("cuda"))
    assert pixels.dtype == torch.uint8
    assert asked == ["locked", ((torch.device("cuda"),), {"non_blocking": True})]
    asked.clear()
    precision.sent(PICTURES, torch.device("cpu"))
    assert asked == [((torch.device("cpu"),), {})]
    publish(NAME)
    few = [encoders.get(name).batch for name in (NAME, OWN)]
    assert all(encoders.get(name).streams for name in (NAME, OWN))
    for module in (precision, precision):
        monkeypatch.setattr(module, "device_kind", lambda: "cuda")
    assert [encoders.get(name).batch for name in (NAME, OWN)] == [precision.GPU_BATCH] * 2
    assert max(few) < precision.GPU_BATCH
    assert not any(encoders.get(name).streams for name in (NAME, OWN))
