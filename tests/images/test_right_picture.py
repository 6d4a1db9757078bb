"""Every kind of file gives the right picture, upright, in its shape; what is no picture is said."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from core.errors import UserError
from core.images import EXTENSIONS, crop, decode, decode_file, read_file, resize, thumbnail
from tests.images.painted import BLUE, GREEN, RED, assert_quarters, encoded, near, quarters


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
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
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


@pytest.mark.parametrize(
    ("width", "height"),
    [(4000, 3000), (3000, 4000), (447, 448), (449, 900), (895, 900), (8000, 450)],
)
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
    image = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize(
        (1600, 1200), Image.Resampling.BICUBIC
    )
    data = encoded(image, "JPEG", quality=95)
    whole, reduced = resize(decode(data), 64, 48), resize(decode(data, 100), 64, 48)
    assert np.abs(whole.astype(int) - reduced).mean() < 1


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP"])
def test_the_content_counts_not_the_extension(format, tmp_path):
    path = tmp_path / "wrong.tiff"
    path.write_bytes(encoded(quarters(), format))
    assert_quarters(decode_file(path), 25)


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
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%PDF-1.4",
        b"hello",
        b"\0" * 100,
        b"PK\3\4" + b"x" * 50,
    ],
)
def test_other_files_are_named_as_no_picture(data):
    with pytest.raises(UserError, match=r"not a picture.*Readable: JPEG"):
        decode(data)


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_a_photograph_of_a_phone_that_cant_be_read_says_how_it_can(brand):
    with pytest.raises(UserError, match=r"HEIC.*Readable: JPEG.*Save it as JPEG"):
        decode(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0heicmif1" + b"x" * 200)


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
