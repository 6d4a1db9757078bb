"""A backbone with an embedding on top."""

from __future__ import annotations

import torch
from torch import nn


class Embedder(nn.Module):
    """Picture -> embedding, float (n, dim), not normalised. ``towers`` share it: a siamese network
    calls it twice.

    With ``levels`` > 1 the embedding is made of the last stages of a convolutional network together
    (Hariharan et al., 2015): colours and textures, which tell one thing from another of its kind,
    are found in the earlier ones. Without a ``neck`` the embedding is what is pooled, and ``dim``
    its length.
    """

    def __init__(
        self,
        network: nn.Module,
        dim: int,
        size: int,
        levels: int = 1,
        mirror: bool = False,
        neck: bool = True,
    ) -> None:
        super().__init__()
        self.backbone, self.levels, self.mirror = network, levels, mirror
        self.power = nn.Parameter(
            torch.tensor(3.0 if neck else 1.0)
        )  # 1 is the plain mean, as in published networks
        with torch.no_grad():
            widths = [
                pooled.shape[1] for pooled in self.eval().stages(torch.zeros(1, 3, size, size))
            ]
        self.even = nn.BatchNorm1d(sum(widths), affine=False) if len(widths) > 1 else nn.Identity()
        self.neck = nn.Identity()
        if neck:
            self.neck = nn.Sequential(nn.Linear(sum(widths), dim, bias=False), nn.BatchNorm1d(dim))
            nn.init.orthogonal_(self.neck[0].weight)
        self.train()

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """float (n, width) of each stage that is used, the last stage last."""
        if self.levels > 1 and hasattr(self.backbone, "forward_intermediates"):
            last, maps = self.backbone.forward_intermediates(images, indices=self.levels)
            if hasattr(
                self.backbone, "conv_head"
            ):  # EfficientNet and its kin go on behind the last stage
                return [
                    *(one.float().mean(dim=(2, 3)) for one in maps[:-1]),
                    self._pool(last),
                ]  # stages end without a ReLU
            if all(one.ndim == 4 for one in maps) and _channels_first(self.backbone):
                return [self._pool(one) for one in maps]
        maps = self.backbone.forward_features(images)
        if maps.ndim != 4 or not _channels_first(self.backbone):
            return [self.backbone.forward_head(maps, pre_logits=True).float()]
        return [self._pool(maps)]

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        """Generalised mean pooling (Radenovic et al., 2018)."""
        power = self.power.clamp(1.0, 8.0)
        return maps.float().clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1.0 / power)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """float (n, width): what the stages pool, side by side."""
        return self.even(torch.cat(self.stages(images), dim=1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made = self.neck(self.features(images))
        if self.training or not self.mirror:
            return made
        normal = nn.functional.normalize
        return normal(made) + normal(self.neck(self.features(images.flip(3))))

    def rounded(self) -> Embedder:
        """Itself with the backbone's weights in bf16; what stands above it is small, and stays
        whole."""
        self.backbone.to(torch.bfloat16)
        return self

    def distance(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """The learned distance of pairs, 0..2: Euclidean between unit embeddings of the two
        towers."""
        normal = nn.functional.normalize
        return (normal(self(left)) - normal(self(right))).norm(dim=1)


def _channels_first(network: nn.Module) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NCHW"
