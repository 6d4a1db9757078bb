"""Encoders made for tests, known by name while a test runs, and pictures of noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from core.detectors.base import Box, Detector, detectors
from core.encoders.base import Encoder, encoders
from core.errors import UserError
from core.services.embedding import build, detecting
from core.services.library import library
from core.services.search import serving, subject
from core.types import State
from tests.plugged import Plugged, numbered, paint


class Counting(Encoder):
    """A picture's 4 x 4 pixels; ``seen`` holds what it encoded, so that a test knows what was
    done."""

    name = "counting.test"
    dim = 48
    batch = 4
    seen: list[bytes] = []

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.NEAREST)).reshape(
            -1
        )

    def _encode(self, batch) -> np.ndarray:
        type(self).seen += [one.tobytes() for one in batch]
        return np.stack(batch).astype(np.float32) + 1.0


class Fitted(Counting):
    """The same, minus the mean of the gallery, which has to be learnt first; ``fits`` counts how
    often it was."""

    name = "fitted.test"
    fitted = False
    seen: list[bytes] = []
    fits: list[int] = []
    mean: np.ndarray | None = None

    def fit(self, prepared, progress=None) -> dict[str, np.ndarray]:
        rows = np.stack(list(prepared)).astype(np.float32)
        type(self).fits.append(len(rows))
        return {"mean": rows.mean(axis=0)}

    def with_fit(self, arrays) -> Fitted:
        made = Fitted()
        made.mean, made.fitted = arrays["mean"], True
        return made

    def fingerprint(self) -> dict:
        return {
            **super().fingerprint(),
            "mean": None if self.mean is None else [float(x) for x in self.mean],
        }

    def _encode(self, batch) -> np.ndarray:
        return super()._encode(batch) - self.mean


class Corner(Detector):
    """Finds the lower right quarter; ``seen`` counts how often it looked, ``finds`` is what it
    finds."""

    name, title, about = "corner.test", "Corner", "The lower right quarter."
    finds: tuple[Box, ...] = (Box(0.1, 0.1, 0.2, 0.2, 0.4), Box(0.65, 0.65, 0.9, 0.9, 0.9, "thing"))
    seen: list[int] = []
    missing = ""

    def state(self) -> State:
        return State("unavailable", self.missing) if self.missing else State("ready")

    def load(self, progress=None) -> None:
        if self.missing:
            raise UserError(f"{self.missing}.")

    def _detect(self, image):
        self.seen.append(image.shape[0])
        return self.finds


def _known(cls: type[Encoder], monkeypatch: pytest.MonkeyPatch) -> type[Encoder]:
    encoders.names()
    monkeypatch.setitem(encoders._makers, cls.name, cls)
    for name in ("seen", "fits"):
        if hasattr(cls, name):
            monkeypatch.setattr(cls, name, [])
    return cls


@pytest.fixture
def counting(monkeypatch) -> type[Counting]:
    return _known(Counting, monkeypatch)


@pytest.fixture
def fitted(monkeypatch) -> type[Fitted]:
    return _known(Fitted, monkeypatch)


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    """What is kept in memory between searches belongs to one test."""
    yield
    serving._engines.clear()
    serving._failures.clear()
    subject._pictures.clear()
    library._open.clear()


@pytest.fixture
def corner(monkeypatch) -> type[Corner]:
    detectors.names()
    monkeypatch.setitem(detectors._makers, Corner.name, Corner)
    monkeypatch.setattr(Corner, "seen", [])
    detecting._loaded.clear()
    return Corner


@pytest.fixture
def quarters(counting, tmp_path):
    """Eight pictures of four coloured quarters each, 64 x 64, in two classes, built by two
    encoders."""
    draw = np.random.default_rng(3)
    for number in range(8):
        folder = tmp_path / "quarters" / ("even", "odd")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        blocks = draw.integers(0, 256, (2, 2, 3), dtype=np.uint8).repeat(32, 0).repeat(32, 1)
        Image.fromarray(blocks).save(folder / f"{number}.png")
    made = library.open_dataset(str(tmp_path / "quarters"))
    build.build(made, ["counting.test", "tiny.16x16"])
    return made


@pytest.fixture
def gallery(tmp_path):
    """A folder of 20 pictures of noise."""
    return paint(tmp_path / "gallery", numbered(20))


@pytest.fixture
def plugged(tmp_path, artifacts) -> Iterator[Plugged]:
    made = Plugged(tmp_path, artifacts)
    yield made
    made.end()
