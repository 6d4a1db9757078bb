"""A public server with visitors, without a browser: whose request it is is said by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import store
from core.services.hosting import ownership
from core.services.hosting.ownership import Visitor


@pytest.fixture(autouse=True)
def hosted(artifacts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    monkeypatch.setenv("LOOKALIKE_WARM", "0")


@pytest.fixture
def visiting() -> Callable[[Visitor], Iterator[Visitor]]:
    """``with visiting(one):`` what is asked inside is asked by this visitor."""

    @contextmanager
    def asked_by(one: Visitor) -> Iterator[Visitor]:
        with store.in_layer(one.folder):
            yield one

    return asked_by


@pytest.fixture
def anna() -> Visitor:
    return ownership.visitor_of(ownership.new_key())


@pytest.fixture
def bela() -> Visitor:
    return ownership.visitor_of(ownership.new_key())


@pytest.fixture
def clara() -> Visitor:
    return ownership.visitor_of(ownership.new_key())


def picture(seed: int = 0, side: int = 48) -> bytes:
    """A small PNG of its own colours."""
    to = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(to, "png")
    return to.getvalue()


def zipped(count: int = 6, first: int = 0) -> bytes:
    """A zip of small pictures in two classes."""
    to = io.BytesIO()
    with zipfile.ZipFile(to, "w") as archive:
        for number in range(count):
            archive.writestr(f"{'ab'[number % 2]}/{number}.png", picture(first + number))
    return to.getvalue()
