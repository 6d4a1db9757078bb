"""A convolutional autoencoder."""

from __future__ import annotations

import torch
from torch import nn

from core.encoders import positions


class Centre(nn.Module):
    """Take the mean away, the batch's while learning and the usual one afterwards. Scales stay:
    what matters most for the drawing keeps the most weight in the embedding, where batch
    normalisation would make noise as loud.
    """

    def __init__(self, dim: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(dim))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return values - self.mean
        own = values.mean(dim=0)
        with torch.no_grad():
            self.mean.lerp_(own.detach().float(), self.momentum)
        return values - own


class Autoencoder(nn.Module):
    """Squeeze a picture into ``dim`` numbers and draw it again from them (Hinton, Salakhutdinov,
    2006).

    The embedding is this code; with ``mirror`` the sum of two unit vectors, of the picture's code
    and of its mirror image's. Drawings are always of one code.
    """

    widths = (32, 64, 128, 192)

    def __init__(self, dim: int, size: int, mirror: bool = False) -> None:
        super().__init__()
        self.mirror = mirror
        self.cell = max(size // 2 ** len(self.widths), 1)
        flat = self.widths[-1] * self.cell**2
        self.encoder = nn.Sequential(*self._down(), nn.Flatten())
        self.latent = nn.Sequential(nn.Linear(flat, dim, bias=False), Centre(dim))
        self.spread = nn.Linear(dim, flat)
        self.decoder = nn.Sequential(*self._up())

    def _down(self) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for before, after in zip((3, *self.widths), self.widths, strict=False):
            layers += [
                nn.Conv2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.LeakyReLU(0.1),
            ]
        return layers

    def _up(self) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for before, after in zip(self.widths[:0:-1], self.widths[-2::-1], strict=True):
            layers += [
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        return [*layers, nn.ConvTranspose2d(self.widths[0], 3, 4, 2, 1)]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        code = self.code(images)
        if self.training or not self.mirror:
            return code
        normal = nn.functional.normalize
        return normal(code) + normal(self.code(images.flip(3)))

    def code(self, images: torch.Tensor) -> torch.Tensor:
        """float32 (n, dim): what the pictures are drawn from."""
        return self.latent(self.encoder(images).float())

    def scale_directions(self, codes: torch.Tensor, power: float) -> None:
        """Scale each principal direction of ``codes`` (n, dim), by this network, with its standard
        deviation to the ``power``: 0 changes nothing, -1 whitens. Drawings stay the same."""
        covariance = torch.cov(codes.double().T)
        variances, directions = torch.linalg.eigh(covariance)
        scales = variances.clamp(min=variances.max() * 1e-9).sqrt() ** power
        linear, centre = self.latent
        with torch.no_grad():
            turned = (directions * scales).T  # (dim, dim), rows are the new coordinates
            back = directions / scales
            linear.weight.copy_(turned @ linear.weight.double())
            centre.mean.copy_(turned @ centre.mean.double())
            self.spread.weight.copy_(self.spread.weight.double() @ back)

    def parts(self, images: torch.Tensor) -> torch.Tensor:
        """What each position of the encoder's last map adds to the embedding, float32 (n, cell,
        cell, dim): the linear layer behind it is a sum over positions, with weights of its own for
        each."""
        found = self._parts(images)
        mirror = self.mirror and not self.training
        return positions.mirrored(found, self._parts(images.flip(3))) if mirror else found

    def _parts(self, images: torch.Tensor) -> torch.Tensor:
        width, cells = self.widths[-1], self.cell**2
        maps = self.encoder(images).float().unflatten(1, (width, cells))
        weight = self.latent[0].weight.unflatten(1, (width, cells))
        parts = torch.einsum("ncp,dcp->npd", maps, weight) - self.latent[1].mean / cells
        return parts.unflatten(1, (self.cell, self.cell))

    pooling = "a linear layer with weights of its own for each position"

    def rounded(self) -> Autoencoder:
        """Itself with the convolutions of the encoder in bf16."""
        self.encoder.to(torch.bfloat16)
        return self

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """(n, dim) -> (n, 3, size, size) in the scale of the normalised input."""
        return self.decoder(
            self.spread(latents).unflatten(1, (self.widths[-1], self.cell, self.cell))
        )
