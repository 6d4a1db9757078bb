"""The networks that we train: a backbone of any family with an embedding on top, and a
convolutional autoencoder.

A :class:`Blueprint` is all that is needed to build one again; it lies beside the weights. torch and
timm are imported when a network is built, never before.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from core.encoders.preprocess import Preprocess
from core.errors import UserError
from core.weights import lean

if TYPE_CHECKING:
    import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class Slim:
    """A small member of a family: the timm name whose architecture it is, and what is narrower in
    it.

    ``front`` names a packaged network whose early stages make the patches of a hybrid, with their
    weights.
    """

    timm: str
    options: dict
    about: str
    front: str = ""


SLIM = {
    "resnet-slim": Slim(
        "resnet18",
        {"channels": (32, 64, 128, 256), "stem_width": 32},
        "ResNet-18 (He et al., 2015) at half width",
    ),
    "vgg-slim": Slim(
        "vgg11_bn",
        {"cfg": (32, "M", 64, "M", 128, "M", 160, 160, "M", 256)},
        "VGG (Simonyan, Zisserman, 2014), narrow, 6 layers",
    ),
    "vit-slim": Slim(
        "vit_tiny_patch16_224",
        {"patch_size": 16, "embed_dim": 192, "depth": 5, "num_heads": 3, "mlp_ratio": 3.0},
        "Vision Transformer (Dosovitskiy et al., 2020), 5 blocks of width 192 on 16 x 16-pixel"
        " patches",
    ),
    "vit-hybrid": Slim(
        "vit_tiny_patch16_224",
        {
            "embed_dim": 192,
            "depth": 4,
            "num_heads": 3,
            "mlp_ratio": 3.0,
            "class_token": False,
            "global_pool": "avg",
        },
        "Hybrid Vision Transformer (Dosovitskiy et al., 2020, section 3.1), 4 blocks of width 192"
        " on the feature map of EfficientNet-Lite0's first five stages",
        "tf_efficientnet_lite0.in1k",
    ),
}
AUTOENCODER = "conv-autoencoder"
KINDS = ("embedder", "siamese", "autoencoder")


@dataclass(frozen=True, slots=True)
class Blueprint:
    """How to build a network: ``backbone`` is a slim member, ``conv-autoencoder`` or any timm name.

    ``size`` is the side of its square input in pixels, ``mean`` and ``std`` are per RGB channel of
    values 0..1.
    """

    kind: str
    backbone: str
    dim: int
    size: int
    mean: tuple[float, float, float] = MEAN
    std: tuple[float, float, float] = STD
    options: dict = field(default_factory=dict)
    levels: int = 1
    """Last stages of a convolutional network that the embedding sees: early ones keep colour."""
    mirror: bool = False
    """Whether the embedding is the mean of the picture's and its mirror image's."""
    neck: bool = True
    """Whether a normalised linear layer makes the embedding, else ``dim`` is the backbone's."""
    resize: int = 0
    """Pixels of the short side before the middle square is cut out, as published weights ask for; 0
    = all of the picture, squeezed into the square."""
    interpolation: str = "bilinear"

    @classmethod
    def from_dict(cls, values: dict) -> Blueprint:
        known = {**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])}
        return cls(**known)

    def to_dict(self) -> dict:
        return asdict(self)

    @property
    def centred(self) -> Preprocess | None:
        """How the middle square is made; None where all of the picture is squeezed into it."""
        if not self.resize:
            return None
        return Preprocess(self.size, self.resize, self.interpolation, self.mean, self.std)


def build(blueprint: Blueprint) -> torch.nn.Module:
    """A network with random weights (from torch's own generator).

    Raises:
        UserError: no such backbone, or one that can't take pictures of this size.
    """
    from core.encoders.nets.autoencoder import Autoencoder
    from core.encoders.nets.embedder import Embedder

    if blueprint.backbone == AUTOENCODER:
        return Autoencoder(blueprint.dim, blueprint.size, blueprint.mirror)
    return Embedder(
        backbone(blueprint),
        blueprint.dim,
        blueprint.size,
        blueprint.levels,
        blueprint.mirror,
        blueprint.neck,
    )


