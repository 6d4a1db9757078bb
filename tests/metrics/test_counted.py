"""Ranks by counting: the same lists as sorting gives, in memory that does not grow."""

from __future__ import annotations

import tracemalloc
from dataclasses import fields, replace

import numpy as np
import pytest

from core.errors import Cancelled
from core.metrics import stream
from core.metrics.stream import Roles


def gallery(count: int, dim: int = 24, classes: int = 30) -> tuple[np.ndarray, Roles]:
    """Vectors with copies among them (equal scores), classes, unknown ones and things to ignore."""
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((count, dim)).astype(np.float32)
    vectors[count // 2 :: 7] = vectors[: len(vectors[count // 2 :: 7])]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    relevant = rng.integers(0, classes, count)
    relevant[::11] = -1 - np.arange(len(relevant[::11]))
    ignore = rng.integers(0, count // 2, count)
    order = rng.permutation(count)
    return vectors, Roles(order[: count - 40], order[20::9], relevant, ignore)


def assert_same(ours: stream.Ranked, wanted: stream.Ranked) -> None:
    for one in fields(wanted):
        np.testing.assert_array_equal(getattr(ours, one.name), getattr(wanted, one.name))


@pytest.mark.parametrize("crops", [False, True])
def test_counting_gives_what_sorting_gives(monkeypatch, crops):
    vectors, roles = gallery(3000)
    if crops:
        roles = replace(roles, asking=np.roll(vectors, 1, axis=0))
    monkeypatch.setattr(stream, "CELLS", 7 * len(roles.gallery))
    monkeypatch.setattr(stream, "SORTED_FROM", 0)
    wanted = list(stream.blocks(vectors, roles, 12))
    monkeypatch.setattr(stream, "SORTED_FROM", 32)
    monkeypatch.setattr(stream, "COLUMNS", 700)
    monkeypatch.setattr(stream, "QUERIES", 50)
    monkeypatch.setattr(stream, "RELEVANT", 3000)
    ours = list(stream.blocks(vectors, roles, 12))
    assert len(ours) == len(wanted) > 40
    for one, other in zip(ours, wanted, strict=True):
        assert_same(one, other)
    codes = roles.relevant[roles.queries] % 3
    one, other = (stream.evaluate(iter(lists), codes=codes) for lists in (ours, wanted))
    assert one.curves == other.curves
    for name, values in other.scores.items():
        np.testing.assert_array_equal(one.scores[name], values, err_msg=name)


def test_a_list_beyond_the_gallery_and_queries_without_anything_relevant(monkeypatch):
    vectors, roles = gallery(60, classes=2)
    roles = replace(roles, relevant=np.where(np.arange(60) % 2, -1 - np.arange(60), 0))
    monkeypatch.setattr(stream, "SORTED_FROM", 0)
    (wanted,) = stream.blocks(vectors, roles, 100)
    monkeypatch.setattr(stream, "SORTED_FROM", 10**9)
    (ours,) = stream.blocks(vectors, roles, 100)
    assert_same(ours, wanted)


def test_memory_does_not_follow_the_vectors(monkeypatch, tmp_path):
    """48 MB of vectors on disk are evaluated within 12 MB."""
    rng, count, dim = np.random.default_rng(0), 12_000, 1024
    np.save(tmp_path / "vectors.npy", rng.standard_normal((count, dim), dtype=np.float32) / 32)
    vectors = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    roles = Roles(
        np.arange(count), np.arange(0, count, 200), np.arange(count) % 100, np.arange(count)
    )
    monkeypatch.setattr(stream, "CELLS", 10 * count)
    monkeypatch.setattr(stream, "COLUMNS", 512)
    monkeypatch.setattr(stream, "QUERIES", 30)
    tracemalloc.start()
    try:
        scores = stream.evaluate(stream.blocks(vectors, roles, 10)).scores
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(scores["mAP"]) == 60
    assert peak < 12e6 < vectors.nbytes / 4


def test_it_counts_up_and_stops(monkeypatch):
    vectors, roles = gallery(1000)
    monkeypatch.setattr(stream, "SORTED_FROM", 10**9)
    monkeypatch.setattr(stream, "COLUMNS", 100)
    seen = []
    for _ in stream.blocks(vectors, roles, 0, lambda done, total: seen.append(done) or True):
        pass
    assert seen == sorted(seen)
    assert seen[-1] == len(roles.queries)
    with pytest.raises(Cancelled):
        list(stream.blocks(vectors, roles, 0, lambda done, total: done < 50))
