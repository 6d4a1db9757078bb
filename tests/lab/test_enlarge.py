"""Synthetic vectors: like the real ones where it is said, and told apart where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import Cancelled, UserError
from core.services.embedding import stored
from core.services.embedding.bound import bound
from core.services.index_lab import curves, enlarge, space
from tests.lab.conftest import ENCODER


def clustered(count: int = 800, dim: int = 24) -> np.ndarray:
    """Unit vectors in 30 flat clusters of 3 directions each."""
    rng = np.random.default_rng(1)
    which = rng.integers(0, 30, count)
    flat = np.einsum(
        "nk,nkd->nd", rng.standard_normal((count, 3)), rng.standard_normal((30, 3, dim))[which]
    )
    vectors = rng.standard_normal((30, dim))[which] * 2 + 0.3 * flat
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_larger_galleries_begin_with_the_real_one():
    vectors = clustered()
    kernel, like = enlarge.fit(vectors)
    made = enlarge.enlarge(vectors, kernel, 3000)
    assert made.shape == (3000, 24)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made[:800], vectors)
    np.testing.assert_array_equal(made, enlarge.enlarge(vectors, kernel, 3000))
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-5)
    assert len(np.unique(made, axis=0)) > 2990
    assert like.alike, like.rows


def test_what_is_not_alike_is_said():
    vectors = clustered()
    real = enlarge._statistics(vectors)
    noise = np.random.default_rng(0).standard_normal(vectors.shape).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    told = enlarge._compared(real, enlarge._statistics(noise))
    assert not told.alike
    assert not told.rows[0][-1]
    assert enlarge._compared(real, real).alike


def test_synthetic_vectors_stay_among_their_neighbours():
    """As far from the real ones as those are from each other: neither copies nor noise."""
    vectors = clustered()
    kernel, _ = enlarge.fit(vectors)
    fresh = enlarge.enlarge(vectors, kernel, 1600)[800:]
    near = np.sort(fresh @ vectors.T, axis=1)[:, -1]
    own = np.sort(vectors @ vectors.T, axis=1)[:, -2]
    assert np.median(np.sqrt(2 - 2 * near)) == pytest.approx(
        np.median(np.sqrt(2 - 2 * own)), rel=0.5
    )


def test_neighbours_are_others():
    vectors = np.repeat(clustered(40), 3, axis=0)  # each three times
    near = enlarge.neighbours(vectors, 4)
    assert near.shape == (120, 4)
    assert not (near == np.arange(120)[:, None]).any()


def test_too_few_or_stopped():
    with pytest.raises(UserError, match="At least 72"):
        enlarge.fit(clustered()[:50])
    with pytest.raises(Cancelled):
        enlarge.fit(clustered(), lambda done, total: False)


def test_a_larger_gallery_is_measured(catalogue, monkeypatch):
    monkeypatch.setattr(enlarge, "FITTED_ON", 600)
    points = list(curves.curves(catalogue, ENCODER, ["exact", "sq8:rerank=4"], size=4000))
    assert [(point.size, point.real, point.recall > 0.9) for point in points] == [
        (4000, 2720, True)
    ] * 2
    ready = bound(catalogue, ENCODER).encoder
    grown = space.open_space(catalogue, ENCODER, size=4000)
    np.testing.assert_array_equal(grown.vectors[:2720], stored.read(catalogue, ready).vectors)
    assert (grown.own >= 0).all()
    assert len(space.likeness_of(catalogue, ENCODER).rows) == len(enlarge.STATISTICS)
    assert curves.plan(catalogue, ENCODER, ["exact"], timed=False).found == ()
