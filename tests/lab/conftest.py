"""A gallery whose embeddings are there: the catalogue, by an encoder whose vectors come with the
code."""

from __future__ import annotations

import pytest

from core.services.embedding import build
from core.services.index_lab import measure, point, view
from core.services.library import library
from tests.plugged import numbered, paint

ENCODER = "hsv.12x4x4"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few timed runs: what a test looks at is no time. Nothing stays in memory between tests."""
    monkeypatch.setattr(measure, "LIMIT_S", 0.02)
    monkeypatch.setattr(view, "LIMIT_S", 0.02)
    monkeypatch.setattr(
        point, "shipped_points", dict
    )  # what came with the code is no measurement of a test
    yield
    view._held.clear()


@pytest.fixture(scope="session")
def catalogue():
    return library.open_dataset("catalogue")


@pytest.fixture
def counting_gallery(tmp_path):
    """Twelve pictures of noise in one folder, which says nothing of any class, embedded."""
    folder = paint(tmp_path / "gallery", numbered(12))
    build.build(library.open_dataset(str(folder)), [ENCODER])
    return folder
