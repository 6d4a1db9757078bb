"""Bytes or path -> RGB array, safely: size and pixel limits, EXIF rotation, every colour mode,
reduced decoding.

Colour profiles (ICC) are not applied: the numbers are taken as sRGB, as the recipes of pretrained
networks do. CMYK is converted by the plain formula. Of several frames or pages the first counts.
Transparency is laid on white.

Pillow's own size checks are the second line of defence inside its plug-ins (canvas, tile and frame
sizes). They are set once for the process, and our own check of the header comes before a pixel is
unpacked: neither depends on the warning filters, which threads share.
"""

import io
import math
import os
import stat
from pathlib import Path

import numpy as np

# Image.open would import all of Pillow's 43 plug-ins for a format that none of these reads
from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin  # noqa: F401

from core.colours import low_bytes, on_white
from core.errors import UserError
from core.fileformats import HEAD, PADDING, end_of, endings, exif_segments, is_heif, scans

MAX_BYTES = 25 << 20
"""Of the picture itself: not what lies behind its end (a video, padding)."""
MAX_PIXELS = 50_000_000
EXTENSIONS = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
)
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
HEAVY = ("WEBP", "AVIF", "TIFF")
"""Formats whose decoders hold several copies of the picture: half as many pixels are allowed."""
MAX_READS = 50_000
"""Pieces that a file may have; an honest one has thousands, a bomb of empty chunks has millions."""
MAX_NOTES = 256
"""Metadata segments of a JPEG; Pillow joins them in quadratic time."""
MAX_SCAN_PIXELS = 2_000_000_000
"""Scans times pixels of a progressive JPEG: every scan passes over the whole picture."""

# Pillow refuses above twice this, wherever a file hides the size
Image.MAX_IMAGE_PIXELS = MAX_PIXELS

_TURNS = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
"""EXIF orientation -> quarter turns to the left, then whether to mirror left and right."""


