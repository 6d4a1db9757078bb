"""Changes that a picture survives: crops, mirror images, light, blur (torchvision v2). And one that
makes another thing of it: other colours."""

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


SMALLEST = 0.12
"""Least turn of the hue, as a share of the colour circle: less could be the light."""


def recoloured(
    views: torch.Tensor, labels: torch.Tensor, eligible: torch.Tensor, classes: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Half the pictures of every eligible class in other colours, as one more class each.

    Negatives of the same shape are as hard as they come, and there are as many products as colours.
    Chance is torch's own.

    Args:
        views: uint8 (n, 3, h, w); changed in place.
        labels: int64 (n,), each below ``classes``.
        eligible: bool (n,), pictures of single things; a class takes part with 4 of them and more.

    Returns:
        The views, and labels (n,) in which a recoloured class is its old label + ``classes``.
    """
    import torch
    from torchvision.transforms.v2 import functional

    labels = labels.clone()
    for label in labels[eligible].unique().tolist():
        rows = torch.nonzero(eligible & (labels == label)).flatten()
        if len(rows) < 4:
            continue
        turn = SMALLEST + (1 - 2 * SMALLEST) * torch.rand(()).item()
        changed = rows[torch.randperm(len(rows))[: len(rows) // 2].to(rows.device)]
        views[changed] = functional.adjust_hue(views[changed], turn if turn <= 0.5 else turn - 1)
        labels[changed] += classes
    return views, labels
