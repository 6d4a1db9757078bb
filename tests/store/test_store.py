"""Keys, damaged entries, forged names, and disks that are full or closed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import disk, store
from core.errors import UserError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def build(folder) -> dict:
    (folder / "a.bin").write_bytes(b"12345")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.bin").write_bytes(b"1")
    return {"rows": 5}


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_fingerprint_ignores_the_order_of_keys(causes):
    assert store.fingerprint(causes) == store.fingerprint(dict(reversed(causes.items())))


@given(JSON, JSON)
def test_fingerprint_tells_different_causes_apart(one, two):
    def plain(value):
        return json.dumps(value, sort_keys=True).replace("-0.0", "0.0")

    if plain(one) == plain(two):
        assert store.fingerprint(one) == store.fingerprint(two)
    elif one != two:
        assert store.fingerprint(one) != store.fingerprint(two)


def test_fingerprint_is_the_same_in_another_process():
    causes = {"é": [1, 0.1, None, True], "b": {"z": "\u202e", "a": -1e-300}}
    code = f"from core.store import fingerprint; print(fingerprint({causes!r}))"
    env = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONPATH": os.getcwd()}
    there = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == store.fingerprint(causes)


def test_fingerprint_takes_a_whole_float_for_its_integer_and_truth_for_itself():
    assert store.fingerprint({"k": 16}) == store.fingerprint({"k": 16.0})
    assert store.fingerprint({"k": 1}) != store.fingerprint({"k": True})
    assert store.fingerprint({"k": "1"}) != store.fingerprint({"k": 1})


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), {"x": [float("-inf")]}])
def test_fingerprint_refuses_what_is_not_finite(bad):
    with pytest.raises(ValueError):
        store.fingerprint({"cause": bad})


@pytest.mark.parametrize(
    "bad", [{1: 2}, {"x": {None: 1}}, {"x": b"1"}, {"x": {1, 2}}, {"x": np.float32(1)}, object()]
)
def test_fingerprint_refuses_what_json_cannot_say(bad):
    with pytest.raises(TypeError):
        store.fingerprint(bad)


def test_entry_says_what_it_is(artifacts):
    path = store.get_or_build("maps", {"a": 1}, build)
    (entry,) = store.entries()
    assert (entry.kind, entry.key, entry.path) == ("maps", store.key({"a": 1}), path)
    assert entry.bytes == 6 + (path / "meta.json").stat().st_size
    assert entry.meta["causes"] == {"a": 1}
    assert entry.meta["rows"] == 5
    assert entry.meta["files"] == {"a.bin": 5, "deep/b.bin": 1}
    assert store.entries("embeddings") == []


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\x00\xff", "[" * 100_000], ids=range(6))
def test_unreadable_meta_is_a_miss_and_is_logged(text, caplog):
    path = store.get_or_build("maps", {"a": 1}, build)
    (path / "meta.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert store.find("maps", path.name) is None
    assert str(path) in caplog.text
    assert store.get_or_build("maps", {"a": 1}, build) == path
    assert store.find("maps", path.name) == path


@pytest.mark.parametrize("name", ["a.bin", "deep/b.bin"])
@pytest.mark.parametrize("harm", ["lose", "cut"])
def test_missing_or_short_file_is_a_miss_and_is_logged(name, harm, caplog):
    path = store.get_or_build("maps", {"a": 1}, build)
    (path / name).unlink() if harm == "lose" else (path / name).write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert store.find("maps", path.name) is None
    assert name in caplog.text
    store.get_or_build("maps", {"a": 1}, build)
    assert (path / name).stat().st_size > 0


def test_failing_build_leaves_nothing(artifacts):
    def fail(folder):
        build(folder)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        store.get_or_build("maps", {"a": 1}, fail)
    assert list((artifacts / "cache" / "maps").iterdir()) == []


FORGED = [
    "../x",
    "..",
    ".",
    "",
    "a/b",
    "/etc",
    "a\\b",
    "x\n",
    "x\0y",
    ".new-abc",
    "a" * 300,
    "\u202egpj",
    "C:x",
]


@pytest.mark.parametrize("name", FORGED)
def test_forged_names_never_leave_the_cache(name, artifacts, tmp_path):
    outside = tmp_path / "x"
    outside.mkdir()
    (outside / "meta.json").write_text("{}")
    for call in (
        lambda: store.find("maps", name),
        lambda: store.find(name, "x"),
        lambda: store.get_or_build(name, {"a": 1}, build),
        lambda: store.entries(name) if name else store.cache(name),
        lambda: store.delete(name, "x"),
        lambda: store.lock(name).__enter__(),
    ):
        with pytest.raises(UserError):
            call()
    assert store.delete("maps", name) == 0
    assert (outside / "meta.json").exists()
    assert not list(artifacts.glob("cache/*"))


def test_deleting_a_link_keeps_what_it_points_to(artifacts, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.jpg").write_bytes(b"1")
    (artifacts / "cache" / "maps").mkdir(parents=True)
    (artifacts / "cache" / "maps" / "link").symlink_to(tmp_path / "mine", target_is_directory=True)
    store.delete("maps", "link")
    assert (tmp_path / "mine" / "photo.jpg").exists()
    assert not (artifacts / "cache" / "maps" / "link").is_symlink()


def test_a_full_disk_elsewhere_is_named(artifacts, tmp_path, monkeypatch):
    """Such as the system's folder of temporary files, which a library writes to."""
    monkeypatch.setattr(disk, "_free", lambda folder: 0)
    with pytest.raises(UserError, match=r"other has 0 MB free.*TMPDIR"), store.writing(artifacts):
        raise disk.os_error(
            RuntimeError("Unable to write: No space left on device"),
            tmp_path / "other" / "index.ann",
        )


