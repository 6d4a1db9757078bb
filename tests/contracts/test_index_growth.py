"""Indexes that follow a gallery: rows come in the middle, rows go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.faiss_loader import faiss
from core.indexes.base import Index, indexes
from core.indexes.faiss import FILE

GROWING = [name for name in indexes.names() if indexes.get(name).grows]


def unit(count: int, dim: int = 16) -> np.ndarray:
    rng = np.random.default_rng(3)
    middles = rng.standard_normal((20, dim))
    rows = middles[rng.integers(0, 20, count)] + 0.5 * rng.standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def followed(
    name: str, vectors: np.ndarray, before: np.ndarray, now: np.ndarray, home: Path
) -> Index | None:
    """The index over ``vectors[now]`` by what is saved of ``vectors[before]``, saved and read."""
    old, new = indexes.get(name), indexes.get(name)
    for folder in (home / "old", home / "new"):
        folder.mkdir()
    old.build(vectors[before])
    old.save(home / "old")
    row_of = {row: place for place, row in enumerate(now.tolist())}
    place = np.array([row_of.get(row, -1) for row in before.tolist()])
    if not new.follow(home / "old", place, vectors[now]):
        return None
    new.save(home / "new")
    read = indexes.get(name)
    read.load(home / "new")
    return read


def test_those_that_are_trained_or_walk_follow():
    assert {"hnsw", "ivf_flat", "ivf_pq", "pq"} <= set(GROWING)


@pytest.mark.parametrize("name", GROWING)
def test_new_rows_are_found_beside_the_old_ones(name, tmp_path):
    vectors = unit(1200)
    now = np.arange(1200)
    before = np.delete(now, np.arange(500, 530))
    read, exact = followed(name, vectors, before, now, tmp_path), indexes.get("exact")
    exact.build(vectors)
    np.testing.assert_array_equal(read.rows(now), vectors)
    knobs = {knob: 1000 for knob in read.search_knobs if knob in ("efSearch", "rerank")}
    knobs |= {"nprobe": 30} if "nprobe" in read.search_knobs else {}
    answer, wanted = read.search(vectors, 5, **knobs), exact.search(vectors, 5)
    assert (answer.ids[:, 0] == now).mean() > 0.999
    assert (answer.ids == wanted.ids).mean() > 0.99
    allowed = now % 3 == 0
    some = read.search(vectors[500:530], 5, allowed=allowed, **knobs)
    assert (some.ids == exact.search(vectors[500:530], 5, allowed=allowed).ids).mean() > 0.98


@pytest.mark.parametrize("name", ["ivf_flat", "ivf_pq", "pq"])
def test_it_is_what_adding_every_row_to_the_trained_index_gives(name, tmp_path):
    vectors = unit(1200)
    now = np.setdiff1d(np.arange(1200), np.arange(900, 925))
    before = np.delete(np.arange(1200), np.arange(40, 80))
    read = followed(name, vectors, before, now, tmp_path)
    fresh = faiss().read_index(str(tmp_path / "old" / FILE))
    fresh.reset()
    fresh.add(vectors[now])
    if hasattr(fresh, "make_direct_map") and name == "ivf_flat":
        fresh.make_direct_map()
    ours = faiss().read_index(str(tmp_path / "new" / FILE))
    np.testing.assert_array_equal(faiss().serialize_index(ours), faiss().serialize_index(fresh))
    assert read.size == len(now)


def test_what_has_aged_and_what_a_graph_can_not_do_is_built_anew(tmp_path):
    vectors = unit(1200)
    for name, before, now in (
        ("ivf_flat", np.arange(500), np.arange(1200)),
        ("pq", np.arange(1200), np.arange(500)),
        ("hnsw", np.arange(1200), np.arange(1, 1200)),
    ):
        (tmp_path / name).mkdir()
        assert followed(name, vectors, before, now, tmp_path / name) is None, name
