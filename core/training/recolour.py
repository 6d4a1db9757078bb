"""Products that do not exist: one thing in other colours is another thing."""

import torch

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
