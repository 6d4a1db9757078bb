"""Every kind of file gives the right pixels, upright, on white."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import UserError
from core.images import EXTENSIONS, crop, decode, decode_file, read_file, resize, thumbnail

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
    assert all(near(p, c, by) for p, c in zip(corners(picture), (RED, GREEN, BLUE, WHITE), strict=True)), corners(picture)


def png(width: int, height: int, depth: int, kind: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG from its parts."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    middle = b"".join(chunk(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + middle + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"])
def test_every_format_gives_its_pixels(format):
    picture = decode(encoded(quarters(), format))
    assert picture.shape == (48, 64, 3)
    assert_quarters(picture, 25)
    assert picture.flags.writeable


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [None, 60])
def test_every_exif_orientation_is_turned_upright(format, orientation, side):
    upright = quarters(640, 400)
    undo = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
            5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270}  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, format, exif=exif)
    picture = decode(data, side)
    assert_quarters(picture, 25)
    assert picture.shape[1] / picture.shape[0] == 640 / 400
    if side is None:
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(picture, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("value", [0, 9, 77, 65535])
def test_unknown_orientation_leaves_the_picture(value):
    exif = Image.Exif()
    exif[0x0112] = value
    assert_quarters(decode(encoded(quarters(), "JPEG", exif=exif, quality=95)))


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"junk" * 50,
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\xff\0\0\0\0",
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_exif_does_not_damage_the_picture(blob, format):
    assert_quarters(decode(encoded(quarters(), format, exif=b"Exif\0\0" + blob)), 25)


def test_transparency_is_laid_on_white():
    image = quarters().convert("RGBA")
    image.putalpha(Image.new("L", image.size, 0))
    image.paste((*RED, 255), (0, 0, 32, 24))
    image.paste((0, 0, 0, 128), (32, 0, 64, 24))
    for format in ("PNG", "WEBP", "TIFF"):
        red, half, clear, _ = corners(decode(encoded(image, format, **({"lossless": True} if format == "WEBP" else {}))))
        assert near(red, RED, 2)
        assert near(half, (127, 127, 127), 2)
        assert near(clear, WHITE, 0)


def test_grey_with_alpha_and_one_transparent_level():
    image = Image.merge("LA", [Image.new("L", (8, 8), 0), Image.linear_gradient("L").resize((8, 8))])
    column = decode(encoded(image, "PNG"))[:, 0, 0].astype(int)
    np.testing.assert_allclose(column, 255 - np.asarray(image.getchannel("A"))[:, 0].astype(int), atol=1)
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
    """Photoshop stores full ink as 0. Such files are the rule, so a CMYK JPEG without Adobe's mark is read the same way."""
    marked = encoded(quarters().convert("CMYK"), "JPEG", quality=95)
    start = marked.index(b"\xff\xee\x00\x0eAdobe")
    unmarked = marked[:start] + marked[start + 16 :]
    for data in (marked, unmarked):
        assert_quarters(decode(data), 20)


@pytest.mark.parametrize("side", [None, 20])
def test_cmyk_and_grey_jpeg_reduced(side):
    for mode in ("CMYK", "L"):
        picture = decode(encoded(quarters(640, 480).convert(mode), "JPEG"), side)
        expected = np.asarray(quarters().convert("L").convert("RGB")) if mode == "L" else np.asarray(quarters())
        assert all(near(p, c, 20) for p, c in zip(corners(picture), corners(expected), strict=True))


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey(format):
    levels = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    assert decode(encoded(Image.fromarray(levels), format))[0, :, 0].tolist() == [0, 1, 128, 255]
    dark = np.array([[0, 100, 200, 255]], np.uint16)
    assert decode(encoded(Image.fromarray(dark), format)).max() <= 1, "16 bits that are nearly black stay nearly black"


def test_sixteen_bit_rgb_rgba_grey_alpha_and_transparent_level_png():
    pixels = [0x0000, 0x8000, 0xFFFF]
    assert decode(png(1, 1, 16, 2, b"\0" + struct.pack(">3H", *pixels))).tolist() == [[[0, 128, 255]]]
    clear = b"\0" + struct.pack(">4H", *pixels, 0) + struct.pack(">4H", *pixels, 0xFFFF)
    assert decode(png(2, 1, 16, 6, clear)).tolist() == [[[255, 255, 255], [0, 128, 255]]]
    grey = b"\0" + struct.pack(">4H", 0x4000, 0xFFFF, 0x4000, 0)
    assert decode(png(2, 1, 16, 4, grey)).tolist() == [[[64, 64, 64], [255, 255, 255]]]
    level = png(2, 1, 16, 0, b"\0" + struct.pack(">2H", 0x4000, 0x4001), (b"tRNS", struct.pack(">H", 0x4000)))
    assert decode(level).tolist() == [[[255] * 3, [64] * 3]]


def tiff(bits: list[int], samples: bytes, width: int, **tags: int) -> bytes:
    """A little-endian, uncompressed TIFF of one row."""
    deep = struct.pack(f"<{len(bits)}H", *bits)
    entries = [(256, 4, 1, width), (257, 4, 1, 1), (258, 3, len(bits), bits[0] if len(bits) == 1 else 8), (259, 3, 1, 1),
               (262, 3, 1, 1 if len(bits) == 1 else 2), (273, 4, 1, 8 + len(deep)), (277, 3, 1, len(bits)),
               (278, 4, 1, 1), (279, 4, 1, len(samples)), (339, 3, 1, tags.get("kind", 1))]  # fmt: skip
    body = deep + samples
    directory = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        small = struct.pack("<HH", value, 0) if kind == 3 and count == 1 else struct.pack("<I", value)
        directory += struct.pack("<HHI", tag, kind, count) + small
    directory += struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory


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
    assert decode(encoded(Image.fromarray(values * 257, "I"), "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF", "TIFF", "MPO"])
