"""Detectors of torchvision with its weights: they find the 80 kinds of things of COCO."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.detectors.base import Box, Detector, detectors
from core.types import Progress, State
from core.weights import download, files, lean, packages

if TYPE_CHECKING:
    import torch

MIN_SCORE = 0.3
"""Below this the networks see things nearly everywhere."""
KINDS = (
    "Trained on COCO: finds and names 80 kinds of things, from person to toothbrush, and nothing"
    " else"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """What is known of a detector without importing torch: one row of a table, checked by tests."""

    name: str
    title: str
    about: str
    weights: str
    """``architecture.weights`` of torchvision, in small letters: the name of the folder too."""
    megabytes: int
    side: int
    """Pixels to which the network itself scales the short side."""


TABLE = {
    row.name: row
    for row in (
        Listed(
            "retinanet",
            "RetinaNet (ResNet-50)",
            f"{KINDS}. The most exact of these, and slow without a GPU.",
            "retinanet_resnet50_fpn_v2.coco_v1",
            153,
            800,
        ),
        Listed(
            "fasterrcnn",
            "Faster R-CNN (MobileNetV3)",
            f"{KINDS}. Several times as quick as RetinaNet.",
            "fasterrcnn_mobilenet_v3_large_fpn.coco_v1",
            78,
            800,
        ),
        Listed(
            "ssdlite",
            "SSDLite (MobileNetV3)",
            f"{KINDS}. Small and quick, misses small things.",
            "ssdlite320_mobilenet_v3_large.coco_v1",
            14,
            320,
        ),
    )
}


class TorchvisionDetector(Detector):
    """A whole network of torchvision, from the picture to boxes without duplicates."""

    tier = "pretrained"
    named = True
    forks = False

    def __init__(self, row: Listed) -> None:
        self.row = row
        self.name = row.name
        self.title = row.title
        self.about = row.about
        self.side = row.side
        self._model: torch.nn.Module | None = None
        self._lock = threading.RLock()

    def __reduce__(self) -> tuple:
        return TorchvisionDetector, (self.row,)

    def state(self) -> State:
        for package in ("torch", "torchvision"):
            if not packages.there(package):
                return State(
                    "unavailable", f"{package} is not installed: pip install -r requirements.txt"
                )
        return files.state(self.row.weights, self.row.megabytes * 10**6)

    def fingerprint(self) -> dict:
        path = files.found(self.row.weights)
        return {
            **super().fingerprint(),
            "weights": files.sha256(path) if path else None,
            "min_score": MIN_SCORE,
        }

    def load(self, progress: Progress | None = None) -> None:
        """Read the weights into memory, downloading them first where needed.

        Raises:
            UserError: offline, damaged or foreign weights.
            Cancelled: ``progress(done_bytes, total_bytes)`` said stop.
        """
        with self._lock:
            if self._model is not None:
                return
            path = files.found(self.row.weights)
            path = path or download.fetch_torchvision(
                self.row.weights, record(self.row).url, progress
            )
            state, model = files.read(path), create(self.row)
            try:
                model.load_state_dict(state, strict=True)
            except RuntimeError as error:
                raise files.misfit(path, self.row.weights, error) from error
            self._model = model.eval().requires_grad_(False)

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        import torch

        self.load()
        assert self._model is not None
        height, width = image.shape[:2]
        pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32) / 255.0)
        with torch.inference_mode():
            found = self._model([pixels])[0]
        edges = found["boxes"].numpy() / (width, height, width, height)
        labels, names = found["labels"].tolist(), record(self.row).meta["categories"]
        rows = zip(edges.tolist(), found["scores"].tolist(), labels, strict=True)
        return [
            Box(x0, y0, x1, y1, score, names[label])
            for (x0, y0, x1, y1), score, label in rows
            if score >= MIN_SCORE
        ]


def record(row: Listed):
    """torchvision's enum member of the weights: their address and the names of the kinds."""
    lean.load()
    from torchvision.models import get_model_weights

    architecture, _, tag = row.weights.partition(".")
    return get_model_weights(architecture)[tag.upper()]


def create(row: Listed) -> torch.nn.Module:
    """The network with random weights; nothing is downloaded."""
    lean.load()
    from torchvision.models import get_model

    return get_model(
        row.weights.partition(".")[0], weights=None, weights_backbone=None, num_classes=91
    )


for _row in TABLE.values():
    detectors.add(_row.name, partial(TorchvisionDetector, _row))