class _Reader(io.BytesIO):
    """The bytes of a file, refusing to be read in absurdly many pieces."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise _damaged("it falls into too many pieces")
        return super().read(size)


def decode(data: bytes, side: int | None = None) -> np.ndarray:
    """Decode a picture to RGB uint8 (height, width, 3), upright.

    Args:
        data: the file's bytes, in any of ``FORMATS``.
        side: where only this many pixels on the short side are needed, a JPEG is decoded at 1/2,
            1/4 or 1/8 as long as twice that many remain; other formats come whole. Nothing is ever
            enlarged or resampled here.

    What lies behind the picture's end is ignored, and a picture that lacks nothing but its end mark
    is read.

    Raises:
        UserError: the bytes are no picture, are cut off or damaged, or pass a limit. What is there
            of a truncated picture is never passed off as the picture.
    """
    if not data:
        raise UserError(
            "The picture file is empty (0 bytes).",
            fix="Choose another file, or save this one again.",
        )
    data = only_picture(data, len(data))
    try:
        if data.startswith(b"\xff\xd8") and data.endswith(PADDING) and end_of(data) is None:
            raise OSError("zeros take the place of its end")  # Pillow would decode them to grey
        return _pixels(data, side)
    except UserError:
        raise
    except UnidentifiedImageError as error:
        readable = f"Readable: {', '.join(FORMATS)}."
        if is_heif(data[:HEAD]):
            raise UserError(
                "This is a HEIC photograph, which can't be read here.",
                readable,
                "Save it as JPEG: on an iPhone the setting Camera > Formats > Most Compatible does"
                " that for new photographs.",
            ) from error
        raise UserError(
            "This file is not a picture, or not one that can be read.", readable
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        allowed = f"At most {MAX_PIXELS / 1e6:.0f} million are decoded."
        raise UserError(
            "This picture would unpack to too many pixels.", allowed, "Save a smaller copy."
        ) from error
    except Exception as error:  # Pillow's plug-ins raise nearly anything on damaged bytes
        if (picture := _without_end_mark(data, side)) is not None:
            return picture
        raise _damaged(str(error).split("\n")[0][:120] or type(error).__name__) from error


def _pixels(data: bytes, side: int | None) -> np.ndarray:
    if data.startswith(b"\xff\xd8") and _more_exif_than_allowed(data):
        raise _damaged(f"it has more than {MAX_NOTES} blocks of metadata")
    with Image.open(_Reader(data), formats=FORMATS) as image:
        return _upright_rgb(image, data, side)


def _more_exif_than_allowed(data: bytes) -> bool:
    # counting bytes is quick, and nearly always enough; it counts too many where a video lies
    # behind the picture
    return data.count(b"\xff\xe1") > MAX_NOTES and exif_segments(data, MAX_NOTES + 1) > MAX_NOTES


def _without_end_mark(data: bytes, side: int | None) -> np.ndarray | None:
    """The pixels of a file that lacks its end alone; None where more is wrong."""
    if data.startswith(b"RIFF"):
        whole = [data + b"\0"] if len(data) % 2 and end_of(data) == len(data) + 1 else []
    else:
        whole = endings(data) if data.startswith(b"\xff\xd8") else []
    try:
        first, *others = [_pixels(one, None) for one in whole]
        if all(np.array_equal(first, other) for other in others):
            return _pixels(whole[0], side)
    except Exception:  # no ending fits, then: what was wrong at first is told
        return None
    return None


def decoded_size(data: bytes, side: int | None = None) -> tuple[int, int] | None:
    """Width and height, as stored, of what :func:`decode` gives: two ``side`` with one size get the
    same pixels.

    None where the header can't be read; :func:`decode` then says why.
    """
    try:
        with Image.open(_Reader(data), formats=FORMATS) as image:
            _drafted(image, side)
            return image.size
    except Exception:
        return None


def decode_file(path: Path | str, side: int | None = None) -> np.ndarray:
    """:func:`decode` for a file; the error names the file."""
    return decode(read_file(path), side)


def read_file(path: Path | str) -> bytes:
    """A picture file's bytes; beyond ``MAX_BYTES`` the picture's alone (:func:`only_picture`)."""
    try:
        told = os.stat(path)
        if not stat.S_ISREG(told.st_mode):  # a pipe or a device may have no end
            raise UserError(f"{str(path)!r} is no ordinary file.", fix="Choose a picture file.")
        with open(path, "rb") as file:
            # Python makes room for all that is asked for, which takes longer than the reading
            head = file.read(min(told.st_size, MAX_BYTES) + 1)
            if told.st_size < len(head) <= MAX_BYTES:  # it grew meanwhile
                head += file.read(MAX_BYTES + 1 - len(head))
            return only_picture(head, told.st_size)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise UserError(
            f"The file {str(path)!r} can't be read: {getattr(error, 'strerror', '') or error}."
        ) from error


def only_picture(head: bytes, size: int) -> bytes:
    """What belongs to the picture of a file whose limit has to be looked at.

    Args:
        head: all of the file, or its first ``MAX_BYTES`` at least.
        size: the whole file's bytes.

    Returns:
        ``head`` where the file is within ``MAX_BYTES``, else as much of it as the picture takes.

    Raises:
        UserError: the picture itself is larger than ``MAX_BYTES``, or where it ends can't be told.
    """
    size = max(size, len(head))  # a file may grow while it is read
    if size <= MAX_BYTES:
        return head
    head = head[:MAX_BYTES]
    end = end_of(head)
    if end is None or end > MAX_BYTES:
        raise too_large(size if end is None else end)
    return head[:end]


def too_large(size: int) -> UserError:
    """The error for a file over ``MAX_BYTES``."""
    return UserError(
        f"This picture file has {size / 1e6:.1f} MB.",
        f"At most {MAX_BYTES / 1e6:.0f} MB are read.",
        "Save a smaller copy.",
    )


def resize(
    image: np.ndarray,
    width: int,
    height: int,
    resample: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """Resample RGB uint8 to (height, width, 3); shrinking does not alias."""
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def crop(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """The part inside ``box`` = (x0, y0, x1, y1) in fractions; at least one pixel."""
    if not all(math.isfinite(edge) for edge in box):
        raise UserError(
            f"The box {box} is not made of numbers.", "It is x0, y0, x1, y1, each from 0 to 1."
        )
    height, width = image.shape[:2]
    x0, x1 = sorted((min(max(box[0], 0.0), 1.0), min(max(box[2], 0.0), 1.0)))
    y0, y1 = sorted((min(max(box[1], 0.0), 1.0), min(max(box[3], 0.0), 1.0)))
    left, top = min(int(x0 * width), width - 1), min(int(y0 * height), height - 1)
    right, bottom = max(round(x1 * width), left + 1), max(round(y1 * height), top + 1)
    return image[top:bottom, left:right]


def thumbnail(image: np.ndarray, side: int = 224) -> bytes:
    """A WebP of at most ``side`` pixels on the long side, for showing."""
    small = Image.fromarray(image)
    # Differs from the slowest filter by less (44 dB) than WebP does from both (41 dB), in 2 ms, not
    # 5.
    small.thumbnail((side, side), Image.Resampling.HAMMING)
    out = io.BytesIO()
    small.save(out, "WEBP", quality=82, method=2)
    return out.getvalue()


def _check_pixels(image: Image.Image, data: bytes) -> None:
    width, height = image.size
    progressive = "progressive" in image.info
    heavy = image.format in HEAVY or (progressive and image.mode == "CMYK")
    limit = MAX_PIXELS // 2 if heavy else MAX_PIXELS
    # a TIFF is unpacked in tiles that may be larger than the picture
    tile = getattr(image, "tag_v2", {})
    largest = max(width * height, int(tile.get(322) or 0) * int(tile.get(323) or 0))
    if largest > limit:
        raise UserError(
            f"This picture has {width} x {height}"
            f" pixels{' in larger tiles' if largest > width * height else ''}.",
            f"At most {limit / 1e6:.0f} million pixels are"
            f" decoded{f' from {image.format}' if heavy else ''}.",
            "Save a smaller copy.",
        )
    most = MAX_SCAN_PIXELS // (width * height)
    if progressive and data.count(b"\xff\xda") > most and scans(data) > most:
        raise _damaged("it has too many scans")


def _upright_rgb(image: Image.Image, data: bytes, side: int | None) -> np.ndarray:
    _check_pixels(image, data)
    _drafted(image, side)
    clear = low_bytes(image, lambda: Image.open(_Reader(data), formats=FORMATS))
    image.load()
    rgb = on_white(image, clear)
    turns, mirrored = _TURNS.get(_orientation(image), (0, False))
    rgb = np.rot90(rgb, turns)
    return np.ascontiguousarray(rgb[:, ::-1] if mirrored else rgb)


def _drafted(image: Image.Image, side: int | None) -> None:
    """A JPEG is told to be decoded smaller where that leaves enough."""
    if side and image.format in ("JPEG", "MPO"):
        image.draft(None, (2 * side, 2 * side))


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # damaged EXIF does not damage the picture
        return 1


def _damaged(reason: str) -> UserError:
    return UserError(
        f"This picture file is damaged and can't be decoded ({reason}).",
        fix="Save or download it again.",
    )
