"""A backbone with an embedding on top."""

from __future__ import annotations

import torch
from torch import nn


class Embedder(nn.Module):
    """Picture -> embedding, float (n, dim), not normalised. ``towers`` share it: a siamese network calls it twice."""

    def __init__(self, network: nn.Module, dim: int, size: int) -> None:
        super().__init__()
        self.backbone = network
        self.power = nn.Parameter(torch.tensor(3.0))
        with torch.no_grad():
            wide = self.eval().features(torch.zeros(1, 3, size, size)).shape[1]
        self.neck = nn.Sequential(nn.Linear(wide, dim, bias=False), nn.BatchNorm1d(dim))
        nn.init.orthogonal_(self.neck[0].weight)
        self.train()

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """float (n, width): generalised mean pooling (Radenovic et al., 2018) of a map, else what the network pools."""
        maps = self.backbone.forward_features(images)
        if maps.ndim != 4 or not _channels_first(self.backbone):
            return self.backbone.forward_head(maps, pre_logits=True).float()
        power = self.power.clamp(1.0, 8.0)
        return maps.float().clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1.0 / power)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.neck(self.features(images))

    def distance(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """The learned distance of pairs, 0..2: Euclidean between unit embeddings of the two towers."""
        normal = nn.functional.normalize
        return (normal(self(left)) - normal(self(right))).norm(dim=1)


def _channels_first(network: nn.Module) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NCHW"
