"""From a network's last feature map to what each position adds to its vector.

A mean over positions followed by linear layers is a sum over positions: each adds its own share,
and the shares of two pictures, multiplied pair by pair, sum to the cosine (Stylianou, Souvenir and
Pless, Visualizing deep similarity networks, WACV 2019). Other poolings are divided exactly too: the
generalised mean gives each position x^p / sum x^p of what it pools, the maximum goes to where it
lies. Constants (biases) are divided evenly; a layer normalisation keeps the deviation of the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.types import Positions

if TYPE_CHECKING:
    import torch

MAX_SIDE = 10
"""Stages of a network are brought together on the finest of their grids that is at most this wide:
more pairs of positions than its fourth power nobody looks at."""
TOLERANCE = 1e-4
"""How far from 1 the cosine of the sum and the vector may be, to count as the same."""
HOW = {
    "avg": "mean over all positions",
    "max": "maximum over all positions; it counts where it lies",
    "gem": "generalised mean, power {power:.1f}; each position counts by its share of the powers",
}
TOKENS = (
    "not a mean over positions: features of patches are compared, which are not what the score is"
    " made of"
)


def shares(maps: torch.Tensor, kind: str, power: float | torch.Tensor = 3.0) -> torch.Tensor:
    """float (n, c, h, w) -> float32 of that shape that sums over positions to what pooling by
    ``avg``, ``max`` or ``gem`` gives."""
    values = maps.float()
    if kind == "avg":
        return values / (values.shape[2] * values.shape[3])
    if kind == "max":
        most = values.amax(dim=(2, 3), keepdim=True)
        there = (values == most).float()
        return most * there / there.sum(dim=(2, 3), keepdim=True)
    powers = values.clamp(min=1e-6).pow(power)
    pooled = powers.mean(dim=(2, 3), keepdim=True).pow(1.0 / power)
    return pooled * powers / powers.sum(dim=(2, 3), keepdim=True)


def together(stages: Sequence[torch.Tensor]) -> torch.Tensor:
    """Shares (n, c, h, w) of several stages, side by side on one grid: (n, h, w, sum of c). A cell
    that lies over several is divided among them by area."""
    import torch

    sides = [(one.shape[2], one.shape[3]) for one in stages]
    small = [side for side in sides if max(side) <= MAX_SIDE]
    height, width = max(small) if small else min(sides)
    moved = []
    for one in stages:
        rows = overlaps(one.shape[2], height).to(one.device)
        columns = overlaps(one.shape[3], width).to(one.device)
        moved.append(torch.einsum("nchw,hi,wj->nijc", one, rows, columns))
    return torch.cat(moved, dim=3)


def overlaps(before: int, after: int) -> torch.Tensor:
    """float32 (before, after): the share of each of ``before`` equal cells of a line that lies in
    each of ``after`` equal cells; rows sum to 1."""
    import torch

    cells = torch.arange(before)[:, None] / before
    others = torch.arange(after)[None] / after
    low = torch.maximum(cells, others)
    high = torch.minimum(cells + 1 / before, others + 1 / after)
    return (high - low).clamp(min=0.0) * before


def through(parts: torch.Tensor, layers: Iterable[torch.nn.Module]) -> torch.Tensor | None:
    """Parts (n, h, w, c) behind layers that stand after the pooling; None where one of them is
    neither linear nor a normalisation."""
    from torch import nn

    plain = (nn.Identity, nn.Dropout, nn.Flatten)
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            parts = through(parts, layer)
        elif isinstance(layer, nn.Linear):
            parts = _linear(parts, layer)
        elif isinstance(layer, nn.BatchNorm1d):
            parts = _batch_norm(parts, layer)
        elif isinstance(layer, nn.LayerNorm):
            parts = _layer_norm(parts, layer)
        elif not isinstance(layer, plain):
            return None
        if parts is None:
            return None
    return parts


def _count(parts: torch.Tensor) -> int:
    return parts.shape[1] * parts.shape[2]


def _linear(parts: torch.Tensor, layer: torch.nn.Linear) -> torch.Tensor:
    moved = parts @ layer.weight.float().T
    return moved if layer.bias is None else moved + layer.bias.float() / _count(parts)


def _batch_norm(parts: torch.Tensor, layer: torch.nn.BatchNorm1d) -> torch.Tensor:
    scale = (layer.running_var.float() + layer.eps).rsqrt()
    moved = (parts - layer.running_mean.float() / _count(parts)) * scale
    if layer.weight is not None:
        moved = moved * layer.weight.float() + layer.bias.float() / _count(parts)
    return moved


def _layer_norm(parts: torch.Tensor, layer: torch.nn.LayerNorm) -> torch.Tensor:
    whole = parts.sum(dim=(1, 2), keepdim=True)
    spread = (whole.var(dim=3, unbiased=False, keepdim=True) + layer.eps).rsqrt()
    moved = (parts - parts.mean(dim=3, keepdim=True)) * spread
    if layer.weight is not None:
        moved = moved * layer.weight.float()
    return moved if layer.bias is None else moved + layer.bias.float() / _count(parts)


def mirrored(parts: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    """Parts of the mean of the picture's vector and its mirror image's (both (n, h, w, c))."""
    return _unit(parts) + _unit(turned).flip(2)


def _unit(parts: torch.Tensor) -> torch.Tensor:
    return parts / parts.sum(dim=(1, 2), keepdim=True).norm(dim=3, keepdim=True).clamp(min=1e-12)


def others(height: int, width: int, reach: int = 1) -> torch.Tensor:
    """bool (h x w, h x w): for each place those more than ``reach`` rows or columns away."""
    import torch

    rows, columns = (torch.arange(one) for one in (height, width))
    down = (rows[:, None] - rows[None]).abs() > reach
    across = (columns[:, None] - columns[None]).abs() > reach
    apart = down[:, None, :, None] | across[None, :, None, :]
    return apart.reshape(height * width, height * width)


class NoGrid(Exception):
    """A network whose features lie on no grid over the picture."""


def patches(
    found: torch.Tensor, prefix: int = 0, known: tuple[int, int] | None = None
) -> torch.Tensor:
    """Features of a network as a map (n, c, h, w): a map already, or tokens (n, prefix + h x w, c)
    on the ``known`` grid, else a square one; those before the patches are left out. Raises
    NoGrid."""
    if found.ndim == 4:
        return found
    if found.ndim != 3:
        raise NoGrid
    count = found.shape[1] - prefix
    side = round(count**0.5)
    height, width = known if known and known[0] * known[1] == count else (side, side)
    if height * width != count:
        raise NoGrid
    return found[:, prefix:].transpose(1, 2).unflatten(2, (height, width))


def patches_of(model: torch.nn.Module, found: torch.Tensor) -> torch.Tensor:
    """:func:`patches` of timm's ``forward_features``, in either order of its axes."""
    if found.ndim == 4 and str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC"):
        return found.permute(0, 3, 1, 2)
    known = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    return patches(found, getattr(model, "num_prefix_tokens", 0), known)


