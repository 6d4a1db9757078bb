"""Filters: only what is allowed, as many as there are, by the same rule of score and ties; bad ones
refused."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.indexes.base import indexes
from tests.contracts.indexed import COSINE, EXACT, NAMES, N, brute, clustered

MASKS = {"half": 2, "twentieth": 20, "one": N}
RECALL = {"lsh": 0.5}


def every(step: int) -> np.ndarray:
    """bool (N,): True at 3, 3 + step, ..."""
    return np.arange(N) % step == 3


def allowed_truth(queries: np.ndarray, mask: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.flatnonzero(mask)
    ids, scores = brute(clustered()[rows], queries, k)
    return np.where(ids >= 0, rows[ids], -1), scores


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mask", MASKS)
def test_only_allowed_rows_are_answered(name, mask, built, truth):
    mask = every(MASKS[mask])
    hits = built(name).search(truth[0], 10, allowed=mask)
    assert mask[hits.ids[hits.ids >= 0]].all()
    assert (hits.scores[hits.ids < 0] == -np.inf).all()
    if not built(name).partial:
        assert ((hits.ids >= 0).sum(axis=1) == min(10, mask.sum())).all(), "as many as there are"


@pytest.mark.parametrize("name", COSINE)
def test_filtered_answers_are_those_of_a_full_comparison(name, built, truth):
    """Few allowed rows are all compared, so that every index is right there; with many,
    approximation shows in losses."""
    queries, mask = truth[0], every(20)
    ids, scores = allowed_truth(queries, mask, 10)
    if not built(name).partial:
        few = built(name).search(queries, 10, allowed=mask)
        np.testing.assert_array_equal(few.ids, ids)
        np.testing.assert_array_equal(few.scores, scores)
    many = np.arange(N) % 7 > 0
    ids, scores = allowed_truth(queries, many, 10)
    hits = built(name).search(queries, 10, allowed=many)
    assert np.isin(hits.scores, scores).mean() >= (1.0 if name in EXACT else RECALL.get(name, 0.85))


@pytest.mark.parametrize("name", NAMES)
def test_filters_work_inside_the_search_too(name, built, truth, monkeypatch):
    """As in a gallery so large that the allowed rows are not simply compared one by one."""
    monkeypatch.setattr("core.indexes.base.FEW", 0)
    queries, mask = truth[0], every(7)
    hits = built(name).search(queries, 10, allowed=mask)
    assert mask[hits.ids[hits.ids >= 0]].all()
    assert (hits.ids >= 0).all() or built(name).partial
    if name in COSINE:
        _, scores = allowed_truth(queries, mask, 10)
        assert np.isin(hits.scores, scores).mean() >= (
            1.0 if name in EXACT else RECALL.get(name, 0.85)
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_that_allows_nothing_or_everything(name, built, truth):
    nothing = built(name).search(truth[0], 4, allowed=np.zeros(N, bool))
    assert (nothing.ids == -1).all()
    everything, plain = (
        built(name).search(truth[0], 4, allowed=np.ones(N, bool)),
        built(name).search(truth[0], 4),
    )
    np.testing.assert_array_equal(everything.ids, plain.ids)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "mask", [np.ones(N - 1, bool), np.ones(N, int), np.ones((N, 1), bool), [True], "all"]
)
def test_wrong_filters_are_refused(name, mask, built, truth):
    with pytest.raises(UserError, match="filter"):
        built(name).search(truth[0], 4, allowed=mask)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_that_are_read_only_are_taken_as_memory_maps_are(name, truth):
    vectors, queries = clustered(600), truth[0].copy()
    vectors.setflags(write=False)
    queries.setflags(write=False)
    index = indexes.get(name)
    index.build(vectors)
    assert index.search(queries, 3).ids.shape == (len(queries), 3)
