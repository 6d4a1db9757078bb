"""The network of ``objects``: early layers of EfficientNet-Lite0, and a head trained here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from core.weights import files, folding, lean, packages

if TYPE_CHECKING:
    from core.weights.packages import Packed

BACKBONE: Packed = packages.LITE0
MODEL = "tf_efficientnet_lite0"
SIDE, STRIDE = 256, 8
"""Pixels to which a picture is squeezed, and how many of them one place of the maps has."""
PLACES = SIDE // STRIDE
STAGES = {2: 40, 4: 112, 6: 320}
"""Blocks of the backbone that are looked at -> their channels; strides 8, 16 and 32."""
WIDTH, GROUPS = 64, 8
FAR = 5.0
"""exp(-FAR) of a side is the least distance from a place to an edge of its box."""


class Backbone(nn.Module):
    """EfficientNet-Lite0 below its head, frozen: uint8 pixels to three maps.

    Raises:
        UserError: the package with the weights is missing or damaged.
    """

    def __init__(self) -> None:
        super().__init__()
        lean.load()
        import timm

        with torch.random.fork_rng(devices=[]):
            made = timm.create_model(MODEL)
        path = packages.installed(BACKBONE)
        if path is None:
            raise packages.broken(
                BACKBONE, f"{packages.missing(BACKBONE).capitalize()}.", "choose another detector"
            )
        held = files.read(packages.verified(BACKBONE, path, "choose another detector"))
        wanted = [(key, value.shape) for key, value in made.state_dict().items()]
        made.load_state_dict(packages.renamed(BACKBONE, held, wanted, MODEL), strict=False)
        self.stem, self.norm, self.blocks = made.conv_stem, made.bn1, made.blocks
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        noise = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
        folding.folded(self, _means, torch.from_numpy(noise))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """uint8 (n, SIDE, SIDE, 3) -> float maps (n, channels, places, places) of STAGES."""
        found, maps = self.norm(self.stem(pixels.permute(0, 3, 1, 2) / 127.5 - 1.0)), []
        for number, block in enumerate(self.blocks):
            found = block(found)
            if number in STAGES:
                maps.append(found)
        return tuple(maps)


def _means(network: Backbone, pixels: torch.Tensor) -> torch.Tensor:
    """Of each channel of all its maps, (n, channels)."""
    return torch.cat([maps.mean(dim=(2, 3)) for maps in network(pixels)], dim=1)


@cache
def backbone() -> Backbone:
    """The one of this process. Raises UserError as :class:`Backbone`."""
    return Backbone()


def _block(inside: int, outside: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(GROUPS, outside),
        nn.ReLU(inplace=True),
    )


class Head(nn.Module):
    """Coarse maps are added to finer ones (Lin et al., Feature pyramid networks, 2017); of each
    place of the finest the head tells whether the middle of an object is there, and the distances
    to its four edges (Tian et al., FCOS, 2019)."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = STAGES.values()
        self.coarse = nn.Sequential(_block(coarse, WIDTH, 1), _block(WIDTH, WIDTH))
        self.whole = nn.Linear(coarse, WIDTH)
        self.middle, self.mixed = _block(middle, WIDTH, 1), _block(WIDTH, WIDTH)
        self.fine, self.last = _block(fine, WIDTH, 1), _block(WIDTH, WIDTH)
        self.centre = nn.Sequential(_block(WIDTH, WIDTH), nn.Conv2d(WIDTH, 1, 3, padding=1))
        self.edges = nn.Sequential(_block(WIDTH, WIDTH), nn.Conv2d(WIDTH, 4, 3, padding=1))
        nn.init.constant_(self.centre[-1].bias, -4.0)
        nn.init.constant_(self.edges[-1].bias, -1.5)

    def forward(
        self, fine: torch.Tensor, middle: torch.Tensor, coarse: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps of the backbone -> logits of middles (n, h, w), and boxes x0, y0, x1, y1 in
        fractions of the picture (n, h, w, 4)."""
        around = self.coarse(coarse) + self.whole(coarse.mean(dim=(2, 3)))[:, :, None, None]
        mixed = self.mixed(self.middle(middle) + _twice(around))
        found = self.last(self.fine(fine) + _twice(mixed))
        logits, distances = self.centre(found)[:, 0], self.edges(found).float()
        left, top, right, bottom = distances.clamp(-FAR, 0.5).exp().unbind(dim=1)
        rows, columns = (
            (torch.arange(length, device=fine.device) + 0.5) / length for length in logits.shape[1:]
        )
        y, x = rows[:, None], columns[None, :]
        return logits.float(), torch.stack([x - left, y - top, x + right, y + bottom], dim=-1)


def _twice(maps: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(maps, scale_factor=2, mode="nearest")


class Network(nn.Module):
    """The backbone with a head: what the detector asks of a picture."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.backbone, self.head = backbone(), head

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (n, SIDE, SIDE, 3) -> float32 (n, PLACES, PLACES, 5): of each place the edges of a
        box in fractions of the picture, and how sure it is that the middle of one is there."""
        logits, boxes = self.head(*self.backbone(pixels))
        return torch.cat([boxes, logits.sigmoid()[..., None]], dim=-1)


def batch(images: Sequence[np.ndarray]) -> torch.Tensor:
    """RGB uint8 (SIDE, SIDE, 3) each -> uint8 (n, SIDE, SIDE, 3)."""
    return torch.from_numpy(np.stack(images))