def test_first_frame_of_several(format):
    frames = [Image.new("RGB", (32, 32), colour) for colour in (GREEN, RED, BLUE)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    picture = decode(data)
    assert picture.shape == (32, 32, 3)
    assert near(picture[16, 16], GREEN, 20)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20_000, 1), (1, 20_000), (3, 5000)])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "TIFF"])
def test_extreme_shapes(width, height, format):
    data = encoded(Image.new("RGB", (width, height), BLUE), format)
    for side in (None, 224):
        picture = decode(data, side)
        assert picture.shape == (height, width, 3)
        assert near(picture[-1, -1], BLUE, 6)
    assert decode(thumbnail(picture)).shape[0] <= 224
    assert resize(picture, 64, 64).shape == (64, 64, 3)


@pytest.mark.parametrize(("width", "height"), [(4000, 3000), (3000, 4000), (447, 448), (449, 900), (895, 900), (8000, 450)])
@pytest.mark.parametrize("side", [1, 64, 224, 500])
@pytest.mark.parametrize("orientation", [1, 6])
def test_reduced_jpeg_keeps_twice_the_wanted_side(width, height, side, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encoded(quarters(width, height), "JPEG", exif=exif), side)
    short = min(picture.shape[:2])
    assert short >= min(2 * side, width, height)
    wanted = (width, height) if orientation == 1 else (height, width)
    assert picture.shape[1] / picture.shape[0] == pytest.approx(wanted[0] / wanted[1], rel=0.05)
    if min(width, height) >= 4 * side:
        assert short < min(width, height), "a large picture is reduced while it is decoded"


def test_reduced_jpeg_is_the_picture_reduced():
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((1600, 1200), Image.Resampling.BICUBIC)
    data = encoded(image, "JPEG", quality=95)
    whole, reduced = resize(decode(data), 64, 48), resize(decode(data, 100), 64, 48)
    assert np.abs(whole.astype(int) - reduced).mean() < 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_the_content_counts_not_the_extension(format, tmp_path):
    path = tmp_path / "wrong.tiff"
    path.write_bytes(encoded(quarters(), format))
    assert_quarters(decode_file(path), 25)


def test_large_pictures_are_converted_in_strips_without_seams():
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (1500, 3001, 4), dtype=np.uint8)
    picture = decode(encoded(Image.fromarray(pixels), "PNG", compress_level=1))
    white = 255 - (255 - pixels[..., :3].astype(int)) * pixels[..., 3:] / 255
    assert np.abs(picture - white).max() <= 1


def test_colour_profile_is_ignored():
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for icc in (profile, b"junk" * 99):
        assert_quarters(decode(encoded(quarters(), "JPEG", icc_profile=icc, quality=95)))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_truncated_is_an_error_with_the_reason(format):
    rng = np.random.default_rng(2)
    data = encoded(Image.fromarray(rng.integers(0, 255, (200, 200, 3), dtype=np.uint8)), format)
    for kept in (0.3, 0.6, 0.9):
        with pytest.raises(UserError, match=r"damaged|not a picture"):
            decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize(
    "data", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"hello", b"\0" * 100, b"PK\3\4" + b"x" * 50]
)
def test_other_files_are_named_as_no_picture(data):
    with pytest.raises(UserError, match=r"not a picture.*Readable: JPEG"):
        decode(data)


def test_zero_bytes():
    with pytest.raises(UserError, match="0 bytes"):
        decode(b"")


def test_missing_file_folder_and_large_file(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="No such file"):
        read_file(tmp_path / "none.jpg")
    with pytest.raises(UserError, match="no ordinary file"):
        read_file(tmp_path)
    with pytest.raises(UserError, match="can't be read"):
        read_file("a\0b.jpg")
    large = tmp_path / "large.jpg"
    with open(large, "wb") as file:
        file.truncate((25 << 20) + 1)
    with pytest.raises(UserError, match=r"26\.2 MB"):
        read_file(large)
    with pytest.raises(UserError, match=r"26\.2 MB"):
        decode(bytes((25 << 20) + 1))


def test_crop_takes_fractions_and_never_nothing():
    picture = np.asarray(quarters())
    assert near(crop(picture, (0.5, 0, 1, 0.5)).reshape(-1, 3).mean(axis=0), GREEN, 1)
    assert crop(picture, (0.3, 0.3, 0.3, 0.3)).shape == (1, 1, 3)
    assert crop(picture, (1, 1, 0.5, 0.5)).shape == (24, 32, 3)
    assert crop(picture, (-5, -1e300, float("1e300"), 9)).shape == picture.shape
    for bad in (float("nan"), float("inf")):
        with pytest.raises(UserError, match="from 0 to 1"):
            crop(picture, (0, bad, 1, 1))


def test_extensions_are_the_formats():
    formats = {Image.registered_extensions()[extension] for extension in EXTENSIONS}
    assert formats == {"JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF"}
