"""What changes while a network learns: learning rates, frozen layers, averaged weights."""

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
    """Linear rise over the first ``warmup`` of all steps, then half a cosine down (Loshchilov,
    Hutter, 2016); 0..1."""
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return FLOOR + (1 - FLOOR) * 0.5 * (
        1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))
    )


def optimiser(
    network: torch.nn.Module, terms: torch.nn.Module, settings: Settings
) -> torch.optim.Optimizer:
    """AdamW with four groups: backbone and new layers, weight decay not on biases and norms."""
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


def freeze(network: torch.nn.Module, frozen: bool, stages: int = 0, norm: bool = False) -> None:
    """Stop or start learning below the embedding. What is frozen also keeps its batch statistics.

    Args:
        frozen: the whole backbone. stages: its stem and so many of its stages. norm: the statistics
            of all its norms.
    """
    below = getattr(network, "backbone", None)
    if below is None:
        return
    _learn(below, not frozen)
    if stages:
        for part in early_parts(below, stages):
            _learn(part, False)
    if norm:
        for part in below.modules():
            if hasattr(part, "running_mean"):
                part.eval()


def _learn(part: torch.nn.Module, learning: bool) -> None:
    for parameter in part.parameters():
        parameter.requires_grad_(learning)
    part.train(learning)


def early_parts(backbone: torch.nn.Module, stages: int) -> list[torch.nn.Module]:
    """A timm network's stem and first ``stages`` stages (or blocks), in order."""
    found: list[torch.nn.Module] = []
    left = stages
    for name, part in backbone.named_children():
        several = name in ("blocks", "stages", "layers")
        steps = list(part.children()) if several else [part]
        if not (several or name.startswith("layer")):
            if left < stages:  # behind the first stage nothing else is early
                break
            found.append(part)
            continue
        found += steps[:left]
        left -= min(left, len(steps))
        if not left:
            break
    return found


def averaged(network: torch.nn.Module, decay: float) -> torch.nn.Module:
    """An exponential moving average of weights and statistics, quicker at the start."""
    import torch
    from torch.optim.swa_utils import AveragedModel

    @torch.no_grad()
    def average(
        old: Sequence[torch.Tensor], new: Sequence[torch.Tensor], count: torch.Tensor
    ) -> None:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        for before, now in zip(old, new, strict=True):
            if before.is_floating_point():
                before.lerp_(now, 1 - keep)
            else:
                before.copy_(now)

    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)
