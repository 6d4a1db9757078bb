"""Cosines, exact nearest neighbours and dropping the query's own copies, against their
definitions."""

from __future__ import annotations

import numpy as np
import pytest

from core import neighbours
from core.errors import Cancelled
from core.types import Hits
from tests.contracts.indexed import DIM, brute, clustered, unit


@pytest.mark.parametrize("rows_each_time", [100, 17, 4, 1])
@pytest.mark.parametrize("count", [1, 2, 61, 100])
def test_candidates_are_ranked_the_same_in_blocks_of_any_size(count, rows_each_time, monkeypatch):
    wide, vectors, rng = 17, clustered(), np.random.default_rng(count)
    monkeypatch.setattr(neighbours, "PAIR_BYTES", rows_each_time * 8 * DIM)
    queries = unit(rng.standard_normal((count, DIM)))
    found = np.stack([rng.choice(len(vectors), wide, replace=False) for _ in queries])
    found[-1, 9:] = -1
    hits = neighbours.rank(queries, lambda ids: vectors[ids], found, 12)
    for row, (query, own) in enumerate(zip(queries, found, strict=True)):
        own = np.sort(own[own >= 0])
        ids, scores = brute(vectors[own], query[None], 12)
        np.testing.assert_array_equal(hits.ids[row], np.where(ids[0] < 0, -1, own[ids[0]]))
        np.testing.assert_array_equal(hits.scores[row], scores[0])


@pytest.mark.parametrize("k", [1, 10, 60])
@pytest.mark.parametrize("blocks", [{}, {"FIRST_ROWS": 70, "BLOCK_BYTES": 4 * 90, "QUERIES": 7}])
def test_nearest_is_exact_for_a_range_and_for_chosen_rows(blocks, k, monkeypatch):
    """A tenth of the rows are copies, so that ties are among the answers."""
    for name, value in blocks.items():
        monkeypatch.setattr(neighbours, name, value)
    vectors, queries = clustered(), clustered(20, seed=5)
    hits = neighbours.nearest(queries, vectors.__getitem__, range(len(vectors)), k)
    for found, right in zip((hits.ids, hits.scores), brute(vectors, queries, k), strict=True):
        np.testing.assert_array_equal(found, right)
    rows = np.flatnonzero(np.random.default_rng(1).random(len(vectors)) < 0.3)
    hits, (ids, scores) = (
        neighbours.nearest(queries, vectors.__getitem__, rows, k),
        brute(vectors[rows], queries, k),
    )
    np.testing.assert_array_equal(hits.ids, rows[ids])
    np.testing.assert_array_equal(hits.scores, scores)


def test_nearest_of_fewer_rows_than_asked_for_and_of_none():
    vectors = clustered()
    hits = neighbours.nearest(vectors[:2], vectors.__getitem__, np.array([4, 9]), 3)
    assert hits.ids[:, 2].tolist() == [-1, -1]
    assert set(hits.ids[0, :2]) == {4, 9}
    assert (
        neighbours.nearest(vectors[:2], vectors.__getitem__, np.zeros(0, np.int64), 3).ids == -1
    ).all()
    assert neighbours.nearest(vectors[:0], vectors.__getitem__, range(5), 3).ids.shape == (0, 3)


def test_nearest_can_be_stopped():
    vectors = clustered()
    with pytest.raises(Cancelled):
        neighbours.nearest(vectors, vectors.__getitem__, range(9), 3, lambda done, total: False)


def test_equal_vectors_have_equal_cosines_wherever_they_lie(monkeypatch):
    monkeypatch.setattr(neighbours, "COLUMNS", 100)
    vectors, queries = clustered(), clustered(9, seed=2)
    copies = np.concatenate([vectors, vectors[::-1]])
    matrix = neighbours.cosine_matrix(queries, copies)
    np.testing.assert_array_equal(
        matrix, (queries.astype(np.float64) @ copies.astype(np.float64).T).astype(np.float32)
    )
    np.testing.assert_array_equal(matrix[:, : len(vectors)], matrix[:, len(vectors) :][:, ::-1])
    rows = np.array([5, 1, 300])
    np.testing.assert_array_equal(neighbours.cosine_matrix(queries, copies, rows), matrix[:, rows])


def test_the_query_is_never_its_own_neighbour():
    ids, own = np.array([[3, 1, 2], [1, 0, -1], [5, 6, 7]]), np.array([3, 0, -1])
    np.testing.assert_array_equal(
        neighbours.rows_without_own(ids, own, 2), [[1, 2], [1, -1], [5, 6]]
    )
    np.testing.assert_array_equal(neighbours.rows_without_own(ids, own, 4)[1], [1, -1, -1, -1])
    scores = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, -np.inf], [0.3, 0.2, 0.1]], np.float32)
    hits = neighbours.without_own(Hits(ids, scores), own, 2)
    np.testing.assert_array_equal(hits.ids, [[1, 2], [1, -1], [5, 6]])
    np.testing.assert_array_equal(hits.scores, np.float32([[0.8, 0.7], [0.6, -np.inf], [0.3, 0.2]]))
