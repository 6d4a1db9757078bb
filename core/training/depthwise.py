"""Depthwise convolutions in float32 while the rest learns in bf16: on a CPU their backward pass in
bf16 takes 2 to 15 times as long (``tools/bench/depthwise.py``), and EfficientNet is full of
them."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def keep_whole(network: torch.nn.Module) -> torch.nn.Module:
    """The network, each of its grouped convolutions left out of autocast from now on. Copies of it
    behave alike."""
    import torch

    for part in network.modules():
        if isinstance(part, torch.nn.Conv2d) and part.groups > 1:
            part.forward = types.MethodType(_forward, part)
    return network


def _forward(self: torch.nn.Conv2d, pixels: torch.Tensor) -> torch.Tensor:
    import torch

    with torch.autocast(pixels.device.type, enabled=False):
        return type(self).forward(self, pixels.float())
