"""Intervals and tests against SciPy's, against what is known, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.metrics import statistics


@pytest.mark.parametrize("kind", ["normal", "skewed", "binary"])
def test_interval_equals_scipys_bca(kind):
    rng = np.random.default_rng(1)
    scores = {
        "normal": rng.normal(0.5, 0.1, 120),
        "skewed": rng.beta(0.4, 2, 120),
        "binary": (rng.random(120) < 0.9) * 1.0,
    }[kind]
    low, high = statistics.interval(scores, resamples=20_000)
    theirs = stats.bootstrap(
        (scores,),
        np.mean,
        n_resamples=20_000,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(2),
    )
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert low[0] == pytest.approx(theirs.confidence_interval.low, abs=0.04 * width)
    assert high[0] == pytest.approx(theirs.confidence_interval.high, abs=0.04 * width)


def test_clusters_of_one_query_change_nothing():
    scores = np.random.default_rng(0).random(50)
    assert statistics.interval(scores) == statistics.interval(scores, np.arange(50))


def simulated(
    rng: np.random.Generator, clusters: int, size: int, between: float, within: float
) -> tuple:
    """Scores around 0.5 with a part that queries of one cluster share."""
    which = np.repeat(np.arange(clusters), size)
    return (
        0.5 + rng.normal(0, between, clusters)[which] + rng.normal(0, within, clusters * size),
        which,
    )


def test_interval_holds_the_truth_as_often_as_it_says():
    """95 % nominal; with clusters ignored it would be about 55 %: the test would notice."""
    rng = np.random.default_rng(3)
    hit, blind, runs = 0, 0, 300
    for _ in range(runs):
        scores, which = simulated(rng, 40, 8, 0.1, 0.1)
        low, high = statistics.interval(scores, which, resamples=400)
        hit += low[0] <= 0.5 <= high[0]
        low, high = statistics.interval(scores, None, resamples=400)
        blind += low[0] <= 0.5 <= high[0]
    assert 0.905 <= hit / runs <= 0.98
    assert blind / runs < 0.75


def test_one_cluster_is_no_evidence():
    low, high = statistics.interval(np.random.default_rng(0).random(20), np.zeros(20))
    assert (low[0], high[0]) == (-np.inf, np.inf)


def test_equal_scores_have_an_interval_of_no_width():
    low, high = statistics.interval(np.full(30, 0.25))
    assert low[0] == high[0] == 0.25


def test_seeds_are_fixed():
    scores = np.random.default_rng(0).random((60, 3))
    for _ in range(2):
        np.testing.assert_array_equal(statistics.interval(scores), statistics.interval(scores))
        np.testing.assert_array_equal(
            statistics.paired_p_values(scores), statistics.paired_p_values(scores)
        )


@pytest.mark.parametrize(("count", "shift"), [(9, 0.05), (12, 0.02), (60, 0.02), (200, 0.0)])
def test_p_values_equal_scipys_permutation_test(count, shift):
    rng = np.random.default_rng(4)
    one = rng.random(count)
    other = one + rng.normal(shift, 0.1, count)
    mine = statistics.paired_p_values(np.stack([one, other], axis=1), flips=20_000)[0, 1]
    theirs = stats.permutation_test(
        (one, other),
        lambda a, b, axis=0: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if count <= statistics.EXACT_UP_TO else 20_000,
        rng=np.random.default_rng(5),
    ).pvalue
    assert mine == pytest.approx(theirs, abs=1e-12 if count <= statistics.EXACT_UP_TO else 0.015)


def test_no_difference_is_called_one_as_rarely_as_promised():
    rng = np.random.default_rng(6)
    wrong, runs = 0, 300
    for _ in range(runs):
        shared, which = simulated(rng, 30, 5, 0.1, 0.05)
        other, _ = simulated(rng, 30, 5, 0.1, 0.05)
        wrong += (
            statistics.paired_p_values(np.stack([shared, other], axis=1), which, flips=400)[0, 1]
            < 0.05
        )
    assert 0.02 <= wrong / runs <= 0.085


def test_power_is_what_the_smallest_difference_promises():
    rng = np.random.default_rng(7)
    base, which = simulated(rng, 80, 6, 0.0, 0.05)
    noise, _ = simulated(rng, 80, 6, 0.08, 0.1)
    step = statistics.smallest_difference(base + noise, base, which)
    found, runs = 0, 200
    for _ in range(runs):
        noise, _ = simulated(rng, 80, 6, 0.08, 0.1)
        found += (
            statistics.paired_p_values(
                np.stack([noise - 0.5 + step, 0 * base], axis=1), which, flips=400
            )[0, 1]
            < 0.05
        )
    assert 0.68 <= found / runs <= 0.92


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(deadline=None)
def test_holm_by_its_definition(values):
    p = np.array(values)
    got = statistics.holm_list(p)
    order = np.argsort(p, kind="stable")
    running = 0.0
    for place, at in enumerate(order):
        running = max(running, min(1.0, p[at] * (len(p) - place)))
        assert got[at] == pytest.approx(running)
    assert (got >= p - 1e-15).all()


def test_a_worked_holm():
    np.testing.assert_allclose(
        statistics.holm_list(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06]
    )


def test_ranks_are_shared_where_nothing_is_certain():
    means = np.array([0.5, 0.9, 0.85, 0.2])
    p = np.ones((4, 4))
    for a, b in ((0, 1), (0, 3), (1, 3), (2, 3)):
        p[a, b] = p[b, a] = 0.001
    assert statistics.shared_ranks(means, p).tolist() == [2, 1, 1, 4]


def test_three_encoders_one_better():
    rng = np.random.default_rng(8)
    base = rng.random(400)
    scores = np.stack(
        [base, base + rng.normal(0, 0.05, 400), base + 0.1 + rng.normal(0, 0.05, 400)], axis=1
    )
    adjusted = statistics.holm(statistics.paired_p_values(scores))
    np.testing.assert_array_equal(adjusted, adjusted.T)
    assert statistics.shared_ranks(scores.mean(axis=0), adjusted).tolist() == [2, 2, 1]


def test_unjudged_queries_have_to_be_left_out():
    with pytest.raises(ValueError, match="judged"):
        statistics.interval(np.array([0.1, np.nan]))
