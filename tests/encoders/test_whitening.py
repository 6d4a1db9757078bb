"""PCA-whitening: what it does to vectors, what it refuses, and that it follows its base."""

from __future__ import annotations

import numpy as np
import pytest

from core.encoders.base import encoders, unit_rows
from core.errors import UserError


@pytest.fixture
def rows() -> np.ndarray:
    draws = np.random.default_rng(3).normal(size=(400, 192)) * np.geomspace(5, 0.1, 192)
    return unit_rows((draws + 1.0).astype(np.float32))


def test_whitened_directions_have_equal_variance_and_no_correlation(rows):
    made = encoders.get("hsv.12x4x4:pca=16")
    arrays = made.fit(rows)
    moved = (rows - arrays["mean"]) @ arrays["axes"].T
    np.testing.assert_allclose(np.cov(moved.T), np.eye(16), atol=1e-3)
    vectors = made.with_fit(arrays).transform(rows)
    assert vectors.shape == (400, 16)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_pictures_go_the_same_way_as_finished_vectors(rows, images):
    base = encoders.get("hsv.12x4x4")
    made = encoders.get("hsv.12x4x4:pca=16")
    made = made.with_fit(made.fit(rows))
    np.testing.assert_array_equal(made.encode(images), made.transform(base.encode(images)))
    assert made.base == base.name
    assert made.side == base.side


def test_fit_is_deterministic_and_part_of_the_fingerprint(rows):
    made = encoders.get("hsv.12x4x4:pca=16")
    first, second, other = made.fit(rows), made.fit(rows.copy()), made.fit(rows[:300])
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    prints = [made.with_fit(arrays).fingerprint() for arrays in (first, second, other)]
    assert prints[0] == prints[1] != prints[2]
    assert made.fingerprint()["fit"] is None
    assert not made.fitted


def test_directions_without_variance_become_no_noise():
    flat = np.zeros((50, 192), np.float32)
    flat[:, :3] = np.random.default_rng(0).normal(size=(50, 3))
    made = encoders.get("hsv.12x4x4:pca=8")
    vectors = made.with_fit(made.fit(unit_rows(flat))).transform(unit_rows(flat))
    assert np.abs(vectors[:, 3:]).max() < 1e-4


def test_it_stands_on_a_base_that_is_fitted_itself(rows, images):
    below = encoders.get("hsv.12x4x4:pca=16")
    below = below.with_fit(below.fit(rows))
    from core.encoders.whitening import Whitened

    made = Whitened(encoders.get("hsv.12x4x4"), 8).with_base(below)
    assert made.fingerprint()["base"] == below.fingerprint()
    made = made.with_fit(made.fit(below.transform(rows)))
    assert made.encode(images).shape == (len(images), 8)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("hsv.12x4x4:pca=500", "192 dimensions"),
        ("hsv.12x4x4:pca=1", "from 2 to"),
        ("hsv.12x4x4:pca=lots", "whole number"),
        ("hsv.12x4x4:pca=²", "whole number"),
        ("hsv.12x4x4:pca", "not an option"),
        ("hsv.12x4x4:pca=8,pca=9", "twice"),
        ("hsv.12x4x4:pool=gem", "no option 'pool'"),
        ("nosuch.thing:pca=8", "no encoder named"),
    ],
)
def test_what_is_refused_says_why(name, says):
    with pytest.raises(UserError, match=says):
        encoders.get(name)


def test_too_few_pictures_is_an_error_that_gives_the_most(rows):
    with pytest.raises(UserError, match="at most 10"):
        encoders.get("hsv.12x4x4:pca=16").fit(rows[:10])


def test_unfitted_and_foreign_fits_are_refused(rows, images):
    made = encoders.get("hsv.12x4x4:pca=16")
    with pytest.raises(UserError, match="fitted"):
        made.encode(images)
    with pytest.raises(UserError, match="shape"):
        made.with_fit(encoders.get("hsv.12x4x4:pca=8").fit(rows))
