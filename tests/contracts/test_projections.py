"""What every registered projection keeps: places that repeat, a place for what came later, honest
refusals, a faithful copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.errors import Cancelled, UserError
from core.projections.base import LEAST, Projection, projections
from core.registry import UnknownName

NAMES = projections.names()
GROUPS, EACH, DIM = 5, 30, 24
QUICK = {"umap": {"epochs": 120}, "aligned": {"epochs": 120}}


def grouped(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors in five well separated groups, and the group of each."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), EACH)
    vectors = 4 * np.eye(DIM)[group] + 0.3 * rng.standard_normal((len(group), DIM))
    return unit(vectors), group


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module", params=NAMES)
def fitted(request) -> Projection:
    made = projections.get(request.param)
    made.fit(grouped()[0], **QUICK.get(request.param, {}))
    return made


def test_the_known_ones_are_there():
    assert {"pca", "umap", "aligned", "tsne"} <= set(NAMES)
    with pytest.raises(UnknownName, match="umap"):
        projections.get("umpa")


def test_places_have_the_right_form(fitted):
    assert fitted.positions.shape == (GROUPS * EACH, 2)
    assert fitted.positions.dtype == np.float32
    assert fitted.title
    assert fitted.about
    assert fitted.reading


def test_same_vectors_same_map(fitted):
    again = projections.get(fitted.name).fit(grouped()[0], **QUICK.get(fitted.name, {}))
    np.testing.assert_array_equal(again, fitted.positions)


def test_neighbours_on_the_map_share_a_group(fitted):
    _, group = grouped()
    far = np.linalg.norm(fitted.positions[:, None] - fitted.positions[None], axis=2)
    np.fill_diagonal(far, np.inf)
    same = (group[far.argmin(axis=1)] == group).mean()
    assert same > (0.6 if fitted.name == "pca" else 0.95)  # two axes can't hold five groups apart


def test_a_fitted_vector_is_placed_near_its_own_dot(fitted):
    vectors, _ = grouped()
    placed = fitted.transform(vectors[::7])
    assert placed.shape == (len(vectors[::7]), 2)
    off = np.linalg.norm(placed - fitted.positions[::7], axis=1)
    assert np.median(off) < 0.1 * np.ptp(fitted.positions, axis=0).max()


def test_something_new_falls_into_its_group(fitted):
    new, group = grouped(seed=1)
    _, old = grouped()
    middle = np.array([fitted.positions[old == g].mean(axis=0) for g in range(GROUPS)])
    guess = np.linalg.norm(fitted.transform(new)[:, None] - middle[None], axis=2).argmin(axis=1)
    assert (guess == group).mean() > (0.6 if fitted.name == "pca" else 0.95)


def test_saved_and_loaded(fitted, tmp_path: Path):
    vectors, _ = grouped()
    fitted.save(tmp_path)
    assert not list(tmp_path.glob("*.pkl"))
    copy = projections.get(fitted.name)
    copy.load(tmp_path, vectors)
    np.testing.assert_array_equal(copy.positions, fitted.positions)
    np.testing.assert_allclose(
        copy.transform(vectors[:9]), fitted.transform(vectors[:9]), atol=1e-5
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("vectors", "why"),
    [
        (np.eye(3, 8, dtype=np.float32), "3 pictures: too few"),
        (np.ones((1, 8), np.float32), "is 1 picture"),
        (np.tile(unit(np.ones((1, 8))), (40, 1)), "all have the same vector"),
        (unit(np.eye(8)[np.arange(40) % 2]), "only two different"),
        (
            np.where(np.arange(320).reshape(40, 8) == 99, np.nan, 1.0).astype(np.float32),
            "picture number 13 holds NaN",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why(name, vectors, why):
    with pytest.raises(UserError, match=why):
        projections.get(name).fit(vectors)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [LEAST, LEAST + 1, 12])
def test_a_handful_can_be_drawn(name, count):
    vectors = unit(np.random.default_rng(count).standard_normal((count, 8)))
    assert np.ptp(projections.get(name).fit(vectors), axis=0).max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_copies_of_one_picture_do_not_break_a_map(name):
    vectors = np.concatenate([np.tile(grouped()[0][:1], (40, 1)), grouped()[0][::5]])
    assert np.isfinite(projections.get(name).fit(vectors, **QUICK.get(name, {}))).all()


@pytest.mark.parametrize("name", NAMES)
def test_progress_ends_and_stops(name):
    seen = []
    projections.get(name).fit(
        grouped()[0], lambda done, total: seen.append((done, total)) or True, **QUICK.get(name, {})
    )
    assert seen[-1][0] == seen[-1][1] > 0
    with pytest.raises(Cancelled):
        projections.get(name).fit(grouped()[0], lambda done, total: False)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_checked(name):
    made = projections.get(name)
    with pytest.raises(UserError, match="no parameter 'colour'"):
        made.fit(grouped()[0], colour=1)
    for key, setting in made.settings.items():
        assert setting.low <= setting.default <= setting.high
        assert setting.about
        with pytest.raises(UserError, match=key):
            made.fit(grouped()[0], **{key: setting.high + 1})
    assert made.fingerprint() == made.fingerprint(
        **{key: one.default for key, one in made.settings.items()}
    )


def test_a_query_that_fits_not_is_refused(fitted):
    with pytest.raises(UserError, match="dimensions"):
        fitted.transform(np.ones((1, DIM + 1), np.float32))
    with pytest.raises(UserError, match="NaN"):
        fitted.transform(np.full((1, DIM), np.nan, np.float32))
    with pytest.raises(UserError, match="before it was fitted"):
        projections.get(fitted.name).transform(np.ones((1, DIM), np.float32))
