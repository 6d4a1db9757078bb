"""Weights stored in 8 bits: each row of a matrix (an output channel of a convolution) as int8 with
a scale of its own.

Half the size of half precision; the network computes as before, for it is unpacked to float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SCALE = "#scale"
"""Behind a tensor's name: the scales of its rows."""
SMALLEST = 1024
"""Tensors with fewer elements stay in half precision: nothing would be saved."""
LEVELS = 127


def pack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict with every large matrix as int8 (same shape) and ``name#scale`` float32 (rows,);
    others small."""
    import torch

    made: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        if not value.is_floating_point() or value.ndim < 2:
            made[name] = value
        elif value.numel() < SMALLEST:
            made[name] = value.to(torch.float16)
        else:
            made[name], made[name + SCALE] = _rows(value.float())
    return made


def _rows(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    flat = value.flatten(1)
    scale = flat.abs().amax(dim=1).clamp(min=1e-12) / LEVELS
    return (flat / scale[:, None]).round().clamp(-LEVELS, LEVELS).to(torch.int8).reshape(
        value.shape
    ), scale


def unpack(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The state dict that :func:`pack` was given, to its precision; one that was not packed comes
    back as it is."""
    made = {}
    for name, value in state.items():
        if name.endswith(SCALE):
            continue
        scale = state.get(name + SCALE)
        made[name] = (
            value if scale is None else value.float() * scale.view(-1, *[1] * (value.ndim - 1))
        )
    return made
