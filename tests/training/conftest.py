"""Tiny pictures to learn from: textures of four classes, in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.training.settings import Settings, override, read_recipe

TINY = {
    "size": 32,
    "dim": 16,
    "batch": 16,
    "epochs": 2,
    "epoch_images": 96,
    "validation": 0.25,
    "precision": "fp32",
    "lr": 3e-3,
    "warmup": 0.1,
    "checkpoint_s": 1e6,
    "backbone": "test_resnet",
    "pretrained": False,
}


@pytest.fixture(autouse=True)
def one_thread():
    """The same sums in the same order, however busy the machine is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def textures(tmp_path: Path) -> Path:
    return paint_textures(tmp_path / "textures")


def paint_textures(folder: Path, noise: int = 60) -> Path:
    """4 classes x 12 pictures: stripes along or across, in two colours, at random places, over more
    or less noise."""
    rng = np.random.default_rng(0)
    for label, (axis, tint) in {"a": (0, 0), "b": (1, 0), "c": (0, 2), "d": (1, 2)}.items():
        for number in range(12):
            image = rng.integers(0, noise, (40, 40, 3)).astype(np.uint8)
            stripes = (np.arange(40) + rng.integers(8)) % 8 < 4
            bright = np.moveaxis(image, axis, 0)
            bright[stripes, ..., tint] += np.minimum(150, 255 - bright[stripes, ..., tint])
            path = folder / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


@pytest.fixture
def tiny(textures: Path):
    """``tiny(recipe, **changes)``: settings of a recipe that take a second."""

    def make(recipe: str, **changes: object) -> Settings:
        return override(
            read_recipe(recipe),
            {**TINY, "datasets": (str(textures),), "name": f"{recipe}.tiny", **changes},
        )

    return make
