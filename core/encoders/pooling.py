"""From a network's last feature map or tokens to one vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MAP = ("avg", "max", "gem")
TOKENS = ("cls", "avg", "max")
ALL = ("avg", "max", "gem", "cls")
GEM_POWER = 3.0


def allowed(ndim: int, prefix: int) -> tuple[str, ...]:
    """What can pool features of ``ndim`` dimensions (4 = a map, 3 = tokens) with ``prefix`` tokens
    before the patches."""
    if ndim == 4:
        return MAP
    return TOKENS if prefix else TOKENS[1:]


def pool(features: torch.Tensor, kind: str, prefix: int = 0) -> torch.Tensor:
    """(n, channels, h, w) or (n, tokens, channels) -> (n, channels).

    ``gem`` is the generalised mean with power 3 over values clamped to be positive (Radenovic et
    al., TPAMI 2019); ``cls`` is the first token; ``avg`` and ``max`` are over the patches alone.
    """
    if features.ndim == 3:
        if kind == "cls":
            return features[:, 0]
        features = features[:, prefix:].transpose(1, 2).unsqueeze(-1)
    features = features.float()
    if kind == "max":
        return features.amax(dim=(2, 3))
    if kind == "gem":
        return features.clamp(min=1e-6).pow(GEM_POWER).mean(dim=(2, 3)).pow(1.0 / GEM_POWER)
    return features.mean(dim=(2, 3))
