"""Which number format a dataset is built in, and that its queries use the same."""

from __future__ import annotations

import numpy as np
import pytest

from core.encoders import precision, trial
from core.encoders.base import encoders
from core.services.embedding import bound
from core.services.embedding.bound import is_built
from core.services.embedding.build import build
from core.services.library import library
from core.services.search import serving
from core.services.search.request import SearchRequest
from tests.plugged import numbered, paint
from tests.services.conftest import Counting


class Choosing(Counting):
    """An encoder with a choice of formats; in half precision its vectors are visibly others."""

    name = "choosing.test"
    decided = "fp32"
    measured: list[int] = []

    def __init__(self) -> None:
        self.form = type(self).decided

    def use_precision(self, form: str) -> None:
        self.form = form

    def fingerprint(self) -> dict:
        return {**super().fingerprint(), "precision": self.form}

    def _encode(self, batch) -> np.ndarray:
        vectors = super()._encode(batch)
        return (
            vectors
            if self.form == "fp32"
            else vectors * np.linspace(0.2, 2, self.dim, dtype=np.float32)
        )


@pytest.fixture
def choosing(monkeypatch):
    encoders.names()
    monkeypatch.delenv(precision.ENV, raising=False)
    monkeypatch.setitem(encoders._makers, Choosing.name, Choosing)
    monkeypatch.setattr(Choosing, "decided", "fp32")
    monkeypatch.setattr(Choosing, "measured", [])
    monkeypatch.setattr(Choosing, "seen", [])

    def decide(encoder, prepared, labels=None):
        Choosing.measured.append(len(prepared))
        Choosing.decided = "bf16-autocast"
        encoder.use_precision("bf16-autocast")

    monkeypatch.setattr(trial, "decide", decide)
    return Choosing


def own_score(dataset) -> float:
    query = serving.Query(item_id=dataset.items[0].id)
    return (
        serving.search(SearchRequest(query, "choosing.test", k=1, include_self=True), dataset)
        .hits[0]
        .score
    )


def test_it_is_measured_before_a_large_build_and_queries_use_the_same(
    choosing, gallery, monkeypatch
):
    monkeypatch.setattr(bound, "WORTH", 20)
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["choosing.test"])
    assert choosing.measured == [20]
    assert own_score(dataset) == pytest.approx(1.0)
    build(dataset, ["choosing.test"])
    assert choosing.measured == [20]


def test_a_small_gallery_is_built_in_full_precision_without_measuring(choosing, gallery):
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["choosing.test"])
    assert (choosing.measured, choosing.decided) == ([], "fp32")


def test_a_decision_for_another_gallery_leaves_what_is_built_alone(
    choosing, gallery, tmp_path, monkeypatch
):
    small = library.open_dataset(str(gallery))
    build(small, ["choosing.test"])
    monkeypatch.setattr(bound, "WORTH", 40)
    build(library.open_dataset(str(paint(tmp_path / "large", numbered(40)))), ["choosing.test"])
    assert choosing.decided == "bf16-autocast"
    assert is_built(small, "choosing.test")
    serving._engines.clear()
    assert own_score(small) == pytest.approx(1.0)
    choosing.seen.clear()
    paint(gallery, ["new.png"])
    (row,) = build(library.open_dataset(str(gallery), fresh=True), ["choosing.test"])
    assert row.encoded == 1, "new pictures join in the old format"


def test_what_the_user_forces_is_used(choosing, gallery, monkeypatch):
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["choosing.test"])
    monkeypatch.setenv(precision.ENV, "bf16")
    monkeypatch.setattr(choosing, "decided", "bf16-autocast")
    assert not is_built(dataset, "choosing.test")
    (row,) = build(dataset, ["choosing.test"])
    assert row.encoded == 20
