"""Map quality against scikit-learn, by definition, and on maps that are known to be good or bad."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from core.errors import Cancelled
from core.neighbours import rows_without_own
from core.projections import quality
from core.projections.base import in_space, on_map
from core.projections.quality import measure


def cloud(n: int = 400, dim: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors and a poor map of them: two of their coordinates."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((n, dim))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return vectors, vectors[:, :2].copy()


@pytest.mark.parametrize("k", [1, 5, 10, 40])
def test_trustworthiness_is_scikit_learns(k):
    vectors, positions = cloud()
    found = measure(vectors, positions, k)
    assert found.trustworthiness == pytest.approx(
        trustworthiness(vectors, positions, n_neighbors=k), abs=2e-5
    )
    assert found.mean_continuity == pytest.approx(
        trustworthiness(positions, vectors, n_neighbors=k), abs=2e-5
    )
    assert found.measured == 400


def test_a_perfect_map_is_trusted_everywhere():
    angle = np.random.default_rng(1).uniform(0, 1.5, 300)
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    found = measure(vectors, vectors.copy(), 8)
    assert found.trust.min() > 0.999
    assert found.continuity.min() > 0.999
    assert found.kept.min() > 0.8  # float32 ties aside


def test_a_shuffled_map_is_not():
    vectors, _ = cloud(1000)
    found = measure(vectors, np.random.default_rng(3).uniform(size=(1000, 2)).astype(np.float32))
    assert 0.4 < found.trustworthiness < 0.6
    assert found.kept.mean() < 0.05


def test_one_misplaced_point_is_the_least_trusted():
    angle = np.linspace(0, 1.5, 200)
    vectors = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    positions = vectors.copy()
    positions[0] = positions[150] + 1e-4
    found = measure(vectors, positions, 5)
    assert found.trust.argmin() == 0
    assert found.continuity.argmin() == 0


def test_a_sample_is_close_to_all_of_it_and_says_its_size():
    vectors, positions = cloud(1500)
    whole, part = (
        measure(vectors, positions),
        measure(vectors, positions, all_up_to=1000, sample=600),
    )
    assert part.measured == 600
    assert np.isnan(part.trust).sum() == 900
    assert not np.isnan(part.kept).any()
    assert part.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)
    shown = ~np.isnan(part.trust)
    np.testing.assert_allclose(part.trust[shown], whole.trust[shown], atol=1e-5)


def test_kept_is_the_share_of_common_neighbours():
    vectors, positions = cloud(120)
    found = measure(vectors, positions, 6)
    space = (vectors @ vectors.T) - 9 * np.eye(120)
    plane = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 9 * np.eye(120)
    for row in (0, 57, 119):
        common = set(np.argsort(-space[row])[:6]) & set(np.argsort(plane[row])[:6])
        assert found.kept[row] == pytest.approx(len(common) / 6)


def test_judging_can_be_stopped():
    with pytest.raises(Cancelled):
        measure(*cloud(), progress=lambda done, total: False)


def test_a_row_is_at_distance_0_from_itself_whatever_float32_makes_of_its_length():
    """UMAP measures from the first distance above 0: one of rounding alone would take the place of
    the nearest neighbour's."""
    vectors, _ = cloud(500, 64)
    rows, distances = in_space(vectors, vectors, 4, own=True)
    np.testing.assert_array_equal(rows[:, 0], np.arange(500))
    assert (distances[:, 0] == 0).all()
    assert (distances[:, 1] > 0.1).all()


def test_copies_keep_a_row_out_of_its_own_neighbours():
    vectors = np.tile(cloud(1)[0], (30, 1))
    rows, _ = in_space(vectors, vectors, 6, own=True)
    others = rows_without_own(rows, np.arange(30), 5)
    assert others.shape == (30, 5)
    assert not (others == np.arange(30)[:, None]).any()
    same = rows_without_own(on_map(np.zeros((30, 2)), np.zeros((30, 2)), 6), np.arange(30), 5)
    assert not (same == np.arange(30)[:, None]).any()


def test_clusters_are_found_ordered_and_compared():
    rng = np.random.default_rng(0)
    positions = np.concatenate(
        [rng.normal((10 * g, 0), 0.3, (30 + 20 * g, 2)) for g in range(3)]
    ).astype(np.float32)
    labels = [f"c{g}" for g in range(3) for _ in range(30 + 20 * g)]
    found = quality.find(positions)
    assert set(found) - {-1} == {0, 1, 2}
    assert (found[-70:] == 0).mean() > 0.9  # the largest is number 0
    agreed = quality.against_labels(found, labels)
    assert agreed.rand > 0.95
    assert agreed.information > 0.95
    shuffled = quality.against_labels(found, list(rng.permutation(labels)))
    assert abs(shuffled.rand) < 0.1
    assert quality.against_labels(found, [None] * len(labels)) is None


def test_a_medoid_is_the_most_typical_by_definition():
    vectors, _ = cloud(90)
    group = np.repeat([0, 1, 2], 30)
    group[::10] = -1
    for number, row in enumerate(quality.medoids(vectors, group)):
        own = np.flatnonzero(group == number)
        assert row == own[(1 - vectors[own] @ vectors[own].T).sum(axis=1).argmin()]
    assert len(quality.medoids(vectors, np.full(90, -1))) == 0
