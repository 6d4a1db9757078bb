"""Pictures whose right pixels are known, and files of them made byte by byte."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 40), (20, 40, 210), (255, 255, 255)


def quarters(width: int = 64, height: int = 48) -> Image.Image:
    """Red, green, blue, white: top left, top right, bottom left, bottom right."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image


def encoded(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def near(pixel, colour, by: int = 12) -> bool:
    return bool((np.abs(np.asarray(pixel, int) - colour) <= by).all())


def corners(picture: np.ndarray) -> list:
    height, width = picture.shape[:2]
    y, x = height // 6, width // 6
    return [picture[y, x], picture[y, -x], picture[-y, x], picture[-y, -x]]


def assert_quarters(picture: np.ndarray, by: int = 12) -> None:
    assert picture.dtype == np.uint8
    assert all(
        near(p, c, by) for p, c in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True)
    ), corners(picture)


def png(
    width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]
) -> bytes:
    """A PNG from its parts."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    middle = b"".join(chunk(name, data) for name, data in chunks)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + middle
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def tiff(bits: list[int], samples: bytes, width: int, **tags: int) -> bytes:
    """A little-endian, uncompressed TIFF of one row."""
    deep = struct.pack(f"<{len(bits)}H", *bits)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, 1),
        (258, 3, len(bits), bits[0] if len(bits) == 1 else 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1 if len(bits) == 1 else 2),
        (273, 4, 1, 8 + len(deep)),
        (277, 3, 1, len(bits)),
        (278, 4, 1, 1),
        (279, 4, 1, len(samples)),
        (339, 3, 1, tags.get("kind", 1)),
    ]
    body = deep + samples
    directory = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        small = (
            struct.pack("<HH", value, 0) if kind == 3 and count == 1 else struct.pack("<I", value)
        )
        directory += struct.pack("<HHI", tag, kind, count) + small
    directory += struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory
