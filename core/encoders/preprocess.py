"""From a picture to the square of pixels that a network was trained on, as its record says."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from PIL import Image

from core.encoders import resampling
from core.errors import UserError

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}
LONGEST = 8
"""Beyond this ratio of sides only what is kept is resampled: strips would need gigabytes."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """One record of preprocessing: resize to ``resize``, crop ``size`` (both pixels), then (x / 255
    - mean) / std.

    ``mode`` is timm's: ``center`` scales the short side, ``squash`` both sides, ``border`` the long
    side and pads.
    """

    size: int
    resize: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    mode: str = "center"

    def record(self) -> dict:
        """Every value, for a fingerprint."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    @property
    def kept(self) -> tuple:
        """What :meth:`pixels` does: everything but what is done to the numbers, later."""
        paper = self.mean if self.mode == "border" else None
        return self.size, self.resize, self.interpolation, self.mode, paper

    def at(self, size: int | None) -> Preprocess:
        """The same at another size, with the same share cropped away."""
        if size is None or size == self.size:
            return self
        return replace(self, size=size, resize=math.floor(size * self.resize / self.size))

    def pixels(self, image: np.ndarray) -> np.ndarray:
        """RGB uint8 (h, w, 3) -> (size, size, 3), as torchvision's transforms on a PIL image."""
        kind = FILTERS[self.interpolation]
        if self.mode == "squash":
            picture = Image.fromarray(image).resize((self.resize, self.resize), kind)
            return np.asarray(_centre(picture, self.size))
        return self._bordered(image, kind) if self.mode == "border" else self._middle(image, kind)

    def _middle(self, image: np.ndarray, kind: Image.Resampling) -> np.ndarray:
        scaled = _short_side((image.shape[1], image.shape[0]), self.resize)
        if max(scaled) > LONGEST * min(scaled):
            return self._strip(Image.fromarray(image), scaled, kind)
        made = resampling.window(image, scaled, self.size, kind)
        if made is None:
            made = np.asarray(_centre(Image.fromarray(image).resize(scaled, kind), self.size))
        return made

    def seen(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The part of a picture that :meth:`pixels` keeps: x0, y0, x1, y1 in fractions of it;
        outside 0..1 where it pads."""
        if self.mode == "squash":
            scaled = (self.resize, self.resize)
        elif self.mode == "border":
            scale = self.resize / max(width, height)
            scaled = (max(1, round(width * scale)), max(1, round(height * scale)))
        else:
            scaled = _short_side((width, height), self.resize)
        x, y = (self.size / (2.0 * length) for length in scaled)
        return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y

    def _strip(
        self, picture: Image.Image, scaled: tuple[int, int], kind: Image.Resampling
    ) -> np.ndarray:
        """Resize and crop in one step: the same samples as one after the other, to a rounding."""
        box: list[float] = []
        for length, whole in zip(picture.size, scaled, strict=True):
            first = round((whole - self.size) / 2.0)
            box = [*box, first * length / whole, (first + self.size) * length / whole]
        return np.asarray(
            picture.resize((self.size, self.size), kind, box=(box[0], box[2], box[1], box[3]))
        )

    def _bordered(self, image: np.ndarray, kind: Image.Resampling) -> np.ndarray:
        picture = Image.fromarray(image)
        scale = self.resize / max(picture.size)
        width, height = (max(1, round(length * scale)) for length in picture.size)
        paper = Image.new(
            "RGB", (self.size, self.size), tuple(round(255 * value) for value in self.mean)
        )
        paper.paste(
            picture.resize((width, height), kind),
            ((self.size - width) // 2, (self.size - height) // 2),
        )
        return np.asarray(paper)


def from_timm(config: dict, name: str) -> Preprocess:
    """timm's ``resolve_model_data_config`` -> :class:`Preprocess`.

    Raises:
        UserError: the network does not take square RGB pictures.
    """
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise UserError(
            f"{name} takes {channels} x {height} x {width}.",
            "Networks for square RGB pictures can be used.",
        )
    kind = config["interpolation"] if config["interpolation"] in FILTERS else "bilinear"
    resize = math.floor(height / (config["crop_pct"] or 1.0))
    return Preprocess(
        height,
        resize,
        kind,
        tuple(config["mean"]),
        tuple(config["std"]),
        config.get("crop_mode") or "center",
    )


def _short_side(size: tuple[int, int], target: int) -> tuple[int, int]:
    width, height = size
    if width <= height:
        return target, int(target * height / width)
    return int(target * width / height), target


def _centre(picture: Image.Image, side: int) -> Image.Image:
    """torchvision's CenterCrop, padding with black where the picture is smaller."""
    left, top = round((picture.width - side) / 2.0), round((picture.height - side) / 2.0)
    return picture.crop((left, top, left + side, top + side))
