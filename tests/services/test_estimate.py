"""What a build will cost, said before it starts."""

from __future__ import annotations

import shutil
import time
from collections import namedtuple

import pytest

from core.errors import UserError
from core.services.embedding.build import build, estimate
from core.services.library import imports, library
from core.types import State
from tests.plugged import numbered, paint


@pytest.fixture
def dataset(gallery):
    return library.open_dataset(str(gallery))


def test_an_estimate_is_near_what_the_build_takes(counting, tmp_path, monkeypatch):
    """The encoder sleeps, so that the figure does not depend on how busy the machine is."""
    plain = counting._encode
    monkeypatch.setattr(
        counting, "_encode", lambda self, batch: time.sleep(0.02 * len(batch)) or plain(self, batch)
    )
    dataset = library.open_dataset(str(paint(tmp_path / "gallery", numbered(60))))
    told = estimate(dataset, "counting.test")
    (row,) = build(dataset, ["counting.test"])
    assert told.to_encode == row.encoded == 60
    assert 0.5 < told.seconds / row.seconds < 2
    assert "just now" in told.basis
    assert told.missing == ()
    assert told.disk_bytes >= row.path.joinpath("vectors.npy").stat().st_size
    assert told.ram_bytes > 100 << 20


def test_what_is_built_costs_nothing(counting, dataset):
    build(dataset, ["counting.test"])
    told = estimate(dataset, "counting.test")
    assert (told.to_encode, told.seconds, told.disk_bytes, told.download_bytes) == (0, 0.0, 0, 0)


def test_new_pictures_alone_are_counted(counting, gallery, dataset):
    build(dataset, ["counting.test"])
    paint(gallery, ["new-1.png", "new-2.png"])
    assert estimate(library.open_dataset(str(gallery), fresh=True), "counting.test").to_encode == 2


def test_an_earlier_build_is_a_better_basis(counting, tmp_path):
    first = library.open_dataset(str(paint(tmp_path / "first", numbered(220))))
    build(first, ["counting.test"])
    second = library.open_dataset(str(paint(tmp_path / "second", numbered(30))))
    assert estimate(second, "counting.test").basis == "an earlier build of 220 pictures"


def test_a_download_is_counted_and_nothing_is_encoded_to_find_out(counting, dataset, monkeypatch):
    monkeypatch.setattr(counting, "state", lambda self: State("download", "from afar", 90_000_000))
    told = estimate(dataset, "counting.test")
    assert (told.download_bytes, told.seconds, told.to_encode) == (90_000_000, None, 20)
    assert counting.seen == []


def test_what_stands_in_the_way_is_listed(counting, dataset, monkeypatch):
    monkeypatch.setattr(counting, "state", lambda self: State("unavailable", "put the file there"))
    assert estimate(dataset, "counting.test").missing == ("put the file there",)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 30, 1 << 30, 1000))
    first, second = estimate(dataset, "counting.test").missing
    assert first == "put the file there"
    assert "0 MB free" in second


def test_a_closed_artifacts_folder_is_listed(counting, dataset, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "file"))
    assert len(estimate(dataset, "counting.test").missing) == 1


def test_encoders_that_follow_from_others_cost_what_those_cost(counting, fitted, dataset):
    assert estimate(dataset, "counting.test:pca=4").to_encode == 20
    build(dataset, ["counting.test"])
    told = estimate(dataset, "counting.test:pca=4")
    assert (told.to_encode, told.seconds) == (0, 0.0)
    assert told.disk_bytes > 0
    unfitted = estimate(dataset, "fitted.test")
    assert (unfitted.seconds, unfitted.basis) == (None, "not known before it is fitted")


def test_brought_vectors_encode_nothing(dataset, tmp_path):
    import numpy as np

    np.save(tmp_path / "v.npy", np.eye(20, dtype=np.float32))
    (tmp_path / "v.txt").write_text("\n".join(numbered(20)))
    name = imports.import_vectors(dataset.locator, "mine", str(tmp_path / "v.npy"))
    told = estimate(dataset, name)
    assert (told.to_encode, told.seconds, told.missing) == (0, 0.0, ())


def test_broken_pictures_do_not_stop_an_estimate(counting, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"x")
    told = estimate(library.open_dataset(str(tmp_path / "broken")), "counting.test")
    assert (told.seconds, told.to_encode) == (None, 1)


def test_an_unknown_encoder_is_refused(dataset):
    with pytest.raises(UserError, match="no encoder"):
        estimate(dataset, "nothing.here")
