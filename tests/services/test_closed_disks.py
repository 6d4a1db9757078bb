"""An artifacts folder that can't be written, and a disk that is full: a message, and nothing
half-written."""

from __future__ import annotations

import resource
import shutil
from collections import namedtuple

import pytest

from core.errors import UserError
from core.services import doctor, jobs
from core.services.embedding.build import build
from core.services.library import imports, library, uploads
from core.services.search import serving
from core.services.search.request import SearchRequest
from tests.plugged import numbered, paint

IMPOSSIBLE = {
    "below a file": "file/artifacts",
    "a file itself": "file",
    "too long": "x" * 300,
    "a loop of links": "loop/artifacts",
}
"""Artifacts folders that can't be made, by root neither."""


@pytest.fixture(params=IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def closed(request, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / request.param))


@pytest.mark.parametrize("command", ["build", "doctor", "datasets"])
def test_the_command_line_says_it_in_a_sentence(closed, command, here, gallery):
    code, _, err = here(
        *{"build": ("build", "--dataset", str(gallery), "--encoders", "tiny.16x16")}.get(
            command, (command,)
        )
    )
    assert "Traceback" not in err
    assert "nobody expected" not in err
    assert code == 0 or ("can't be written" in err or "LOOKALIKE_ARTIFACTS" in err)
    assert command == "datasets" or code == 1


def test_nothing_can_be_built_started_kept_or_added(closed, counting, gallery):
    dataset = library.open_dataset(str(gallery))
    picture = (gallery / "00000.png").read_bytes()
    for action in (
        lambda: build(dataset, ["counting.test"]),
        lambda: jobs.start("Build", ["build"]),
        lambda: uploads.keep(picture),
        lambda: library.add_folder(str(gallery)),
        lambda: library.add_archive("a.zip", b"PK"),
    ):
        with pytest.raises(UserError, match="can't be written") as told:
            action()
        assert "LOOKALIKE_ARTIFACTS" in told.value.fix


def test_reading_goes_on(closed, counting, gallery):
    dataset = library.open_dataset(str(gallery))
    assert library.cache_rows() == []
    assert jobs.listing() == []
    assert library.added() == []
    assert library.dataset_row(str(gallery))["pictures"] == 20
    with pytest.raises(UserError, match="no embeddings"):
        serving.search(SearchRequest(serving.Query(item_id="00000.png"), "counting.test"), dataset)
    with pytest.raises(UserError, match="no longer"):
        uploads.read("0" * 24)


def shipped_hits() -> int:
    asked = SearchRequest(serving.Query(item_id="mug-16-0"), "hog.8x8", "exact", 5)
    return len(serving.search(asked, library.open_dataset("catalogue")).hits)


def test_what_is_here_is_searched_where_nothing_can_be_kept(closed):
    assert shipped_hits() == 5


def test_what_is_here_is_searched_on_a_full_disk(artifacts, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 0))
    assert shipped_hits() == 5
    assert not list(artifacts.glob("cache/indexes/*"))


def test_the_doctor_sees_it(closed):
    rows = {row["check"]: row for row in doctor.examine()}
    assert rows["disk"]["state"] == "broken"
    assert "LOOKALIKE_ARTIFACTS" in rows["disk"]["fix"]


def test_a_full_disk_is_told_before_anything_is_written(counting, gallery, artifacts, monkeypatch):
    dataset = library.open_dataset(str(gallery))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(UserError, match="1 MB free"):
        build(dataset, ["counting.test"])
    assert not list(artifacts.glob("cache/embeddings/*"))


@pytest.mark.parametrize("free_mb", [1, 64])
def test_a_disk_that_is_too_small_is_told_before_a_picture_is_read(
    counting, gallery, artifacts, monkeypatch, free_mb
):
    """64 MB are left free, and the vectors of these pictures need a few kB more."""
    dataset = library.open_dataset(str(gallery))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, free_mb << 20))
    monkeypatch.setattr(type(dataset), "read", lambda self, item: pytest.fail("a picture was read"))
    with pytest.raises(UserError, match=f"{round(free_mb * 1.048576)} MB free, and this needs"):
        build(dataset, ["counting.test", "tiny.16x16"])


def test_what_is_built_needs_no_room(counting, gallery, monkeypatch):
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["counting.test"])
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 0))
    assert build(dataset, ["counting.test"])[0].encoded == 0


def test_a_disk_that_fills_up_midway_ends_the_build_with_a_message_and_it_goes_on_later(
    plugged, tmp_path
):
    """No file may pass 40 kB: the parts fit, the assembled vectors (240 x 48 x 4 bytes) do not."""
    folder = paint(tmp_path / "gallery", numbered(240))
    command = ("build", "--dataset", str(folder), "--encoders", "slow.test")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        child = plugged.start(*command, sleep=0.01)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _, err = child.communicate(timeout=300)
    assert child.returncode == 1
    assert "disk" in err
    assert "Traceback" not in err
    assert plugged.finished() == 240
    (row,) = plugged.json(*command)
    assert (row["pictures"], row["encoded"]) == (240, 0)


def test_vectors_that_do_not_fit_are_refused(gallery, tmp_path, monkeypatch, artifacts):
    import numpy as np

    np.save(tmp_path / "v.npy", np.eye(20, dtype=np.float32))
    (tmp_path / "v.txt").write_text("\n".join(numbered(20)))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 40, 1 << 40, 1 << 20))
    with pytest.raises(UserError, match="1 MB free"):
        imports.import_vectors(str(gallery), "mine", str(tmp_path / "v.npy"))
    assert not list(artifacts.glob("library/vectors/*"))
