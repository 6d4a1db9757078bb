"""Where a picture ends: what lies behind counts for nothing, and what lacks nothing but its end is
read."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from core import images
from core.errors import UserError
from core.fileformats import HEAD, end_of, format_of
from core.images import decode, only_picture, read_file
from tests.images.drawn import VIDEO, behind, on_white, pictures
from tests.images.painted import encoded, quarters

MANY = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
JPEGS = (
    {},
    {"progressive": True},
    {"restart_marker_blocks": 3},
    {"quality": 100, "subsampling": 0},
)
TRAILERS = {
    "video": VIDEO + bytes(range(256)) * 40,
    "markers": b"\xff\xe1" * 400 + b"\xff\xda" * 4000,
    "zeros": bytes(9000),
}


@MANY
@given(pictures(), behind())
@pytest.mark.filterwarnings("ignore")
def test_any_picture_is_read_as_pillow_reads_it_whatever_lies_behind(made, tail):
    _, data = made
    np.testing.assert_allclose(decode(data + tail).astype(int), on_white(data), atol=1)


@MANY
@given(pictures(), behind())
def test_the_end_of_any_picture_is_found_and_nothing_behind_it_is_needed(made, tail):
    format, data = made
    assert format_of(data[:HEAD]) == {"MPO": "JPEG"}.get(format, format)
    end = end_of(data + tail)
    assert end is not None
    assert end <= len(data)
    np.testing.assert_array_equal(decode(data[:end]), decode(data))


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("options", JPEGS, ids=str)
def test_limits_count_what_belongs_to_the_picture(trailer, options, monkeypatch):
    data = encoded(quarters(), "JPEG", **options)
    monkeypatch.setattr(
        images, "MAX_SCAN_PIXELS", 64 * 48 * 20
    )  # the picture has ten scans, the trailer thousands
    np.testing.assert_array_equal(decode(data + TRAILERS[trailer]), decode(data))


def test_what_belongs_to_the_picture_still_counts(monkeypatch):
    data = encoded(quarters(), "JPEG", progressive=True)
    monkeypatch.setattr(images, "MAX_SCAN_PIXELS", 64 * 48 * 5)
    with pytest.raises(UserError, match="too many scans"):
        decode(data)
    with pytest.raises(UserError, match="256 blocks of metadata"):
        decode(data[:2] + b"\xff\xe1\0\x04ab" * 257 + data[2:])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_a_file_over_the_limit_is_read_where_its_picture_is_below(format, tmp_path, monkeypatch):
    data = encoded(quarters(), format)
    monkeypatch.setattr(images, "MAX_BYTES", len(data) + 100)
    path = tmp_path / "motion"
    path.write_bytes(data + VIDEO + b"\x07" * 5000)
    assert read_file(path) == data[: end_of(data)]
    np.testing.assert_array_equal(decode(path.read_bytes()), decode(data))
    monkeypatch.setattr(images, "MAX_BYTES", len(data) - 5)
    with pytest.raises(UserError, match="At most"):
        read_file(path)
    with pytest.raises(UserError, match="At most"):
        decode(path.read_bytes())


def test_of_an_animation_over_the_limit_the_first_picture_is_read(monkeypatch):
    frames = [Image.effect_noise((60, 60), 80 + number).convert("RGB") for number in range(12)]
    for format in ("GIF", "PNG", "TIFF"):
        data = encoded(
            frames[0].copy(),
            format,
            save_all=True,
            append_images=[frame.copy() for frame in frames[1:]],
        )
        monkeypatch.setattr(images, "MAX_BYTES", len(data) // 2)
        np.testing.assert_array_equal(decode(data), on_white(data))


def test_one_byte_of_no_known_end_is_too_much():
    with pytest.raises(UserError, match="At most"):
        only_picture(b"BM" + bytes(40), images.MAX_BYTES + 1)


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("padding", [b"", bytes(400)], ids=["cut", "padded"])
def test_a_jpeg_without_its_end_mark_is_read_and_one_that_lacks_more_never_is(
    mode, options, padding
):
    """Every byte in front of the end mark belongs to the picture, or is the last one's mere
    filling."""
    data = encoded(quarters(70, 50).convert(mode), "JPEG", **options)
    whole = decode(data)
    np.testing.assert_array_equal(decode(data[:-2] + padding), whole)
    np.testing.assert_array_equal(decode(data[:-1]), whole)
    for cut in (*range(3, 20), *range(20, len(data) - 150, 29)):
        try:
            picture = decode(data[:-cut] + padding)
        except UserError:
            continue
        np.testing.assert_array_equal(picture, whole)


def test_a_progressive_jpeg_whose_last_scans_are_missing_is_not_passed_off():
    data = encoded(Image.effect_noise((64, 64), 90), "JPEG", progressive=True)
    for place in range(1, data.count(b"\xff\xda")):
        start = -1
        for _ in range(place + 1):
            start = data.index(b"\xff\xda", start + 1)
        with pytest.raises(UserError, match="damaged"):
            decode(data[:start])


@pytest.mark.parametrize(("format", "cut"), [("PNG", 12), ("PNG", 5), ("GIF", 1), ("GIF", 2)])
def test_other_formats_without_their_end_mark(format, cut):
    data = encoded(quarters(), format)
    np.testing.assert_array_equal(decode(data[:-cut]), decode(data))


def test_a_webp_without_its_filling_byte():
    made = (encoded(quarters(40 + number, 30), "WEBP", lossless=True) for number in range(40))
    data = next(one for one in made if one[-1] == 0 and int.from_bytes(one[16:20], "little") % 2)
    np.testing.assert_array_equal(decode(data[:-1]), decode(data))


@pytest.mark.parametrize(
    "text",
    [b"BMW cars of 1999 and later", b"GIF files are ...", b"II. Chapter", b"RIFF....AVI LIST", b""],
)
def test_words_are_no_picture(text):
    assert format_of(text) is None


@given(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"",
            b"\xff\xd8\xff\xe0",
            b"II*\0",
            b"BM",
            b"GIF89a",
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\0\0\0\0WEBP",
            b"\0\0\0\x10ftypavif",
        ]
    ),
)
def test_the_end_of_anything_is_a_number_or_not_known(rest, start):
    end = end_of(start + rest)
    assert end is None or end >= 0
