"""Networks of torchvision with its own weights: ``architecture.weights`` in small letters."""

from __future__ import annotations

import re
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core import options as opt
from core.encoders import network, positions
from core.encoders.base import encoders
from core.encoders.network import Listed, Network
from core.encoders.preprocess import Preprocess
from core.errors import UserError
from core.types import Progress
from core.weights import download, lean, sources
from core.weights import files as weights

if TYPE_CHECKING:
    import torch

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLASSES = "Trained to name 1,000 kinds of things"
TABLE = {
    row.name: row
    for row in (
        Listed(
            "resnet50.imagenet1k_v2",
            "ResNet-50 (torchvision v2)",
            "convnet",
            f"{CLASSES}, with torchvision's newer recipe.",
            2048,
            103,
            Preprocess(224, 232, "bilinear", *IMAGENET),
        ),
        Listed(
            "vgg16.imagenet1k_v1",
            "VGG-16 (torchvision)",
            "convnet",
            f"{CLASSES}, 2014: large, slow, strong on texture.",
            4096,
            553,
            Preprocess(224, 256, "bilinear", *IMAGENET),
        ),
        Listed(
            "vit_b_16.imagenet1k_v1",
            "ViT-B/16 (torchvision)",
            "transformer",
            f"{CLASSES}: sees the whole picture at once.",
            768,
            346,
            Preprocess(224, 256, "bilinear", *IMAGENET),
        ),
    )
}
SHAPE = re.compile(r"[a-z0-9_]+\.imagenet1k_[a-z0-9_]+")


class TorchvisionNetwork(Network):
    """A network of torchvision with its last linear layer taken off."""

    _library = "torchvision"

    def _preprocess(self) -> Preprocess:
        return _record(self.weights_name)

    def _dim(self) -> int:
        return _dim(self.weights_name, self.pool, self.size)

    def _fetch(self, progress: Progress | None) -> Path:
        return download.fetch_torchvision(
            self.weights_name, _weights(self.weights_name).url, progress
        )

    def _build(self, state: dict[str, torch.Tensor], path: Path) -> torch.nn.Module:
        model = _create(self.weights_name, self.size)
        try:
            model.load_state_dict(state, strict=True)
        except RuntimeError as error:
            raise weights.misfit(path, self.weights_name, error) from error
        _take_head_off(model)
        return model

    def _features(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        return _features(model, pixels, self.pool, self.weights_name)

    def _parts(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        try:
            found, prefix, vectors = _maps(model, pixels, self.weights_name)
        except UserError as error:
            raise positions.NoGrid from error
        if self.pool:
            vectors = network.pool(found, self.pool, prefix)
        kind = self.pool if self.pool in network.MAP else "avg"
        last = list(model.children())[-1]
        behind = [[]] if self.pool else [[], [last]]
        return positions.tried(positions.patches(found, prefix), kind, behind, vectors)


def _maps(model: torch.nn.Module, pixels: torch.Tensor, name: str) -> tuple:
    """What goes into the model's own pooling, or comes out of a ViT's encoder, and how many tokens
    stand before the patches; the model's vector."""
    heard: list[torch.Tensor] = []
    mine = threading.get_ident()

    def hear(found: torch.Tensor) -> None:  # other threads run the same model
        if threading.get_ident() == mine:
            heard.append(found)

    if hasattr(model, "avgpool"):
        handle = model.avgpool.register_forward_pre_hook(lambda _, given: hear(given[0]))
    elif hasattr(model, "class_token"):
        handle = model.encoder.register_forward_hook(lambda _, given, made: hear(made))
    else:
        raise UserError(
            f"{name} has no option 'pool'.", "Networks with a last feature map or tokens have it."
        )
    try:
        vectors = model(pixels)
    finally:
        handle.remove()
    return heard[0], int(hasattr(model, "class_token")), vectors


def _weights(name: str):
    """torchvision's record of weights (an enum member). Raises UserError where there are none."""
    lean.load()
    from torchvision.models import get_model_weights

    architecture, _, tag = name.partition(".")
    return get_model_weights(architecture)[tag.upper()]


@cache
def _record(name: str) -> Preprocess:
    """torchvision's own transforms, read out."""
    recipe = _weights(name).transforms()
    return Preprocess(
        recipe.crop_size[0],
        recipe.resize_size[0],
        recipe.interpolation.value,
        tuple(recipe.mean),
        tuple(recipe.std),
    )


def _create(name: str, size: int | None) -> torch.nn.Module:
    lean.load()
    from torchvision.models import get_model

    architecture = name.partition(".")[0]
    if size and architecture.startswith("vit_") and size != _record(name).size:
        raise UserError(
            f"{name} can't take pictures of {size} x {size}.",
            f"It takes {_record(name).size}.",
            "Leave size out, or take a ViT of timm, which can.",
        )
    return get_model(architecture, weights=None)


def _take_head_off(model: torch.nn.Module) -> None:
    import torch

    last = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)][
        -1
    ]
    parent, _, child = last.rpartition(".")
    setattr(model.get_submodule(parent), child, torch.nn.Identity())


def _features(
    model: torch.nn.Module, pixels: torch.Tensor, pool: str | None, name: str
) -> torch.Tensor:
    """The model's vector; with ``pool`` what goes into its pooling (or out of a ViT's encoder)."""
    if pool is None:
        return model(pixels)
    found, prefix, _ = _maps(model, pixels, name)
    opt.choice(name, "pool", pool, network.allowed(found.ndim, prefix))
    return network.pool(found, pool, prefix)


@cache
def _dim(name: str, pool: str | None, size: int | None) -> int:
    import torch

    with torch.device("meta"):
        model = _create(name, size).eval()
        _take_head_off(model)
        side = size or _record(name).size
        return _features(model, torch.empty(1, 3, side, side), pool, name).shape[-1]


def _find(name: str) -> TorchvisionNetwork | None:
    base, options = opt.split(name)
    if opt.LAST in options or not SHAPE.fullmatch(base) or find_spec("torchvision") is None:
        return None
    if base in TABLE or (sources.mentioned("torchvision", base) and _known(base)):
        return TorchvisionNetwork(base, options, TABLE.get(base))
    return None


@cache
def _known(name: str) -> bool:
    """Whether torchvision has these weights, for a network that ends in a linear layer."""
    import torch

    lean.load()
    from torchvision.models import get_model_weights, list_models

    architecture, _, tag = name.partition(".")
    if (
        architecture not in list_models()
        or tag.upper() not in get_model_weights(architecture).__members__
    ):
        return False
    with torch.device("meta"):
        return any(isinstance(module, torch.nn.Linear) for module in _create(name, None).modules())


encoders.add_finder(lambda: list(TABLE), _find)
