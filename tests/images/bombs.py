"""Small files that would like to become large or slow. Each maker returns the bytes of one."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(
    width: int, height: int, middle: bytes = b"", kind: int = 2, rows: bytes = b"\0\0\0\0"
) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + middle
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )


def _encoded(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def _tiff(tags: dict[int, int], data: bytes) -> bytes:
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())
    )
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + entries
        + struct.pack("<I", 0)
    )


def png_wide() -> bytes:
    return _png(100_000, 100_000)


def png_flat() -> bytes:
    """A valid picture of 20,000 x 20,000 in a few hundred kilobytes."""
    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(20_001)) for _ in range(20_000)) + packer.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def png_text() -> bytes:
    """200 compressed notes of 20 MB each."""
    note = _chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(20 << 20), 1))
    return _png(1, 1, note * 200)


def png_profile() -> bytes:
    return _png(1, 1, _chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(400 << 20), 1)))


def png_chunks() -> bytes:
    """Two million empty chunks."""
    return _png(1, 1, _chunk(b"teXt", b"") * 2_000_000)


def gif_screen() -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b",\0\0\0\0\1\0\1\0\0\2\2D\1\0;"
    )


def gif_frame() -> bytes:
    """A small screen with a huge frame."""
    return (
        b"GIF89a"
        + struct.pack("<HHBBB", 1, 1, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
        + b"\2\2D\1\0;"
    )


def webp_canvas() -> bytes:
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (16_383).to_bytes(3, "little") * 2
    small = _encoded(Image.new("RGB", (1, 1)), "WEBP")[12:]
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(small)) + b"WEBP" + canvas + small


def webp_flat() -> bytes:
    return _encoded(Image.new("RGB", (8000, 6000)), "WEBP", quality=1, method=0)


def avif_flat() -> bytes:
    return _encoded(Image.new("RGB", (8000, 6000)), "AVIF", quality=1, speed=10)


def bmp_header() -> bytes:
    return (
        b"BM"
        + struct.pack("<IHHI", 54, 0, 0, 54)
        + struct.pack("<IiiHHIIiiII", 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0)
    )


def tiff_strip() -> bytes:
    """One deflated strip of 40,000 x 40,000."""
    data = zlib.compress(bytes(1000))
    return _tiff(
        {
            256: 40_000,
            257: 40_000,
            258: 8,
            259: 8,
            262: 1,
            273: 8,
            277: 1,
            278: 40_000,
            279: len(data),
        },
        data,
    )


def tiff_tile() -> bytes:
    """A picture of 16 x 16 in one deflated tile of 25,600 x 25,600."""
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(bytes(25_600)) for _ in range(25_600)) + packer.flush()
    return _tiff(
        {
            256: 16,
            257: 16,
            258: 8,
            259: 8,
            262: 1,
            277: 1,
            322: 25_600,
            323: 25_600,
            324: 8,
            325: len(data),
        },
        data,
    )


def tiff_rows_in_strip() -> bytes:
    """A picture of 16 x 16 that claims four billion rows in its strip."""
    data = zlib.compress(bytes(100 << 20), 1)
    return _tiff(
        {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: 2**32 - 1, 279: len(data)},
        data,
    )


def tiff_tags() -> bytes:
    """A directory of 60,000 entries that all point to the same megabytes."""
    data = bytes(8 << 20)
    entries = b"".join(struct.pack("<HHII", tag, 1, len(data), 8) for tag in range(1000, 61_000))
    return (
        b"II*\0"
        + struct.pack("<I", 8 + len(data))
        + data
        + struct.pack("<H", 60_000)
        + entries
        + struct.pack("<I", 0)
    )


def tiff_of_tiffs() -> bytes:
    """A directory that follows itself."""
    data = zlib.compress(bytes(256))
    whole = _tiff(
        {256: 16, 257: 16, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: 16, 279: len(data)}, data
    )
    return whole[:-4] + struct.pack("<I", 8 + len(data))


def jpeg_notes() -> bytes:
    """A million EXIF segments, which Pillow joins one by one."""
    whole = _encoded(Image.new("RGB", (8, 8)), "JPEG")
    return whole[:2] + b"\xff\xe1\x00\x12Exif\0\0aaaaaaaaaa" * 1_000_000 + whole[2:]


def jpeg_notes_large() -> bytes:
    whole = _encoded(Image.new("RGB", (8, 8)), "JPEG")
    return whole[:2] + (b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)) * 255 + whole[2:]


def jpeg_junk() -> bytes:
    """20 MB of nothing between the segments."""
    whole = _encoded(Image.new("RGB", (8, 8)), "JPEG")
    return whole[:2] + bytes(20 << 20) + whole[2:]


def jpeg_scans() -> bytes:
    """A progressive picture of 5,000 x 5,000 whose last scan is repeated 5,000 times."""
    whole = _encoded(Image.new("RGB", (5000, 5000)), "JPEG", progressive=True, quality=10)
    last = whole.rindex(b"\xff\xda")
    return (
        whole[:-2] + whole[last:-2] * min(5000, (24 << 20) // (len(whole) - 2 - last)) + whole[-2:]
    )


def jpeg_header() -> bytes:
    whole = bytearray(_encoded(Image.new("RGB", (8, 8)), "JPEG"))
    start = whole.index(b"\xff\xc0")
    whole[start + 5 : start + 9] = b"\xff\xff\xff\xff"
    return bytes(whole)


def largest_allowed() -> dict[str, bytes]:
    """Valid pictures just under the limits, in the modes that take most memory."""
    rng = np.random.default_rng(0)
    wide = Image.new("RGBA", (8000, 6200), (10, 20, 30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    half = Image.fromarray(rng.integers(0, 255, (40, 49, 3), dtype=np.uint8)).resize(
        (4990, 5000), Image.Resampling.NEAREST
    )
    return {
        "png": _encoded(wide, "PNG", compress_level=1, exif=exif),
        "jpeg-progressive": _encoded(wide.convert("RGB"), "JPEG", progressive=True, subsampling=0),
        "jpeg-cmyk-progressive": _encoded(
            half.convert("CMYK"), "JPEG", progressive=True, quality=60
        ),
        "webp": _encoded(half, "WEBP", quality=50, method=0),
        "avif": _encoded(half, "AVIF", quality=30, speed=10),
        "tiff": _encoded(half.convert("RGBA"), "TIFF", compression="tiff_lzw"),
    }


BOMBS = (
    png_wide,
    png_flat,
    png_text,
    png_profile,
    png_chunks,
    gif_screen,
    gif_frame,
    webp_canvas,
    webp_flat,
    avif_flat,
    bmp_header,
    tiff_strip,
    tiff_tile,
    tiff_rows_in_strip,
    tiff_tags,
    tiff_of_tiffs,
    jpeg_notes,
    jpeg_notes_large,
    jpeg_junk,
    jpeg_scans,
    jpeg_header,
)