def test_too_little_space_is_said_before_the_build_starts(monkeypatch, artifacts):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1 << 30, (1 << 30) - 1000, 1000))
    with pytest.raises(UserError, match=r"0 MB free.*LOOKALIKE_ARTIFACTS"):
        store.get_or_build("maps", {"a": 1}, lambda folder: pytest.fail("built on a full disk"))
    assert list((artifacts / "cache" / "maps").iterdir()) == []


LIMITED = """
import resource, sys
from core import store
from core.errors import UserError
import numpy as np
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
def plain(folder):
    with open(folder / "big.bin", "wb") as file:
        file.write(bytes(200_000))
def array(folder):
    np.save(folder / "big.npy", np.zeros(50_000, np.float32))
for write in (lambda: store.get_or_build("maps", {"a": 1}, plain),
              lambda: store.get_or_build("maps", {"a": 2}, array),
              lambda: store.write_bytes(store.root() / "kept.bin", bytes(200_000))):
    try:
        write()
        print("wrote")
    except UserError as error:
        print("refused", error)
    except OSError as error:
        print("raw", error.errno, error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits")
def test_disk_that_fills_up_leaves_nothing_half_written(artifacts, start):
    store.write_text(artifacts / "kept.bin", "old")
    out, err = start(LIMITED).communicate(timeout=300)
    lines = out.splitlines()
    assert [line.startswith("refused The disk that holds") for line in lines] == [True] * 3, (
        out + err
    )
    assert (artifacts / "kept.bin").read_text() == "old"
    left = [p for p in artifacts.rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert left == [artifacts / "kept.bin"]


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 1 MB."""
    where = tmp_path / "small"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", where], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk can't be mounted here: " + mounted.stderr.decode().strip())
    yield where
    subprocess.run(["umount", "-l", where], check=True)


@pytest.mark.parametrize("write", ["plain", "numpy"])
def test_real_disk_that_fills_up_leaves_nothing_half_written(small_disk, monkeypatch, write):
    def too_big(folder):
        if write == "numpy":
            np.save(folder / "big.npy", np.zeros(1_000_000, np.float32))
        else:
            (folder / "big.bin").write_bytes(bytes(4_000_000))

    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(small_disk))
    monkeypatch.setattr("core.store.check_space", lambda folder: None)
    with pytest.raises(UserError, match="writing there failed"):
        store.get_or_build("maps", {"a": 1}, too_big)
    assert list((small_disk / "cache" / "maps").iterdir()) == []
    assert store.get_or_build("maps", {"a": 1}, build), "there is room again"


CLOSED = """
import os, sys, filelock.asyncio
from core import store
from core.errors import UserError
if os.getuid() == 0:
    os.setuid(65534)
key = store.key({"a": 1})
print("found", store.find("maps", key) is not None, len(store.entries()))
for write in (lambda: store.get_or_build("maps", {"a": 2}, lambda folder: None),
              lambda: store.write_text(store.root() / "x" / "y.txt", "z"),
              lambda: store.lock("l").__enter__()):
    try:
        write()
        print("wrote")
    except UserError as error:
        print("refused", error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs file modes")
def test_read_only_artifacts_are_read_and_never_a_traceback(artifacts, start):
    store.get_or_build("maps", {"a": 1}, build)
    folders = [artifacts, *(p for p in artifacts.rglob("*") if p.is_dir())]
    opened = [
        p
        for p in artifacts.parents
        if p.stat().st_uid == os.getuid() and not p.stat().st_mode & 0o005
    ]
    modes = {p: p.stat().st_mode for p in opened}
    for path in [*opened, *folders]:
        path.chmod(0o555)
    try:
        out, err = start(CLOSED).communicate(timeout=300)
    finally:
        for path in folders:
            path.chmod(0o755)
        for path, mode in modes.items():
            path.chmod(mode)
    lines = out.splitlines()
    assert lines[:1] == ["found True 1"], out + err
    assert ["can't be written" in line for line in lines[1:]] == [True] * 3, out + err


def test_artifacts_that_are_a_file_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "file" / "artifacts"))
    with pytest.raises(UserError, match="can't be written"):
        store.get_or_build("maps", {"a": 1}, build)


def test_errors_of_the_build_itself_pass(tmp_path):
    with pytest.raises(FileNotFoundError):
        store.get_or_build(
            "maps", {"a": 1}, lambda folder: (tmp_path / "no picture.jpg").read_bytes()
        )


def test_reading_marks_as_used():
    path = store.get_or_build("maps", {"a": 1}, build)
    os.utime(path, (1, 1))
    store.find("maps", path.name)
    assert store.entries()[0].used > 1


def test_what_is_only_looked_at_is_not_marked_as_used():
    path = store.get_or_build("things", {"a": 1}, lambda folder: None)
    os.utime(path, (1000, 1000))
    with store.looking():
        assert store.find("things", path.name) == path
    (entry,) = store.entries("things")
    assert entry.used == 1000
    assert store.find("things", path.name) == path
    (entry,) = store.entries("things")
    assert entry.used > 1000
