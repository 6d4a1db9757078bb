"""The early stages of an EfficientNet as the patches of a hybrid transformer."""

from __future__ import annotations

import torch
from torch import nn

from core.weights import lean


class Front(nn.Module):
    """Pixels (n, 3, h, w) -> feature map (n, 112, h / 16, w / 16) of a network's stem and first
    five stages.

    It never learns: edges, textures and parts are found in the same way everywhere, and without a
    backward pass through it a
    transformer behind it costs a third.
    """

    stages, stride = 5, 16

    def __init__(self, name: str) -> None:
        super().__init__()
        lean.load()
        import timm

        whole = timm.create_model(name)
        self.conv_stem, self.bn1, self.blocks = (
            whole.conv_stem,
            whole.bn1,
            whole.blocks[: self.stages],
        )
        self.eval()

    def train(self, mode: bool = True) -> Front:
        return super().train(False)

    @torch.no_grad()
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.blocks(self.bn1(self.conv_stem(pixels)))
