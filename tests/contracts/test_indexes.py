"""What every registered index answers: the right rows, one rule of score and ties, for one query
and many, in flat memory."""

from __future__ import annotations

import resource
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.indexes.base import Knob, indexes
from tests.contracts.indexed import COSINE, EXACT, NAMES, brute, clustered, unit

RECALL = {"lsh": 0.6}
"""Recall@10 at default knobs that an approximate index must reach on the clustered set; 0.9 where
not said."""


def test_exact_search_is_listed_first():
    """Whatever was imported before: what is compared with stands over what is compared."""
    assert indexes.names()[0] == "exact"
    assert len(set(indexes.names())) == len(indexes.names())


@pytest.mark.parametrize("name", EXACT)
def test_exact_equals_the_definition(name, built, truth):
    queries, ids, scores = truth
    hits = built(name).search(queries, 10)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("name", [n for n in COSINE if n not in EXACT])
def test_approximate_finds_most(name, built, truth):
    queries, ids, _ = truth
    hits = built(name).search(queries, 10)
    recall = np.mean(
        [len(set(found) & set(right)) / 10 for found, right in zip(hits.ids, ids, strict=True)]
    )
    assert recall >= RECALL.get(name, 0.9), f"{name}: recall@10 = {recall:.3f}"


@pytest.mark.parametrize("name", COSINE)
def test_score_is_the_cosine_of_the_hit_best_first_ties_by_id(name, built, truth):
    queries = truth[0]
    hits = built(name).search(queries, 10)
    assert hits.ids.dtype == np.int64
    assert hits.scores.dtype == np.float32
    right = np.einsum(
        "qd,qkd->qk", queries.astype(np.float64), clustered()[hits.ids].astype(np.float64)
    )
    np.testing.assert_array_equal(hits.scores, right.astype(np.float32))
    same = hits.scores[:, 1:] == hits.scores[:, :-1]
    assert same.any(), "the set holds copies, so there are ties"
    assert (hits.ids[:, 1:] > hits.ids[:, :-1])[same].all()
    assert all(len(set(row)) == 10 for row in hits.ids), "no row twice"


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", EXACT)
def test_exact_with_many_copies_falls_by_id(name, data):
    seed = data.draw(st.integers(0, 2**20))
    n, dim, k = (
        data.draw(st.integers(1, 300)),
        data.draw(st.integers(1, 40)),
        data.draw(st.integers(1, 40)),
    )
    rng = np.random.default_rng(seed)
    kinds = unit(rng.standard_normal((data.draw(st.integers(1, 12)), dim)) + 1e-3)
    vectors, queries = kinds[rng.integers(0, len(kinds), n)], kinds[rng.integers(0, len(kinds), 3)]
    index = indexes.get(name)
    index.build(vectors)
    hits, (ids, scores) = index.search(queries, k), brute(vectors, queries, k)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("copies", [1, 3, 30])
@pytest.mark.parametrize("k", [2, 7, 40])
@pytest.mark.parametrize("name", ["sq8", "pq", "lsh", "ivf_pq", "factory:PCA16,SQ8"])
def test_codes_whose_candidates_are_all_compared_find_what_exact_does(name, k, copies):
    """Copies stand on both sides of the last hit, more of them than are fetched beyond it."""
    rng, index = np.random.default_rng(copies), indexes.get(name)
    vectors = np.repeat(clustered(1200 // copies), copies, axis=0)[rng.permutation(1200)]
    queries = unit(vectors[:30] + 0.02 * rng.standard_normal((30, vectors.shape[1])))
    index.build(vectors)
    ids, scores = brute(vectors, queries, k)
    every = {"rerank": 1000} | ({"nprobe": 64} if "nprobe" in index.search_knobs else {})
    for asked in (slice(None), slice(0, 1)):
        hits = index.search(queries[asked], k, **every)
        np.testing.assert_array_equal(hits.ids, ids[asked])
        np.testing.assert_array_equal(hits.scores, scores[asked])


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("order", ["copies", "rising", "falling"])
def test_exact_when_every_row_ties_or_the_best_come_last(name, order):
    angle = np.zeros(20_000) if order == "copies" else np.linspace(1.5, 0.0, 20_000)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    vectors = vectors[::-1] if order == "falling" else vectors
    index = indexes.get(name)
    index.build(vectors)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    ids, scores = brute(vectors, queries, 25)
    hits = index.search(queries, 25)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("name", EXACT)
def test_one_query_and_many_give_the_same_answer(name, built):
    queries = np.concatenate([clustered(1500, seed=5)] * 2)
    many = built(name).search(queries, 7)
    for row in (0, 1, 777, 1499, 2999):
        alone = built(name).search(queries[row : row + 1], 7)
        np.testing.assert_array_equal(alone.ids[0], many.ids[row])
        np.testing.assert_array_equal(alone.scores[0], many.scores[row])


@pytest.mark.parametrize("name", NAMES)
def test_fewer_rows_than_wanted_are_padded(name):
    index, vectors = indexes.get(name), clustered(300)
    knobs = {"nlist": 4} if "nlist" in index.build_knobs else {}
    index.build(vectors, **knobs)
    hits = index.search(vectors[:3], 310)
    assert hits.ids.shape == (3, 310)
    empty = hits.ids == -1
    assert empty[:, 300:].all()
    assert (hits.scores[empty] == -np.inf).all()
    assert np.isfinite(hits.scores[~empty]).all()
    if index.exact:
        assert not empty[:, :300].any()


def _rising(about: Knob) -> list:
    """Values worth trying, from the least effort to the most."""
    return sorted(about.values, key=lambda value: value * (about.more or 1))


@pytest.mark.parametrize("name", NAMES)
def test_every_value_worth_trying_is_allowed_and_more_effort_never_finds_less(name, built, truth):
    index, (queries, ids, scores) = built(name), truth

    def found_by(**knobs: float) -> float:
        """Share of the answers that are as similar as the exact tenth: of two copies either is
        right."""
        hits = index.search(queries, 10, **knobs)
        if index.score != "cosine":
            return float(np.isin(hits.ids, ids).mean())
        return float((hits.scores >= scores[:, -1:]).mean())

    for knob, about in index.search_knobs.items():
        found = [found_by(**{knob: value}) for value in _rising(about)]
        assert found[-1] >= found[0] or not about.more
    for knob, about in index.build_knobs.items():
        for value in about.values:
            about.check(knob, value)


@pytest.mark.parametrize("name", NAMES)
def test_sessions_share_one_index(name, built, truth):
    queries, right = truth[0], built(name).search(truth[0], 10)
    wrong = []

    def ask() -> None:
        for _ in range(5):
            if not np.array_equal(built(name).search(queries, 10).ids, right.ids):
                wrong.append(name)

    sessions = [threading.Thread(target=ask) for _ in range(4)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert not wrong


@pytest.mark.parametrize("name", EXACT)
def test_memory_of_a_search_is_flat(name):
    vectors = np.tile(clustered(1000, 8), (40, 1))
    index = indexes.get(name)
    index.build(vectors)
    index.search(vectors[:100], 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index.search(vectors[:4000], 10)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 300, (
        f"{grown:.0f} MB for scores that would take {4000 * 40_000 * 4 / 2**20:.0f} MB at once"
    )