def tried(
    maps: torch.Tensor, kind: str, behind: Sequence[Sequence[torch.nn.Module]], whole: torch.Tensor
) -> torch.Tensor:
    """What each position of maps (n, c, h, w) adds to vectors ``whole`` (n, dim), by the first of
    several guesses of the layers ``behind`` the pooling that is right: float32 (n, h, w, dim). The
    features themselves, (n, h, w, c), where none is."""
    for layers in behind:
        made = through(shares(maps, kind).permute(0, 2, 3, 1), layers)
        if made is not None and sums_to(_array(made), _array(whole)):
            return made
    return maps.permute(0, 2, 3, 1).float()


def _array(values: torch.Tensor) -> np.ndarray:
    return values.float().cpu().numpy()


def told(parts: np.ndarray, vectors: np.ndarray, how: str, tokens: str = TOKENS) -> list[Positions]:
    """A :class:`Positions` a picture, exact where parts (n, h, w, dim) sum to vectors (n, dim)."""
    exact = sums_to(parts, vectors)
    return [Positions(one, exact, how if exact else tokens) for one in parts]


def sums_to(parts: np.ndarray, vectors: np.ndarray) -> bool:
    """Whether parts (n, h, w, dim) sum to vectors (n, dim), but for their lengths."""
    if parts.shape[3] != vectors.shape[1]:
        return False
    sums = parts.sum(axis=(1, 2), dtype=np.float64)
    lengths = np.linalg.norm(sums, axis=1) * np.linalg.norm(vectors, axis=1)
    near = np.vecdot(sums, vectors.astype(np.float64)) / np.maximum(lengths, 1e-12)
    return bool((near > 1.0 - TOLERANCE).all())
