"""A backbone with an embedding on top."""

from __future__ import annotations

import torch
from torch import nn

from core.encoders import positions

MOST_PATCHES = 64
"""A transformer of more patches is not run without those round each place."""


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
        # 1 is the plain mean, as in published networks
        self.power = nn.Parameter(torch.tensor(3.0 if neck else 1.0))
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

    def maps(self, images: torch.Tensor) -> list[tuple[torch.Tensor, str]]:
        """The features of each stage that is used, the last stage last, and how they are pooled:
        float (n, width, h, w) by ``avg`` or ``gem``, or whatever the backbone's ``head`` takes."""
        if self.levels > 1 and hasattr(self.backbone, "forward_intermediates"):
            last, maps = self.backbone.forward_intermediates(images, indices=self.levels)
            # EfficientNet and its kin go on behind the last stage
            if hasattr(self.backbone, "conv_head"):
                # stages end without a ReLU
                return [*((one, "avg") for one in maps[:-1]), (last, "gem")]
            if all(one.ndim == 4 for one in maps) and _channels_first(self.backbone):
                return [(one, "gem") for one in maps]
        found = self.backbone.forward_features(images)
        spatial = found.ndim == 4 and _channels_first(self.backbone)
        return [(found, "gem" if spatial else "head")]

    def stages(self, images: torch.Tensor) -> list[torch.Tensor]:
        """float (n, width) of each stage that is used, the last stage last."""
        return [self._pooled(found, kind) for found, kind in self.maps(images)]

    def _pooled(self, found: torch.Tensor, kind: str) -> torch.Tensor:
        if kind == "head":
            return self.backbone.forward_head(found, pre_logits=True).float()
        return found.float().mean(dim=(2, 3)) if kind == "avg" else self._pool(found)

    def _pool(self, maps: torch.Tensor) -> torch.Tensor:
        """Generalised mean pooling (Radenovic et al., 2018)."""
        power = self._power()
        return maps.float().clamp(min=1e-6).pow(power).mean(dim=(2, 3)).pow(1.0 / power)

    def _power(self) -> torch.Tensor:
        return self.power.clamp(1.0, 8.0)

    def parts(self, images: torch.Tensor) -> torch.Tensor:
        """What each position adds to the embedding, float32 (n, h, w, dim); the features of patches
        (n, h, w, width) where the backbone does not pool by a mean (:mod:`..positions`)."""
        found = self._parts(images)
        mirror = self.mirror and not self.training
        return positions.mirrored(found, self._parts(images.flip(3))) if mirror else found

    def _parts(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.maps(images)
        if maps[0][1] != "head":
            power = self._power()
            shared = [positions.shares(found, kind, power) for found, kind in maps]
            return positions.through(positions.together(shared), [self.even, self.neck])
        behind = [getattr(self.backbone, "fc_norm", nn.Identity()), self.neck]
        whole = self.neck(self._pooled(*maps[0]))
        patches = positions.patches_of(self.backbone, maps[0][0])
        return positions.tried(patches, "avg", [behind], whole)

    def missed(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """How far the cosine of each picture's embedding with a unit vector ``others`` (n, dim)
        falls where a transformer gets to see all patches but those round one place: float32 (n, h,
        w). Each of its positions knows of all others, so that what a position adds says little of
        what lies there.

        Raises:
            NoGrid: no transformer, or one of more than ``MOST_PATCHES`` patches, whose places take
                too long.
        """
        falls = self._missed(images, others)
        return falls + self._missed(images.flip(3), others).flip(2) if self.mirror else falls

    def _missed(self, images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        body = self.backbone
        height, width = getattr(getattr(body, "patch_embed", None), "grid_size", None) or (0, 0)
        if not 0 < height * width <= MOST_PATCHES or not hasattr(body, "_pos_embed"):
            raise positions.NoGrid
        tokens = body.norm_pre(body._pos_embed(body.patch_embed(images)))
        whole = self._cosines(tokens, others)
        first = tokens.shape[1] - height * width
        falls = torch.zeros(len(images), height * width, device=tokens.device)
        seen = positions.others(height, width).to(tokens.device)
        for length in seen.sum(dim=1).unique():
            places = torch.nonzero(seen.sum(dim=1) == length).squeeze(1)
            patches = torch.stack([torch.nonzero(seen[one]).squeeze(1) for one in places])
            always = torch.arange(first, device=tokens.device).expand(len(places), -1)
            kept = torch.cat([always, first + patches], dim=1)
            for at in range(len(images)):
                cosines = self._cosines(tokens[at][kept], others[at : at + 1])
                falls[at, places] = whole[at] - cosines
        return falls.unflatten(1, (height, width))

    def _cosines(self, tokens: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Cosines (n,) of what follows from embedded patches with unit vectors."""
        found = self.backbone.norm(self.backbone.blocks(tokens))
        made = self.neck(self.backbone.forward_head(found, pre_logits=True).float())
        return (nn.functional.normalize(made) * others).sum(dim=1)

    @property
    def pooling(self) -> str:
        """How positions become an embedding, in words."""
        if hasattr(self.backbone, "patch_embed"):
            return positions.HOW["avg"]
        return positions.HOW["gem"].format(power=float(self._power().detach()))

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
        """Itself with the backbone's weights in bf16; the small rest stays whole."""
        self.backbone.to(torch.bfloat16)
        return self

    def distance(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """The distance of pairs, 0..2: Euclidean between unit embeddings of the two towers."""
        normal = nn.functional.normalize
        return (normal(self(left)) - normal(self(right))).norm(dim=1)


def _channels_first(network: nn.Module) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NCHW"
