"""Every way to store a colour gives the right pixels: transparency on white, palettes, CMYK, 1 to
32 bits."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from core import colours
from core.images import decode
from tests.images.painted import (
    BLUE,
    RED,
    WHITE,
    assert_quarters,
    corners,
    encoded,
    near,
    png,
    quarters,
    tiff,
)


def test_transparency_is_laid_on_white():
    image = quarters().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.paste((*RED, 255), (0, 0, 32, 24))
    image.paste((0, 0, 0, 128), (32, 0, 64, 24))
    for format in ("PNG", "WEBP", "TIFF"):
        red, half, clear, _ = corners(
            decode(encoded(image, format, **({"lossless": True} if format == "WEBP" else {})))
        )
        assert near(red, RED, 2)
        assert near(half, (127, 127, 127), 2)
        assert near(clear, WHITE, 0)


def test_grey_with_alpha_and_one_transparent_level():
    image = Image.merge(
        "LA", [Image.new("L", (8, 8), 0), Image.linear_gradient("L").resize((8, 8))]
    )
    column = decode(encoded(image, "PNG"))[:, 0, 0].astype(int)
    np.testing.assert_allclose(
        column, 255 - np.asarray(image.getchannel("A"))[:, 0].astype(int), atol=1
    )
    level = Image.new("L", (4, 4), 9)
    level.putpixel((0, 0), 50)
    assert decode(encoded(level, "PNG", transparency=9))[:2, 0].tolist() == [[50] * 3, [255] * 3]


def test_palette_with_alpha_and_palette_with_one_transparent_colour():
    image = Image.new("P", (8, 4))
    image.putpalette([*RED, *BLUE, 0, 0, 0])
    image.paste(1, (4, 0, 8, 4))
    image.putpixel((0, 0), 2)
    picture = decode(encoded(image, "PNG", transparency=bytes([255, 255, 0])))
    assert [tuple(picture[p]) for p in ((0, 0), (1, 0), (1, 5))] == [WHITE, RED, BLUE]
    picture = decode(encoded(image, "GIF", transparency=1))
    assert [tuple(picture[p]) for p in ((1, 0), (1, 5))] == [RED, WHITE]


def test_one_bit():
    image = Image.new("1", (9, 4))
    image.paste(1, (5, 0, 9, 4))
    for format in ("PNG", "TIFF", "BMP"):
        picture = decode(encoded(image, format))
        assert picture[0, 4].tolist() == [0, 0, 0]
        assert picture[0, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk(format):
    picture = decode(encoded(quarters().convert("CMYK"), format))
    assert_quarters(picture, 20)


def test_adobe_inverted_cmyk_jpeg():
    """Photoshop stores full ink as 0. Such files are the rule, so a CMYK JPEG without Adobe's mark
    is read the same way."""
    marked = encoded(quarters().convert("CMYK"), "JPEG", quality=95)
    start = marked.index(b"\xff\xee\x00\x0eAdobe")
    unmarked = marked[:start] + marked[start + 16 :]
    for data in (marked, unmarked):
        assert_quarters(decode(data), 20)


@pytest.mark.parametrize("side", [None, 20])
def test_cmyk_and_grey_jpeg_reduced(side):
    for mode in ("CMYK", "L"):
        picture = decode(encoded(quarters(640, 480).convert(mode), "JPEG"), side)
        expected = (
            np.asarray(quarters().convert("L").convert("RGB"))
            if mode == "L"
            else np.asarray(quarters())
        )
        assert all(near(p, c, 20) for p, c in zip(corners(picture), corners(expected), strict=True))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey(format):
    levels = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    assert decode(encoded(Image.fromarray(levels), format))[0, :, 0].tolist() == [0, 1, 128, 255]
    dark = np.array([[0, 100, 200, 255]], np.uint16)
    assert decode(encoded(Image.fromarray(dark), format)).max() <= 1, (
        "16 bits that are nearly black stay nearly black"
    )


def test_sixteen_bit_rgb_rgba_grey_alpha_and_transparent_level_png():
    pixels = [0x0000, 0x8000, 0xFFFF]
    assert decode(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", *pixels))).tolist() == [
        [[0, 128, 255]]
    ]
    clear = b"\0" + struct.pack(">4H", *pixels, 0) + struct.pack(">4H", *pixels, 0xFFFF)
    assert decode(png(2, 1, 16, 6, clear)).tolist() == [[[255, 255, 255], [0, 128, 255]]]
    grey = b"\0" + struct.pack(">4H", 0x4000, 0xFFFF, 0x4000, 0)
    assert decode(png(2, 1, 16, 4, grey)).tolist() == [[[64, 64, 64], [255, 255, 255]]]
    level = png(
        2,
        1,
        16,
        0,
        b"\0" + struct.pack(">2H", 0x4000, 0x4001),
        (b"tRNS", struct.pack(">H", 0x4000)),
    )
    assert decode(level).tolist() == [[[255] * 3, [64] * 3]]


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_transparent_grey_of_every_depth(depth):
    """A level of few bits is scaled like the pixels are; levels beside it stay."""
    highest = 2**depth - 1
    levels = sorted({0, highest // 3, highest // 3 + 1, highest})
    bits = "".join(f"{level:0{depth}b}" for level in levels)
    row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    for clear in levels:
        data = png(len(levels), 1, depth, 0, b"\0" + row, (b"tRNS", struct.pack(">H", clear)))
        expected = [255 if level == clear else round(level * 255 / highest) for level in levels]
        assert decode(data)[0, :, 1].tolist() == expected


@pytest.mark.parametrize("depth", [8, 16])
def test_one_transparent_colour_of_every_depth(depth):
    row = [(10, 20, 30), (10, 20, 31), (11, 20, 30), (30, 20, 10)]
    if depth == 16:
        row += [(0x0A01, 0x1401, 0x1E01), (0x0A01, 0x1401, 0x1E02), (0x0A02, 0x1401, 0x1E01)]
    word = "B" if depth == 8 else "H"
    stored = b"".join(struct.pack(f">3{word}", *colour) for colour in row)
    for clear in row:
        data = png(len(row), 1, depth, 2, b"\0" + stored, (b"tRNS", struct.pack(">3H", *clear)))
        expected = [
            [255] * 3 if colour == clear else [level >> (depth - 8) for level in colour]
            for colour in row
        ]
        assert decode(data)[0].tolist() == expected


def test_the_transparent_colour_of_an_picture_in_many_strips(monkeypatch):
    monkeypatch.setattr(colours, "STRIP_PIXELS", 20)
    rng = np.random.default_rng(3)
    deep = rng.integers(0, 3, (16, 9, 3)).astype(">u2") * 0x0101
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    data = png(9, 16, 16, 2, rows, (b"tRNS", deep[4, 5].tobytes()))
    clear = (deep == deep[4, 5]).all(axis=2)
    np.testing.assert_array_equal(decode(data), np.where(clear[..., None], 255, deep >> 8))


def test_sixteen_bit_rgb_tiff():
    data = tiff([16, 16, 16], struct.pack("<6H", 0, 0x8000, 0xFFFF, 0xFFFF, 0, 0x4000), 2)
    assert decode(data).tolist() == [[[0, 128, 255], [255, 0, 64]]]


@pytest.mark.parametrize(
    ("values", "grey"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 255.0], [0, 100, 255]),
        ([0.0, 32768.0, 65535.0], [0, 128, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([float("nan"), float("inf"), 1.0], [0, 255, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([7e30, 7e30, 7e30], [0, 0, 0]),
    ],
)
def test_float_tiff_by_its_range(values, grey):
    picture = decode(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
    assert picture[0, :, 0].tolist() == grey


def test_thirty_two_bit_integers():
    values = np.array([[0, 128, 255]], np.int32)
    assert decode(encoded(Image.fromarray(values, "I"), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]
    assert decode(encoded(Image.fromarray(values * 257, "I"), "TIFF"))[0, :, 0].tolist() == [
        0,
        128,
        255,
    ]


def test_large_pictures_are_converted_in_strips_without_seams():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (1500, 3001, 4), dtype=np.uint8)
    picture = decode(encoded(Image.fromarray(pixels), "PNG", compress_level=1))
    white = 255 - (255 - pixels[..., :3].astype(int)) * pixels[..., 3:] / 255
    assert np.abs(picture - white).max() <= 1
