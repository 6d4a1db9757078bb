"""Search on graphs of neighbours, against what it approximates: diffusion in closed form, and all
pairs compared."""

from __future__ import annotations

import numpy as np
import pytest

from core.diffusion import TOLERANCE
from core.indexes import graph
from core.indexes.base import indexes
from tests.contracts.indexed import brute, clustered, unit

ROWS, DEGREE, GAMMA, START = 60, 8, 3, 10


def closed_form(
    vectors: np.ndarray, query: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """f = (I - alpha S)^-1 y with every matrix written out, and y."""
    cosine = vectors.astype(np.float64) @ vectors.T
    np.fill_diagonal(cosine, -np.inf)
    near = np.zeros(cosine.shape, bool)
    np.put_along_axis(near, np.argsort(-cosine, axis=1)[:, :DEGREE], True, axis=1)
    links = np.where(near & near.T, np.maximum(cosine, 0.0), 0.0) ** GAMMA
    degrees = links.sum(axis=1)
    scale = np.divide(1.0, np.sqrt(degrees), out=np.zeros(len(degrees)), where=degrees > 0)
    asked = vectors.astype(np.float64) @ query
    source = np.where(
        np.isin(np.arange(len(vectors)), np.argsort(-asked)[:START]),
        np.maximum(asked, 0.0) ** GAMMA,
        0.0,
    )
    return (
        np.linalg.solve(np.eye(len(vectors)) - alpha * scale[:, None] * links * scale, source),
        source,
    )


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.9, 0.99])
def test_diffusion_is_its_closed_form(alpha):
    rng = np.random.default_rng(3)
    vectors, queries = unit(rng.standard_normal((ROWS, 5))), unit(rng.standard_normal((4, 5)))
    index = indexes.get("diffusion")
    index.build(vectors, degree=DEGREE, gamma=GAMMA)
    hits = index.search(queries, ROWS, alpha=alpha, start=START)
    for query, ids, scores in zip(queries, hits.ids, hits.scores, strict=True):
        flow, source = closed_form(vectors, query, alpha)
        assert sorted(ids) == list(range(ROWS))
        reached = flow[ids] > 0.01 * flow.max()
        assert reached.sum() >= min(START, np.count_nonzero(source)) // 2, "the weight arrives"
        # what is left of the system's residual grows by its inverse, at most 1 / (1 - alpha)
        error = TOLERANCE * np.linalg.norm(source) / (1 - alpha) + 1e-5
        np.testing.assert_allclose(scores[reached], flow[ids][reached], atol=error)
        assert (scores[flow[ids] < 1e-12] <= 0).all(), "a row that no chain of links leads to"
        assert (np.diff(scores) <= 0).all()


def test_nn_descent_finds_most_neighbours(monkeypatch):
    vectors = clustered(1000)
    right = graph.knn(vectors, 16).scores
    monkeypatch.setattr(graph, "EXACT_MOST", 300)
    monkeypatch.setattr(
        graph, "nearest", lambda *given: 1 / 0
    )  # the way that compares all pairs is not taken
    seen = []
    hits = graph.knn(vectors, 16, lambda done, total: seen.append((done, total)) or True)
    ids, found = hits.ids, hits.scores
    assert seen[-1] == (1000, 1000)
    assert (ids != np.arange(1000)[:, None]).all(), "no row is its own neighbour"
    assert all(len(set(row)) == 16 for row in ids.tolist())
    np.testing.assert_allclose(found, np.einsum("nd,nkd->nk", vectors, vectors[ids]), atol=1e-6)
    assert (np.diff(found, axis=1) <= 0).all()
    assert (found >= right[:, -1:] - 1e-6).mean() >= 0.9


def test_a_walk_on_a_graph_by_nn_descent_finds_most(monkeypatch):
    monkeypatch.setattr(graph, "EXACT_MOST", 300)
    vectors, queries = clustered(1000), clustered(40, seed=7)
    index = indexes.get("knn_graph")
    index.build(vectors)
    _, right = brute(vectors, queries, 10)
    hits = index.search(queries, 10)
    assert (hits.scores >= right[:, -1:] - 1e-6).mean() >= 0.9


GRAPHS = ["knn_graph", "hnsw", "voyager", "factory:HNSW16"]


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize(("kinds", "copies"), [(1, 40), (1, 300), (6, 60), (300, 1)])
def test_a_walk_answers_with_as_many_as_there_are(name, kinds, copies):
    """One vector many times over, a few kinds, no copies: a graph of them falls apart, and what is
    asked for is there."""
    rng, index = np.random.default_rng(kinds), indexes.get(name)
    vectors = np.repeat(unit(rng.standard_normal((kinds, 16))), copies, axis=0)[
        rng.permutation(kinds * copies)
    ]
    index.build(vectors)
    for k in (len(vectors) // 2, len(vectors), len(vectors) + 7):
        for queries in (vectors[:3], vectors[:1]):
            hits = index.search(queries, k)
            assert ((hits.ids >= 0).sum(axis=1) == min(k, len(vectors))).all()
            assert all(len(set(row[row >= 0])) == min(k, len(vectors)) for row in hits.ids)
        if k >= len(vectors):
            ids = brute(vectors, vectors[:3], k)[0]
            np.testing.assert_array_equal(index.search(vectors[:3], k).ids, ids)


@pytest.mark.parametrize("copies", [5, 40, 200])
def test_copies_lie_beside_each_other_in_a_graph_however_many(copies, tmp_path):
    vectors = np.concatenate([clustered(400), np.repeat(clustered(40, seed=9)[:8], copies, axis=0)])
    index, queries = indexes.get("knn_graph"), clustered(40, seed=9)[:8]
    index.build(vectors)
    _, right = brute(vectors, queries, copies)
    assert (index.search(queries, copies).scores == right).all()
    index.save(tmp_path)
    again = indexes.get("knn_graph")
    again.load(tmp_path)
    np.testing.assert_array_equal(
        again.search(queries, copies + 9).ids, index.search(queries, copies + 9).ids
    )


def test_copies_are_equal_rows_and_no_others():
    vectors = np.repeat(
        unit(np.random.default_rng(1).standard_normal((5, 4))), [1, 3, 1, 2, 1], axis=0
    )
    assert graph.copies_of(vectors).tolist() == [[1, 2], [1, 3], [5, 6]]
    order = np.random.default_rng(0).permutation(len(vectors))
    pairs = graph.copies_of(vectors[order])
    assert len(pairs) == 3
    assert (vectors[order][pairs[:, 0]] == vectors[order][pairs[:, 1]]).all()
    assert graph.copies_of(vectors[:1]).shape == (0, 2)
