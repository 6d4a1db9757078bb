"""Encoders made for tests, known by name while a test runs, and pictures of noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import Encoder, encoders
from core.services import decoded, library, loading
from tests.plugged import Plugged, numbered, paint


class Counting(Encoder):
    """A picture's 4 x 4 pixels; ``seen`` holds what it encoded, so that a test knows what was done."""

    name = "counting.test"
    dim = 48
    batch = 4
    seen: list[bytes] = []

    def prepare(self, image: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(image).resize((4, 4), Image.Resampling.NEAREST)).reshape(-1)

    def _encode(self, batch) -> np.ndarray:
        type(self).seen += [one.tobytes() for one in batch]
        return np.stack(batch).astype(np.float32) + 1.0


class Fitted(Counting):
    """The same, minus the mean of the gallery, which has to be learnt first; ``fits`` counts how often it was."""

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
        return {**super().fingerprint(), "mean": None if self.mean is None else [float(x) for x in self.mean]}

    def _encode(self, batch) -> np.ndarray:
        return super()._encode(batch) - self.mean


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
    loading._engines.clear()
    loading._failures.clear()
    decoded._pictures.clear()
    library._open.clear()


@pytest.fixture
def gallery(tmp_path):
    """A folder of 20 pictures of noise."""
    return paint(tmp_path / "gallery", numbered(20))


@pytest.fixture
def plugged(tmp_path, artifacts) -> Iterator[Plugged]:
    made = Plugged(tmp_path, artifacts)
    yield made
    made.end()
