"""Every way to store a colour as RGB on white: palettes, alpha, CMYK, 1 to 32 bits."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

STRIP_PIXELS = 4_000_000
LEVEL_STEPS = {"L;2": 85, "L;4": 17}
"""What Pillow multiplies a grey of few bits by; the transparent level it leaves as it is."""


def on_white(image: Image.Image, low: Image.Image | None = None) -> np.ndarray:
    """A loaded picture as uint8 (height, width, 3), what is transparent laid on white.

    ``low`` is what :func:`low_bytes` gave for it.
    """
    small = image.width * image.height <= STRIP_PIXELS
    if small and image.mode == "RGB" and "transparency" not in image.info:
        return np.array(image)  # most pictures: nothing to convert
    rgb = np.empty((image.height, image.width, 3), np.uint8)
    black, white = _range(image)
    for top, strip in _strips(image):
        part = rgb[top : top + strip.height]
        part[:] = np.asarray(_to_rgb(strip, black, white))
        clear = image.info.get("transparency")
        if low is not None and clear is not None:
            lower = np.asarray(low.crop((0, top, low.width, top + strip.height)))
            upper_levels, lower_levels = zip(*(divmod(level, 256) for level in clear), strict=True)
            part[_equal(np.asarray(strip), upper_levels) & _equal(lower, lower_levels)] = 255
        elif isinstance(clear, int | tuple) and (
            strip.mode in ("1", "L", "RGB") or _is_deep(strip)
        ):
            part[_equal(np.asarray(strip), clear if isinstance(clear, tuple) else [clear])] = 255
    return rgb


def low_bytes(image: Any, again: Callable[[], Any]) -> Image.Image | None:
    """The lower halves of the colours of a PNG with 16 bits, loaded, where they are needed; call it
    before ``image`` is loaded.

    Pillow drops them, and with them what tells the one transparent colour from its neighbours. Of a
    PNG with few bits the transparent level is brought to the scale of the pixels.

    Args:
        again: opens the same file once more.
    """
    if image.format != "PNG" or "transparency" not in image.info or not image.tile:
        return None
    stored = image.tile[0].args
    if stored in LEVEL_STEPS:
        image.info["transparency"] *= LEVEL_STEPS[stored]
    if stored != "RGB;16B" or not isinstance(image.info["transparency"], tuple):
        return None
    low = again()
    # read as if the halves were swapped
    low.tile = [tile._replace(args="RGB;16L") for tile in low.tile]
    low.load()
    return low


def _equal(pixels: np.ndarray, levels: list[int] | tuple[int, ...]) -> np.ndarray:
    """Where every channel has its level; bool (height, width)."""
    return (pixels.reshape(*pixels.shape[:2], -1) == np.array(levels)).all(axis=2)


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """The picture in full-width pieces with their top row: it takes memory for one piece."""
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _to_rgb(image: Image.Image, black: float, white: float) -> Image.Image:
    if _is_deep(image):
        deep = np.nan_to_num(
            np.asarray(image, dtype=np.float32), nan=black, posinf=white, neginf=black
        )
        grey = np.clip((deep - black) * (255.0 / (white - black)), 0, 255).round().astype(np.uint8)
        return Image.fromarray(grey).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or (
        image.mode == "P" and "transparency" in image.info
    ):
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _range(image: Image.Image) -> tuple[float, float]:
    """The values of black and white: by depth for 16 bits, else by usual ranges or its own."""
    if not _is_deep(image):
        return 0.0, 255.0
    if image.mode.startswith("I;16"):
        bits = getattr(image, "tag_v2", {}).get(258, (16,))
        return 0.0, float(2 ** (bits[0] if isinstance(bits, tuple) else bits) - 1)
    low, high = math.inf, -math.inf
    for _, strip in _strips(image):
        values = np.asarray(strip)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    fitting = [white for white in usual if low >= 0 and high <= white]
    return (0.0, fitting[0]) if fitting else (low, high if high > low else low + max(1.0, abs(low)))
