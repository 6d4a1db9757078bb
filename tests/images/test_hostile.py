"""Bombs, limits, damaged and random bytes: a UserError or a picture, quickly, in little memory, in
any thread."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import UserError
from core.images import MAX_PIXELS, decode

REPOSITORY = Path(__file__).parents[2]
DECODES = (b"tiff_rows_in_strip", b"tiff_of_tiffs", b"jpeg_notes_large")
"""Bombs whose picture is small and can be had without the rest."""

RUN = """
import json, resource, sys, time
sys.path.insert(0, sys.argv[1])
import bombs
from core.errors import UserError
from core.images import decode
files = bombs.largest_allowed() if sys.argv[2] == "allowed" else None
for maker in files or bombs.BOMBS:
    name = maker if files else maker.__name__
    open(sys.argv[3] + "/" + name, "wb").write(files[name] if files else maker())
"""

MEASURE = """
import json, os, sys, time
from core.errors import UserError
from core.images import decode
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        data = file.read()
    began = time.process_time()
    try:
        answer = list(decode(data).shape)
    except UserError as error:
        answer = str(error)
    # Not ru_maxrss, which starts at what the parent process once used.
    peak = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
    print(json.dumps([name, answer, time.process_time() - began, peak]), flush=True)
"""


def measured(which: str, folder: Path) -> dict[str, tuple[object, float, float]]:
    """Name -> (shape or message, CPU seconds, peak MB so far), each file decoded in one fresh
    process."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    here = str(Path(__file__).parent)
    subprocess.run(
        [sys.executable, "-c", RUN, here, which, str(folder)], env=env, check=True, timeout=300
    )
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(folder)],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(list(folder.iterdir()))
    return {name: (answer, seconds, peak) for name, answer, seconds, peak in rows}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory by /proc")
def test_bombs_do_not_go_off(tmp_path):
    for name, (answer, seconds, peak) in measured("bombs", tmp_path).items():
        assert seconds < 2, f"{name} took {seconds:.1f} s of CPU"
        assert peak < 300, f"{name} took {peak:.0f} MB"
        if name.encode() in DECODES:
            assert max(answer) <= 16
        else:
            assert isinstance(answer, str), f"{name} was decoded to {answer}"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory by /proc")
def test_largest_allowed_pictures_stay_within_memory(tmp_path):
    for name, (answer, seconds, peak) in measured("allowed", tmp_path).items():
        assert isinstance(answer, list), f"{name}: {answer}"
        assert sorted(answer[:2]) in ([6200, 8000], [4990, 5000])
        assert peak < 600, f"{name} took {peak:.0f} MB"
        assert seconds < 6, f"{name} took {seconds:.1f} s of CPU"


def encoded(image: Image.Image, format: str, frames: int = 1, **options) -> bytes:
    out = io.BytesIO()
    if frames > 1:
        options |= {
            "save_all": True,
            "append_images": [image.rotate(90) for _ in range(frames - 1)],
        }
    image.copy().save(
        out, format, **options
    )  # a copy: Pillow leaves its encoder's settings on the picture
    return out.getvalue()


def test_pixel_limit_is_said_with_the_size():
    side = int(MAX_PIXELS**0.5) + 1
    with pytest.raises(UserError, match=f"{side} x {side} pixels.*At most 50 million"):
        decode(encoded(Image.new("1", (side, side)), "PNG"))


@pytest.mark.parametrize("action", ["error", "ignore", "always"])
def test_limit_does_not_depend_on_warning_filters(action):
    data = encoded(Image.new("1", (8000, 8000)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(UserError, match="At most 50 million"):
            decode(data)


def test_threads_decode_and_refuse_at_once():
    good = encoded(Image.new("RGB", (300, 200), (10, 20, 30)), "PNG")
    large = encoded(Image.new("1", (8000, 8000)), "PNG")
    wrong: list[object] = []

    def work(data: bytes, refused: bool) -> None:
        for _ in range(15):
            try:
                picture = decode(data)
                if refused or picture[0, 0].tolist() != [10, 20, 30]:
                    wrong.append(picture.shape)
            except UserError as error:
                if not refused:
                    wrong.append(error)

    before = list(warnings.filters)
    threads = [
        threading.Thread(target=work, args=pair) for pair in [(good, False), (large, True)] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert warnings.filters == before


def seeds() -> list[bytes]:
    """One valid file of each kind, small."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (24, 31, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a note"
    deep = Image.fromarray(rng.integers(0, 65535, (9, 9), dtype=np.uint16))
    return [
        encoded(rgb, "JPEG", exif=exif),
        encoded(rgb, "JPEG", progressive=True),
        encoded(rgb.convert("CMYK"), "JPEG"),
        encoded(rgb, "MPO", frames=2),
        encoded(rgb, "PNG", exif=exif),
        encoded(rgb.convert("RGBA"), "PNG", frames=2),
        encoded(deep, "PNG"),
        encoded(rgb.quantize(16), "PNG", transparency=3),
        encoded(rgb, "WEBP", exif=exif),
        encoded(rgb.convert("RGBA"), "WEBP", lossless=True, frames=2),
        encoded(rgb, "GIF", frames=2),
        encoded(rgb, "BMP"),
        encoded(rgb, "AVIF"),
        encoded(rgb, "TIFF", exif=exif),
        encoded(deep, "TIFF", compression="tiff_lzw"),
        encoded(rgb, "TIFF", compression="jpeg"),
        encoded(rgb.convert("1"), "TIFF", compression="group4"),
        encoded(rgb, "TIFF", compression="tiff_adobe_deflate", frames=2),
        encoded(rgb.convert("F"), "TIFF"),
    ]


SEEDS = seeds()


@st.composite
def mutated(draw) -> bytes:
    """A valid file with bytes changed, cut out, repeated or swapped for extreme numbers."""
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(
            st.integers(0, max(0, len(data) - 1)) | st.integers(0, min(96, max(0, len(data) - 1)))
        )
        kind = draw(st.sampled_from(["byte", "extreme", "cut", "repeat", "end"]))
        if kind == "byte":
            data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "extreme":
            data[at : at + 4] = draw(
                st.sampled_from(
                    [b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\x01\0\0\0", b"\xff\xff\0\0"]
                )
            )
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "repeat":
            data[at:at] = data[at : at + draw(st.integers(1, 64))] * draw(st.integers(1, 50))
        else:
            del data[at:]
    return bytes(data)


def check(data: bytes, side: int | None) -> None:
    began = time.process_time()
    try:
        picture = decode(data, side)
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.size > 0
    except UserError:
        pass
    assert time.process_time() - began < 2


FUZZ = settings(
    max_examples=int(os.environ.get("LOOKALIKE_FUZZ", "400")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@FUZZ
@given(st.binary(max_size=400), st.sampled_from([None, 4]))
@example(b"\xff\xd8\xff", None)
@example(b"GIF89a", None)
@pytest.mark.filterwarnings("ignore")
def test_random_bytes(data, side):
    check(data, side)


@FUZZ
@given(st.sampled_from([s[:n] for s in SEEDS for n in (4, 12, 26, 60)]), st.binary(max_size=300))
@pytest.mark.filterwarnings("ignore")
def test_random_bytes_after_a_true_beginning(start, rest):
    check(start + rest, None)


@FUZZ
@given(mutated(), st.sampled_from([None, 4]))
@pytest.mark.filterwarnings("ignore")
def test_mutated_files(data, side):
    check(data, side)