def backbone(blueprint: Blueprint) -> torch.nn.Module:
    """The part below the embedding: a timm network without its classifier."""
    lean.load()
    import timm

    slim = SLIM.get(blueprint.backbone)
    name, options = (slim.timm, slim.options) if slim else (blueprint.backbone, {})
    options = {**options, **blueprint.options}
    if "cfg" in options:
        return _slim_vgg(options["cfg"])
    if slim and slim.front:
        return _hybrid(slim, blueprint)
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, [*SLIM, *timm.list_models()])
        meant = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"There is no backbone named {name!r}.{meant}",
            f"Known: {', '.join([*SLIM, AUTOENCODER])}, and every architecture of timm.",
        )
    for sized in ({"img_size": blueprint.size}, {}):
        try:
            return _fitting(
                _without_classifier(timm.create_model(name, num_classes=0, **options, **sized)),
                blueprint,
            )
        except TypeError:
            continue  # convolutional networks take any size and know no img_size
        except (AssertionError, RuntimeError, ValueError) as error:
            raise wrong_size(blueprint, str(error)) from error
    raise wrong_size(blueprint, "it can't be built")


def wrong_size(blueprint: Blueprint, why: str = "") -> UserError:
    """The error for a picture size that a backbone can't take."""
    return UserError(
        f"{blueprint.backbone} can't take pictures of {blueprint.size} x {blueprint.size}"
        f" pixels{f' ({why})' if why else ''}.",
        "A vision transformer takes multiples of its patch (8, 14 or 16 pixels); a convolutional"
        " network 32 pixels and more.",
        "Choose another image size, for example 64 or 224.",
        "Set another size, for example --set size=64 or --set size=224.",
    )


def _slim_vgg(cfg: tuple) -> torch.nn.Module:
    import torch

    lean.load()
    from timm.models.vgg import VGG

    return _without_classifier(
        VGG(list(cfg), num_classes=0, mlp_ratio=1 / 4096, norm_layer=torch.nn.BatchNorm2d)
    )


def _hybrid(slim: Slim, blueprint: Blueprint) -> torch.nn.Module:
    from functools import partial

    lean.load()
    import timm
    from timm.layers import HybridEmbed

    from core.encoders.nets.front import Front

    if blueprint.size % Front.stride:
        raise wrong_size(blueprint, f"its patches are {Front.stride} x {Front.stride}")
    made = partial(HybridEmbed, backbone=Front(slim.front))
    options = {
        "img_size": blueprint.size,
        "patch_size": 1,
        "embed_layer": made,
        "num_classes": 0,
        **slim.options,
    }
    return timm.create_model(slim.timm, **options)


def _fitting(network: torch.nn.Module, blueprint: Blueprint) -> torch.nn.Module:
    """Refuse a picture size that whole patches can't tile: timm would silently cut the edge off."""
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    if patch and any(blueprint.size % side for side in patch):
        raise wrong_size(blueprint, f"its patches are {patch[0]} x {patch[1]}")
    return network


def _without_classifier(network: torch.nn.Module) -> torch.nn.Module:
    """VGG's hidden layers of 4096 go too: the embedding takes their place, as in retrieval."""
    import torch

    if hasattr(network, "pre_logits"):
        network.pre_logits = torch.nn.Identity()
    return network


def to_input(pictures: torch.Tensor, blueprint: Blueprint) -> torch.Tensor:
    """uint8 (n, 3, size, size) -> normalised float32, channels last in memory (faster)."""
    import torch

    mean = torch.tensor(blueprint.mean, device=pictures.device).view(1, 3, 1, 1)
    std = torch.tensor(blueprint.std, device=pictures.device).view(1, 3, 1, 1)
    return (
        pictures.float().div(255).sub(mean).div(std).contiguous(memory_format=torch.channels_last)
    )


def from_output(drawn: torch.Tensor, blueprint: Blueprint) -> torch.Tensor:
    """The way back: a decoder's output -> uint8 (n, 3, size, size)."""
    import torch

    mean = torch.tensor(blueprint.mean).view(1, 3, 1, 1)
    std = torch.tensor(blueprint.std).view(1, 3, 1, 1)
    return (drawn.float().cpu() * std + mean).mul(255).round().clamp(0, 255).to(torch.uint8)
