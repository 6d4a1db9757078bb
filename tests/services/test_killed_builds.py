"""Builds that are killed, stopped or raced, as processes of their own."""

from __future__ import annotations

import os
import signal
from collections import Counter

import numpy as np
import psutil

from tests.plugged import family, numbered, paint, wait_for

COUNT = 120
"""Enough for worker processes."""


def build(folder) -> tuple[str, ...]:
    return "build", "--dataset", str(folder), "--encoders", "slow.test"


def half_done(plugged, child) -> int:
    """Wait until a part is finished and the build is not; returns how many pictures are in finished
    parts."""
    wait_for(lambda: plugged.finished() >= 8 or child.poll() is not None)
    assert child.poll() is None, child.stderr.read()
    return plugged.finished()


def vectors(artifacts) -> np.ndarray:
    (path,) = artifacts.glob("cache/embeddings/[!.]*/vectors.npy")
    return np.load(path)


def test_a_killed_build_goes_on_where_it_was(plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    child = plugged.start(*build(folder), sleep=0.03)
    half_done(plugged, child)
    people = family(child.pid)
    assert len(people) > 1, "pictures are prepared by workers"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_for(lambda: not any(map(lives, people)))

    kept, before = plugged.finished(), len(plugged.encoded())
    assert 0 < kept < COUNT
    (row,) = plugged.json(*build(folder))
    assert row["pictures"] == COUNT
    assert row["encoded"] == COUNT - kept == len(plugged.encoded()) - before
    times = Counter(plugged.encoded())
    assert len(times) == COUNT
    assert sum(count == 1 for count in times.values()) >= kept

    plugged.json(*build(folder), artifacts=tmp_path / "other")
    np.testing.assert_array_equal(vectors(plugged.artifacts), vectors(tmp_path / "other"))
    assert not list(plugged.artifacts.glob("cache/partial/*")), "parts are dropped at the end"


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_build_with_few_pictures_goes_on_too(plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(40))
    child = plugged.start(*build(folder), sleep=0.08)
    half_done(plugged, child)
    child.kill()
    child.wait()
    kept = plugged.finished()
    (row,) = plugged.json(*build(folder))
    assert row["encoded"] == 40 - kept < 40


def test_a_killed_build_goes_on_with_other_pictures(plugged, tmp_path):
    """Parts belong to pictures, not to positions: what came meanwhile is encoded, what went is left
    out."""
    folder = paint(tmp_path / "gallery", numbered(60, start=100))
    child = plugged.start(*build(folder), sleep=0.05)
    half_done(plugged, child)
    child.kill()
    child.wait()
    kept = plugged.finished()
    paint(folder, numbered(5))  # these sort before all others
    (folder / "00159.png").unlink()
    (row,) = plugged.json(*build(folder))
    assert row["pictures"] == 64
    assert row["encoded"] == 64 - kept
    plugged.json(*build(folder), artifacts=tmp_path / "other")
    np.testing.assert_array_equal(vectors(plugged.artifacts), vectors(tmp_path / "other"))


def test_an_unchanged_rebuild_encodes_nothing(plugged, tmp_path, capsys):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    plugged.json(*build(folder))
    before = plugged.encoded()
    (row,) = plugged.json(*build(folder))
    assert row["encoded"] == 0
    assert plugged.encoded() == before
    with capsys.disabled():
        print(
            f" unchanged rebuild of {COUNT} pictures: {row['seconds']:.3f} s after start-up ",
            end="",
        )


def test_two_builders_of_one_key_do_the_work_once(plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    children = [plugged.start(*build(folder), "--json", sleep=0.01) for _ in range(2)]
    for child in children:
        _, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
    assert len(plugged.encoded()) == COUNT


def test_an_interrupted_build_says_so_and_goes_on_later(plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    child = plugged.start(*build(folder), sleep=0.03)
    half_done(plugged, child)
    os.killpg(child.pid, signal.SIGINT)  # as Ctrl-C does: the workers get it too
    out, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "continues from there" in err
    kept = plugged.finished()
    assert kept == len(plugged.encoded()) > 0, "what was encoded when it stopped is kept"
    (row,) = plugged.json(*build(folder))
    assert row["encoded"] == COUNT - kept


def test_a_worker_that_is_killed_ends_the_build_with_a_word(plugged, tmp_path):
    folder = paint(tmp_path / "gallery", numbered(COUNT))
    child = plugged.start(*build(folder), prepare_sleep=0.1)
    half_done(plugged, child)
    for worker in family(child.pid)[1:]:
        worker.kill()
    _, err = child.communicate(timeout=300)
    assert child.returncode == 1
    assert "worker process" in err
    assert "Traceback" not in err
    (row,) = plugged.json(*build(folder))
    assert row["pictures"] == COUNT
