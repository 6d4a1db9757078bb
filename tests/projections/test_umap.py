"""Our rounds are umap-learn's rounds; alignment brings maps together; a place is where UMAP's own
transform begins."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import procrustes
from sklearn.manifold import trustworthiness

from core.projections import umap as ours
from core.projections.aligned import AlignedUmap, turned_onto
from core.projections.base import in_space, memberships
from core.projections.umap import optimise


def blobs(n: int = 240, noise: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    vectors = 3 * np.eye(16)[np.arange(n) % 8] + noise * rng.standard_normal((n, 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return blobs()


def test_the_map_is_as_good_as_umap_learns(vectors):
    import umap

    mine = ours.Umap().fit(vectors, neighbours=10, epochs=200)
    theirs = umap.UMAP(n_neighbors=10, random_state=0, n_epochs=200, n_jobs=1).fit_transform(
        vectors
    )
    good, same = (trustworthiness(vectors, places, n_neighbors=10) for places in (theirs, mine))
    assert same == pytest.approx(good, abs=0.02)


def test_the_rounds_are_umap_learns_to_the_bit(vectors):
    from umap.umap_ import simplicial_set_embedding

    graph, model = ours.fuzzy_graph(vectors, None, 10, 0.1)
    begin = np.random.default_rng(0).uniform(0, 1, (len(vectors), 2)).astype(np.float32)
    low = begin.min(axis=0)
    square = (begin - low) / (
        begin - low
    ).max()  # umap scales each axis, we keep the shape: the same for a square
    square = (square / square.max(axis=0)).astype(np.float32)
    random = np.random.RandomState(0)
    theirs, _ = simplicial_set_embedding(
        vectors,
        graph.copy(),
        2,
        1.0,
        model._a,
        model._b,
        1.0,
        5,
        60,
        square,
        random,
        "euclidean",
        {},
        False,
        {},
        False,
    )
    mine = optimise(graph.copy(), square, model, 60)
    np.testing.assert_array_equal(mine, theirs)


def test_memberships_sum_as_umap_says(vectors):
    _, distances = in_space(vectors[:40], vectors, 15)
    weights = memberships(distances)
    np.testing.assert_allclose(weights.sum(axis=1), np.log2(15), rtol=1e-3)
    assert (np.diff(weights, axis=1) <= 1e-9).all()
    assert weights[:, 0] == pytest.approx(1.0)
    assert np.isfinite(memberships(np.zeros((3, 5)))).all()


def test_alignment_brings_similar_spaces_together(vectors):
    other = blobs(noise=0.55, seed=5)[
        :, ::-1
    ].copy()  # the same groups, other vectors in another basis
    first = AlignedUmap().fit(vectors, epochs=200)
    alone = AlignedUmap().fit(other, epochs=200)
    held = AlignedUmap().fit(other, anchor=first, epochs=200)
    assert procrustes(first, held)[2] < 0.25 < procrustes(first, alone)[2]
    assert (
        trustworthiness(other, held, n_neighbors=10)
        > trustworthiness(other, alone, n_neighbors=10) - 0.03
    )


def test_turning_never_stretches():
    places = np.random.default_rng(0).normal(size=(50, 2))
    turned = places @ np.array([[0, -1], [1, 0]]) * [1, -1] + 7
    np.testing.assert_allclose(turned_onto(places, turned), turned, atol=1e-8)
    np.testing.assert_allclose(
        turned_onto(places, 3 * turned).std(axis=0).sum(), places.std(axis=0).sum(), rtol=0.2
    )
