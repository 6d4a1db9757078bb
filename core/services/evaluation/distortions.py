"""What may happen to a picture between two cameras: growing distortions, each time the same."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from core.errors import UserError

SEED = 0


@dataclass(frozen=True, slots=True)
class Distortion:
    """``apply(rgb, strength)`` -> RGB uint8. ``strengths`` grow; ``none`` changes nothing."""

    name: str
    title: str
    unit: str
    strengths: tuple[float, ...]
    none: float
    apply: Callable[[np.ndarray, float], np.ndarray]


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image)


def _border(image: np.ndarray) -> tuple[int, int, int]:
    """The mean colour of the outermost pixels: a rotation uncovers more of the background."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    red, green, blue = (int(value) for value in edge.mean(axis=0).round())
    return red, green, blue


def _rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    return np.asarray(
        _picture(image).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_border(image))
    )


def _scale(image: np.ndarray, share: float) -> np.ndarray:
    """Made smaller by so many percent and put in the middle of its own background."""
    height, width = image.shape[:2]
    factor = 1 - share / 100
    small = _picture(image).resize(
        (max(1, round(width * factor)), max(1, round(height * factor))), Image.Resampling.LANCZOS
    )
    canvas = Image.new("RGB", (width, height), _border(image))
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    return np.asarray(canvas)


def _crop(image: np.ndarray, share: float) -> np.ndarray:
    """So many percent of each side cut away, the middle kept."""
    height, width = image.shape[:2]
    top, left = int(height * share / 200), int(width * share / 200)
    return np.ascontiguousarray(
        image[top : max(height - top, top + 1), left : max(width - left, left + 1)]
    )


def _blur(image: np.ndarray, share: float) -> np.ndarray:
    """Gaussian blur; the radius is so many percent of the short side."""
    return np.asarray(
        _picture(image).filter(ImageFilter.GaussianBlur(share / 100 * min(image.shape[:2])))
    )


def _noise(image: np.ndarray, spread: float) -> np.ndarray:
    noise = np.random.default_rng(SEED).normal(0, spread, image.shape)
    return np.clip(image + noise, 0, 255).round().astype(np.uint8)


def _jpeg(image: np.ndarray, loss: float) -> np.ndarray:
    """Saved as a JPEG of quality 100 - loss and read again."""
    out = io.BytesIO()
    _picture(image).save(out, "JPEG", quality=int(max(1, 100 - loss)))
    return np.asarray(Image.open(out).convert("RGB"))


def _brightness(image: np.ndarray, percent: float) -> np.ndarray:
    return np.clip(image * (1 + percent / 100), 0, 255).round().astype(np.uint8)


def _occlude(image: np.ndarray, share: float) -> np.ndarray:
    """A grey square over so many percent of the picture, at a place drawn once."""
    height, width = image.shape[:2]
    part = np.sqrt(share / 100)
    tall, wide = round(height * part), round(width * part)
    rng, out = np.random.default_rng(SEED), image.copy()
    top, left = (int(rng.integers(0, max(1, room + 1))) for room in (height - tall, width - wide))
    out[top : top + tall, left : left + wide] = 128
    return out


DISTORTIONS: dict[str, Distortion] = {
    row.name: row
    for row in (
        Distortion("rotate", "Rotation", "degrees", (5, 15, 45, 90, 180), 0, _rotate),
        Distortion("scale", "Smaller", "% smaller", (10, 25, 50, 70, 85), 0, _scale),
        Distortion("crop", "Crop", "% of each side cut away", (10, 25, 40, 55, 70), 0, _crop),
        Distortion("blur", "Blur", "radius, % of the short side", (0.5, 1, 2, 4, 8), 0, _blur),
        Distortion("noise", "Noise", "standard deviation, of 255", (5, 15, 30, 60, 120), 0, _noise),
        Distortion("jpeg", "JPEG", "100 - quality", (20, 50, 75, 90, 98), 0, _jpeg),
        Distortion(
            "darker", "Darker", "% of brightness", (-10, -25, -50, -70, -85), 0, _brightness
        ),
        Distortion(
            "brighter", "Brighter", "% of brightness", (10, 25, 50, 100, 200), 0, _brightness
        ),
        Distortion(
            "occlude", "Occlusion", "% of the picture covered", (5, 10, 20, 40, 60), 0, _occlude
        ),
    )
}


def distort(image: np.ndarray, name: str, strength: float) -> np.ndarray:
    """A distorted RGB uint8 (h, w, 3). Raises UserError: no such kind, strength out of range."""
    if name not in DISTORTIONS:
        raise UserError(
            f"There is no distortion {name[:40]!r}.", f"Known: {', '.join(DISTORTIONS)}."
        )
    row = DISTORTIONS[name]
    low, high = sorted((row.none, row.strengths[-1]))
    if not low <= strength <= high:
        raise UserError(
            f"{row.title} of {strength:g} was asked for.",
            f"It is {low:g} to {high:g} ({row.unit}).",
        )
    return image if strength == row.none else row.apply(image, strength)
