"""Changes that a picture survives: crops, mirror images, light, blur (torchvision v2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

CHUNK = 8
"""Pictures that share one random change of light: crops differ for each, but a colour change per
picture costs too much."""


def augmenter(
    kind: str, size: int, paste: float = 0.0
) -> Callable[[Sequence[np.ndarray]], torch.Tensor]:
    """A function: uint8 (h, w, 3) pictures -> uint8 (n, 3, size, size), by torch's own random
    generator.

    ``light`` hardly crops, ``medium`` somewhat; ``standard`` suits classes and products; ``strong``
    is SimCLR's, for learning without labels. ``paste`` is the share of pictures that are shown
    smaller, on top of another one.
    """
    import torch

    shape, light = _changes(kind, size)

    def change(pictures: Sequence[np.ndarray]) -> torch.Tensor:
        cropped = torch.stack(
            [shape(torch.from_numpy(np.array(one)).permute(2, 0, 1)) for one in pictures]
        )
        cropped = pasted(cropped, paste) if paste else cropped
        if light is None:
            return cropped
        mixed = torch.randperm(
            len(cropped)
        )  # else neighbours of one class would always share their light
        for start in range(0, len(mixed), CHUNK):
            rows = mixed[start : start + CHUNK]
            cropped[rows] = light(cropped[rows])
        return cropped

    return change


def pasted(views: torch.Tensor, share: float) -> torch.Tensor:
    """Some pictures shrunk to 45 to 90 % of the side and laid on another picture of the batch, at a
    random place.

    uint8 (n, 3, size, size) -> the same; chance is torch's own.
    """
    import torch
    from torchvision.transforms.v2 import functional

    size, below = views.shape[-1], views[torch.randperm(len(views))]
    made = views.clone()
    for row in torch.nonzero(torch.rand(len(views)) < share).flatten().tolist():
        side = int(size * (0.45 + 0.45 * torch.rand(()).item()))
        top, left = (int(torch.randint(size - side + 1, ())) for _ in range(2))
        made[row] = below[row]
        made[row, :, top : top + side, left : left + side] = functional.resize(
            views[row], [side, side], antialias=True
        )
    return made


def _changes(kind: str, size: int) -> tuple[Callable, Callable | None]:
    """What is done to each picture, and to each few."""
    from torchvision.transforms import v2

    if kind == "none":
        return v2.Resize((size, size), antialias=True), None
    least, ratio = {
        "light": (0.7, 1.15),
        "medium": (0.5, 1.25),
        "standard": (0.35, 1.33),
        "strong": (0.25, 1.33),
    }[kind]
    shape = v2.Compose(
        [
            v2.RandomResizedCrop(
                (size, size), scale=(least, 1.0), ratio=(1 / ratio, ratio), antialias=True
            ),
            v2.RandomHorizontalFlip(),
        ]
    )
    if kind == "strong":
        jitter = v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.08)], p=0.8)
        return shape, v2.Compose(
            [
                jitter,
                v2.RandomGrayscale(0.1),
                v2.RandomApply([v2.GaussianBlur(5, (0.1, 1.5))], p=0.3),
            ]
        )
    amount = {"light": 0.1, "medium": 0.2, "standard": 0.3}[kind]
    return shape, v2.ColorJitter(amount, amount, amount)
