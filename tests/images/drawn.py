"""A generator of picture files: every format, mode, orientation and ending, with what they have to
be read as."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.images.painted import encoded

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P", "RGB"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK"),
    "BMP": ("1", "L", "P", "RGB"),
    "AVIF": ("RGB", "RGBA"),
    "MPO": ("RGB",),
}
OPTIONS = {
    "JPEG": (
        {},
        {"progressive": True},
        {"restart_marker_blocks": 2},
        {"quality": 100, "subsampling": 0},
    ),
    "WEBP": ({"lossless": True}, {"quality": 60}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}),
}
VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"


def on_white(data: bytes) -> np.ndarray:
    """What Pillow makes of a file: upright, RGB, on white."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode == "CMYK":
            return np.asarray(upright.convert("RGB"))
        upright = upright.convert("RGBA")
    return np.asarray(
        Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    )


@st.composite
def pictures(draw) -> tuple[str, bytes]:
    """(format, bytes) of a whole picture file."""
    format = draw(st.sampled_from(sorted(MODES)))
    mode = draw(st.sampled_from(MODES[format]))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    size = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    coarse = rng.integers(
        0, 256, (*(max(1, side // draw(st.sampled_from((1, 8)))) for side in size), 4), np.uint8
    )
    image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.NEAREST)
    image = (
        image.convert("RGB").quantize(16)
        if mode == "P"
        else image.convert("RGB" if mode == "CMYK" else mode).convert(mode)
    )
    options = dict(draw(st.sampled_from(OPTIONS.get(format, ({},)))))
    if format not in ("GIF", "BMP"):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(1, 8))
        options["exif"] = exif
    if format in ("PNG", "GIF") and mode in ("L", "P") and draw(st.booleans()):
        options["transparency"] = int(np.asarray(image)[0, 0])
    if format in ("MPO", "GIF", "TIFF", "PNG", "WEBP") and draw(st.booleans()):
        # Pillow leaves its encoder's settings on a picture, so each page is a copy
        options |= {
            "save_all": True,
            "append_images": [image.copy().transpose(Image.Transpose.ROTATE_180) for _ in range(2)],
        }
    return format, encoded(image.copy(), format, **options)


@st.composite
def behind(draw) -> bytes:
    """What may lie behind a picture's end."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    kinds = {
        "nothing": lambda: b"",
        "zeros": lambda: bytes(draw(st.integers(1, 5000))),
        "video": lambda: VIDEO + rng.bytes(3000),
        "picture": lambda: draw(pictures())[1],
        "markers": lambda: b"\xff\xe1" * 300 + b"\xff\xda" * 3000,
        "noise": lambda: rng.bytes(draw(st.integers(1, 3000))),
    }
    return kinds[draw(st.sampled_from(sorted(kinds)))]()
