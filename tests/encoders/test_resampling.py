"""What a crop keeps of a resized picture: Pillow's pixels to the bit, or Pillow itself."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.encoders import resampling
from core.encoders.preprocess import FILTERS, Preprocess

HALF = (0.5, 0.5, 0.5)
pytest.importorskip("numba", reason="comes with umap-learn")


@pytest.fixture(autouse=True)
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel, in this test alone."""
    monkeypatch.setattr(resampling, "_kernel", None)
    monkeypatch.setattr(resampling, "_tried", False)


def drawn(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", FILTERS)
def test_pixels_are_those_of_pillow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resampling.load()
    kernel, rng, here = resampling._kernel, np.random.default_rng(3), []

    def watched(*given: np.ndarray) -> None:
        here.append(given)
        kernel(*given)

    for turn in range(60):
        image = drawn(*map(int, rng.integers(20, 420, 2)), turn)
        size = int(rng.choice([32, 64, 96]))
        how = Preprocess(size, size + int(rng.choice([0, 3, 32])), kind, HALF, HALF)
        monkeypatch.setattr(resampling, "_kernel", None)
        wanted = how.pixels(image)
        monkeypatch.setattr(resampling, "_kernel", watched)
        np.testing.assert_array_equal(how.pixels(image), wanted, err_msg=f"{image.shape} {how}")
    assert len(here) > 30 or kind == "nearest"  # else Pillow was compared with itself


@pytest.mark.parametrize(
    ("size", "short", "side"),
    [
        ((224, 298), 256, 224),
        ((298, 224), 256, 224),
        ((480, 360), 256, 224),
        ((300, 400), 248, 224),
        ((224, 224), 256, 224),
        ((224, 398), 292, 260),  # a sum begins before that of the row above: its weight there is 0
    ],
)
def test_usual_photographs_are_resized_here(size: tuple[int, int], short: int, side: int) -> None:
    assert resampling.load()
    scaled = tuple(int(short * length / min(size)) for length in size)
    image = drawn(*size)
    image.flags.writeable = False  # as what Pillow hands out
    made = resampling.window(image, scaled, side, Image.Resampling.BICUBIC)
    assert made is not None
    left, top = (round((length - side) / 2) for length in scaled)
    whole = Image.fromarray(image).resize(scaled, Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(made, whole.crop((left, top, left + side, top + side)))


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((400, 900), (256, 576)),
        ((8, 9), (256, 288)),
        ((256, 300), (256, 300)),
        ((90, 90), (64, 64)),
    ],
    ids=["tall", "tiny", "not resized", "smaller than the window"],
)
def test_pillow_is_asked_for_the_rest(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    assert resampling.load()
    assert resampling.window(drawn(*size), scaled, 224, Image.Resampling.BICUBIC) is None


def test_a_pillow_that_computes_otherwise_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    resize = Image.Image.resize

    def other(self: Image.Image, *given, **named) -> Image.Image:
        made = resize(self, *given, **named)
        return made.point(lambda level: level ^ 1) if made.mode == "RGB" else made

    monkeypatch.setattr(Image.Image, "resize", other)
    assert not resampling.load()
    assert resampling.window(drawn(224, 298), (256, 340), 224, Image.Resampling.BICUBIC) is None
