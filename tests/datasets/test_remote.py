"""Pictures at an address are the same data set as the same pictures on this machine."""

from __future__ import annotations

import shutil
import sys
import uuid

import fsspec
import pytest

from core.datasets.paths import open_dataset
from core.errors import UserError


@pytest.fixture
def bucket(pictures):
    """The address of a bucket in memory that holds the pictures, a note, a hidden file and a zip of the pictures."""
    name = f"bucket-{uuid.uuid4().hex}"
    memory = fsspec.filesystem("memory")
    for path in pictures.rglob("*.png"):
        memory.pipe_file(f"/{name}/shop/{path.relative_to(pictures)}", path.read_bytes())
    memory.pipe_file(f"/{name}/shop/warm/note.txt", b"a note")
    memory.pipe_file(f"/{name}/shop/.hidden.png", b"x")
    memory.pipe_file(f"/{name}/shop/unnamed", next(pictures.rglob("*.png")).read_bytes())
    packed = shutil.make_archive(str(pictures.parent / "shop"), "zip", pictures)
    memory.put_file(packed, f"/{name}/shop.zip")
    yield f"memory://{name}"
    memory.rm(f"/{name}", recursive=True)


def told(dataset):
    return [(item.id, item.label, dataset.read(item)) for item in dataset.items]


def test_a_folder_of_a_store_is_the_folder_it_was_copied_from(bucket, pictures):
    remote, local = open_dataset(f"{bucket}/shop/"), open_dataset(str(pictures))
    assert [one for one in told(remote) if one[0] != "unnamed"] == told(local)
    assert remote.title == "shop"
    assert "unnamed" in remote.rows, "a picture by its content"
    assert {one.id for one in remote.skipped} == {".hidden.png", "warm/note.txt"}
    assert open_dataset(remote.locator).fingerprint() == remote.fingerprint()


def test_a_picture_that_is_replaced_in_the_store_is_another(bucket):
    before = open_dataset(f"{bucket}/shop")
    state, memory = before.fingerprint(), fsspec.filesystem("memory")
    memory.pipe_file(f"{bucket.removeprefix('memory:/')}/shop/warm/0.png", b"of another size")
    assert open_dataset(f"{bucket}/shop").fingerprint() != state


def test_a_zip_in_a_store_is_the_zip_it_was_copied_from(bucket, pictures):
    remote, local = (
        open_dataset(f"{bucket}/shop.zip"),
        open_dataset(str(pictures.parent / "shop.zip")),
    )
    assert told(remote) == told(local)
    assert remote.fingerprint() == local.fingerprint()


def test_files_of_this_machine_have_addresses_too(pictures):
    assert told(open_dataset(f"file://{pictures}")) == told(open_dataset(str(pictures)))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://example.org/pictures", "web address"),
        ("nosuchkind://a/b", "can't be opened"),
        ("memory://nothing-here", "can't be read|No picture"),
        ("memory://nothing-here/a.zip", "can't be read"),
        ("s3://bucket/pictures", "needs a package"),
    ],
)
def test_what_can_not_be_opened_says_why(address, words, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(UserError, match=words):
        assert open_dataset(address).items
