"""What changes while a network learns: learning rates, frozen layers, averaged weights. All functions of the step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.training.settings import Settings

if TYPE_CHECKING:
    import torch

FLOOR = 0.01
"""The learning rate ends at this share of its peak."""


def rate(step: int, steps: int, warmup: float) -> float:
    """Linear rise over the first ``warmup`` of all steps, then half a cosine down (Loshchilov, Hutter, 2016); 0..1."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def optimiser(network: torch.nn.Module, terms: torch.nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """AdamW with four groups: backbone and new layers, each with and without weight decay (none on biases and norms)."""
    import torch

    groups: dict[tuple[bool, bool], list] = {}
    for part, module in (("network", network), ("terms", terms)):
        for name, parameter in module.named_parameters():
            below = part == "network" and name.startswith("backbone.")
            groups.setdefault((below, parameter.ndim > 1), []).append(parameter)
    peaks = {True: settings.lr * settings.backbone_lr, False: settings.lr}
    made = [
        {"params": found, "weight_decay": settings.weight_decay * decays, "peak": peaks[below]}
        for (below, decays), found in sorted(groups.items())
    ]
    return torch.optim.AdamW(made, lr=settings.lr, betas=(0.9, 0.98), fused=True)


def set_rates(chosen: torch.optim.Optimizer, share: float) -> None:
    for group in chosen.param_groups:
        group["lr"] = group["peak"] * share


def freeze(network: torch.nn.Module, frozen: bool) -> None:
    """Stop or start learning below the embedding. A frozen backbone also keeps its batch statistics."""
    below = getattr(network, "backbone", None)
    if below is None:
        return
    for parameter in below.parameters():
        parameter.requires_grad_(not frozen)
    below.train(not frozen)


def averaged(network: torch.nn.Module, decay: float) -> torch.nn.Module:
    """An exponential moving average of weights and batch statistics, quicker at the start where all is still moving."""
    import torch
    from torch.optim.swa_utils import AveragedModel

    @torch.no_grad()
    def average(old: Sequence[torch.Tensor], new: Sequence[torch.Tensor], count: torch.Tensor) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for before, now in zip(old, new, strict=True):
            if before.is_floating_point():
                before.lerp_(now, 1 - keep)
            else:
                before.copy_(now)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
