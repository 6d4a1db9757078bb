"""Pictures in memory, and a hub on the loopback interface with small networks, for the tests of
encoders."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.hub import Hub, serving


def smooth(width: int, height: int, seed: int) -> np.ndarray:
    """A picture with large soft shapes and some detail, unlike noise."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    fine = Image.fromarray(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(
        (width, height)
    )
    return np.asarray(Image.blend(coarse, fine, 0.3))


@pytest.fixture(scope="session")
def images() -> list[np.ndarray]:
    return [
        smooth(width, height, seed)
        for seed, (width, height) in enumerate([(300, 200), (100, 333), (640, 480), (224, 224)])
    ]


@pytest.fixture
def hub(artifacts, monkeypatch):
    """A hub that encoders ask instead of the real ones."""
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "LOOKALIKE_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    with serving() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        monkeypatch.setenv("LOOKALIKE_TORCHVISION_URL", made.url)
        yield made


@pytest.fixture
def publish(hub: Hub):
    """``publish(name)`` puts random weights of a timm network on the hub and returns the whole
    network."""

    def put(name: str, seed: int = 0):
        import timm
        import torch
        from safetensors.torch import save

        torch.manual_seed(seed)
        model = timm.create_model(name).eval()
        config = timm.models.get_pretrained_cfg(name)
        hub.put(config.hf_hub_id, "model.safetensors", save(model.state_dict()))
        return model

    return put
