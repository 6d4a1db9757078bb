"""Pillow's resizing to the bit, of the window that a crop keeps, in a quarter of the time: for
builds of many pictures.

Pillow resizes the whole picture, one number after the other, of which a centre crop keeps half.
The same sums of the same whole numbers, for the window alone and a line at once, are compiled by
numba (a package that umap-learn needs). :func:`load` takes some tenths of a second; until then, and
for every geometry that is left out here, Pillow is asked.
"""

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from PIL import Image

log = logging.getLogger(__name__)
BITS = 22
"""Pillow's weights are whole numbers, of this many binary places."""
LEAST = 16
"""Pixels of a side below which Pillow is asked."""
MANY = 1024
"""From this many pictures on :func:`load` takes less than it saves."""
Weights = tuple[np.ndarray, np.ndarray]
_kernel: Callable | None = None
_lock = threading.Lock()
_tried = False


def load() -> bool:
    """Make :func:`window` ready. False without numba, or where this Pillow computes otherwise."""
    global _kernel, _tried
    with _lock:
        if not _tried:
            _tried = True
            try:
                made = _compiled() if find_spec("numba") else None
            except Exception as error:  # whatever keeps numba from compiling on a machine
                log.info("pictures are resized by Pillow: %s", str(error)[:300])
                made = None
            _kernel = made if made is not None and _agrees(made) else None
        return _kernel is not None


def window(
    image: np.ndarray, scaled: tuple[int, int], side: int, kind: Image.Resampling
) -> np.ndarray | None:
    """The middle of a picture that is resized with its proportions kept.

    Args:
        image: RGB uint8 (h, w, 3).
        scaled: width and height of the whole when resized.
        side: width and height of the window.

    Returns:
        RGB uint8 (side, side, 3), what Pillow's ``resize`` and ``crop`` give; None where it has to
        be asked itself.
    """
    return None if _kernel is None else _window(_kernel, image, scaled, side, kind)


def _window(
    kernel: Callable, image: np.ndarray, scaled: tuple[int, int], side: int, kind: Image.Resampling
) -> np.ndarray | None:
    height, width = image.shape[:2]
    small = min(height, width) < LEAST or min(scaled) < side
    if small or kind == Image.Resampling.NEAREST or not _lines_first(image, scaled):
        return None
    left, top = (round((length - side) / 2.0) for length in scaled)
    out = np.empty((side, side, 3), np.uint8)
    across = _weights(width, scaled[0], left, side, kind)
    down = _weights(height, scaled[1], top, side, kind)
    kernel(np.ascontiguousarray(image), *across, *down, out)
    return out


def _lines_first(image: np.ndarray, scaled: tuple[int, int]) -> bool:
    """Whether Pillow surely resizes lines before columns: between them it rounds, so that the order
    shows. It chooses by sizes; tall pictures made smaller are left to it."""
    height, width = image.shape[:2]
    if scaled[1] >= height:
        return scaled != (width, height)
    return width - scaled[0] >= 2 and 2 * height <= 3 * width


@lru_cache(256)
def _weights(length: int, scaled: int, first: int, count: int, kind: Image.Resampling) -> Weights:
    """Of ``count`` resized positions from ``first`` on: where the sum begins in the original, int32
    (count,), and the weights of what lies there, int32 (count, taps).

    Pillow itself is asked for them, with combs whose teeth are further apart than a sum is long.
    """
    scale = length / scaled
    support = 3.0 * max(1.0, scale)  # of the widest filter
    gap = 2 * int(np.ceil(support)) + 3
    teeth = np.arange(length)[None] % gap == np.arange(gap)[:, None]
    combs = Image.fromarray(teeth.astype(np.int32) << BITS)
    found = np.asarray(combs.resize((scaled, gap), kind))[:, first : first + count]
    places = np.arange(count)
    middle = (first + places + 0.5) * scale
    begin = np.maximum(np.floor(middle - support).astype(np.int64) - 1, 0)
    steps = np.arange(gap)
    nonzero = found[(begin[:, None] + steps) % gap, places[:, None]] != 0
    end = begin + gap - nonzero[:, ::-1].argmax(1)
    begin += nonzero.argmax(1)
    begin = np.minimum.accumulate(begin[::-1])[::-1]  # the kernel takes the first for the lowest
    taps = int((end - begin).max())
    begin = np.minimum(begin, length - taps)
    weights = found[(begin[:, None] + steps[:taps]) % gap, places[:, None]]
    return begin.astype(np.int32), np.ascontiguousarray(weights, np.int32)


def _agrees(kernel: Callable) -> bool:
    """Whether this Pillow gives the very same pixels, for pictures of several forms."""
    rng = np.random.default_rng(0)
    for width, height, across, down in ((60, 80, 96, 128), (90, 70, 82, 64), (70, 100, 64, 91)):
        image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        for kind in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
            whole = Image.fromarray(image).resize((across, down), kind)
            left, top = round((across - 64) / 2.0), round((down - 64) / 2.0)
            wanted = np.asarray(whole.crop((left, top, left + 64, top + 64)))
            made = _window(kernel, image, (across, down), 64, kind)
            if made is None or not np.array_equal(made, wanted):
                log.info("pictures are resized by Pillow: this version computes otherwise")
                return False
    return True


def _compiled() -> Callable:
    """The kernel; compiled once a machine (seconds), and kept beside Python's compiled files."""
    import numba
    from numba import types

    image = types.Array(types.uint8, 3, "C", readonly=True)  # what may be written to is taken, too
    places, weights = types.int32[::1], types.int32[:, ::1]
    given = types.void(image, places, weights, places, weights, types.uint8[:, :, ::1])
    try:
        return numba.njit(given, nogil=True, cache=True)(_resampled)
    except (RuntimeError, OSError):  # nowhere to keep it
        return numba.njit(given, nogil=True)(_resampled)


def _resampled(image, left, across, top, down, out):  # type: ignore[no-untyped-def]
    """Lines, then columns, each sum rounded to a byte. Casts keep numba at 32 bits, and places
    without a sign: one that may count from the end is looked at each time."""
    i4, u4, half, shift = np.int32, np.uint32, np.int32(1 << 21), np.int32(22)
    low = np.int32(0)
    high = np.int32(255)
    one = np.uint32(1)
    two = np.uint32(2)
    three = np.uint32(3)
    side, line = out.shape[0], image.shape[1] * 3
    first = top[0]
    wide = np.empty((top[side - 1] + down.shape[1] - first, out.shape[1] * 3), np.uint8)
    for y in range(wide.shape[0]):
        given, made = image[first + y].reshape(line), wide[y]
        for x in range(out.shape[1]):
            red, green, blue = half, half, half
            at = u4(left[x] * 3)
            for tap in range(across.shape[1]):
                weight = across[x, tap]
                red = i4(red + i4(i4(given[at]) * weight))
                green = i4(green + i4(i4(given[at + one]) * weight))
                blue = i4(blue + i4(i4(given[at + two]) * weight))
                at = u4(at + three)
            made[3 * x] = min(max(red >> shift, low), high)
            made[3 * x + 1] = min(max(green >> shift, low), high)
            made[3 * x + 2] = min(max(blue >> shift, low), high)
    sums = np.empty(wide.shape[1], np.int32)
    for y in range(side):
        sums[:] = half
        for tap in range(down.shape[1]):
            weight, given = down[y, tap], wide[top[y] - first + tap]
            for at in range(sums.size):
                sums[at] = i4(sums[at] + i4(i4(given[at]) * weight))
        made = out[y].reshape(sums.size)
        for at in range(sums.size):
            made[at] = min(max(sums[at] >> shift, low), high)
