"""Bytes or path -> RGB array, safely: size and pixel limits, EXIF rotation, every colour mode, reduced decoding."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from core.errors import UserError

MAX_BYTES = 25 << 20
MAX_PIXELS = 64_000_000
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")


def decode(data: bytes, side: int | None = None) -> np.ndarray:
    """Decode a picture to RGB uint8 (height, width, 3), upright.

    Args:
        data: the file's bytes, in any of ``FORMATS``.
        side: where only this many pixels on the short side are needed, a JPEG is decoded at 1/2, 1/4 or 1/8 as long as
            twice that many remain; other formats come whole. Nothing is ever enlarged or resampled here.

    Raises:
        UserError: the bytes are no picture, are damaged, or pass a limit.
    """
    _check_bytes(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return np.asarray(_upright_rgb(image, side))
    except UserError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(data, error) from error
    except Exception as error:  # Pillow's plug-ins raise nearly anything on damaged bytes
        raise _damaged(error) from error


def decode_file(path: Path | str, side: int | None = None) -> np.ndarray:
    """:func:`decode` for a file; the error names the file."""
    return decode(read_file(path), side)


def read_file(path: Path | str) -> bytes:
    """The bytes of a picture file, refused before reading where they pass ``MAX_BYTES``."""
    try:
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            raise too_large(size)
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"The file {str(path)!r} can't be read: {error.strerror or error}.") from error


def too_large(size: int) -> UserError:
    """The error for a file over ``MAX_BYTES``."""
    return UserError(
        f"This picture file has {size / 1e6:.1f} MB.", f"At most {MAX_BYTES / 1e6:.0f} MB are read.", "Save a smaller copy."
    )


def resize(image: np.ndarray, width: int, height: int, resample: Image.Resampling = Image.Resampling.BILINEAR) -> np.ndarray:
    """Resample RGB uint8 to (height, width, 3); Pillow widens the filter when it shrinks, so nothing aliases."""
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def crop(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part inside ``box`` = (x0, y0, x1, y1), fractions of the picture, origin top left; at least one pixel."""
    height, width = image.shape[:2]
    x0, x1 = sorted((min(max(box[0], 0.0), 1.0), min(max(box[2], 0.0), 1.0)))
    y0, y1 = sorted((min(max(box[1], 0.0), 1.0), min(max(box[3], 0.0), 1.0)))
    left, top = min(int(x0 * width), width - 1), min(int(y0 * height), height - 1)
    right, bottom = max(round(x1 * width), left + 1), max(round(y1 * height), top + 1)
    return image[top:bottom, left:right]


def thumbnail(image: np.ndarray, side: int = 224) -> bytes:
    """A WebP of at most ``side`` pixels on the long side, for showing."""
    small = Image.fromarray(image)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=2)
    return out.getvalue()


def _check_bytes(data: bytes) -> None:
    if not data:
        raise UserError("The picture file is empty (0 bytes).", fix="Choose another file, or save this one again.")
    if len(data) > MAX_BYTES:
        raise too_large(len(data))


def _upright_rgb(image: Image.Image, side: int | None) -> Image.Image:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_many_pixels(width, height)
    if side and image.format == "JPEG":
        image.draft("RGB" if image.mode != "CMYK" else None, (2 * side, 2 * side))
    image.seek(0)
    image.load()
    return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_from_deep(image)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(paper, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_from_deep(image: Image.Image) -> Image.Image:
    """16-bit and float pictures scaled to 8 bits: 16-bit by 1/257, anything else by its own range."""
    deep = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = (0.0, 65535.0) if deep.min() >= 0 and 255 < deep.max() <= 65535 else (deep.min(), max(deep.max(), 255.0))
    grey = np.clip((deep - low) * (255.0 / (high - low)), 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _too_many_pixels(width: int, height: int) -> UserError:
    return UserError(
        f"This picture has {width} x {height} pixels.",
        f"At most {MAX_PIXELS / 1e6:.0f} million pixels are decoded.",
        "Save a smaller copy.",
    )


def _unreadable(data: bytes, error: Exception) -> UserError:
    if isinstance(error, UnidentifiedImageError):
        return UserError("This file is not a picture, or not one that can be read.", f"Readable: {', '.join(FORMATS)}.")
    return UserError("This picture would unpack to too many pixels.", f"At most {MAX_PIXELS / 1e6:.0f} million are decoded.")


def _damaged(error: Exception) -> UserError:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    return UserError(f"This picture file is damaged and can't be decoded ({reason}).", fix="Save or download it again.")
