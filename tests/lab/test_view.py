"""Ghosts stand where they belong, extras are marked, and equals are no loss."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.services.embedding.bound import bound
from core.services.index_lab import view
from tests.lab.conftest import ENCODER

QUERIES = ("mug-15-0", "backpack-00-3", "sofa-14-2")


def true_order(catalogue, query: str) -> list[str]:
    """All other pictures by falling cosine, ties by row."""
    found = bound(catalogue, ENCODER).vectors()
    at = found.ids.index(query)
    scores = (
        np.asarray(found.vectors, np.float64) @ np.asarray(found.vectors[at], np.float64)
    ).astype(np.float32)
    return [found.ids[row] for row in np.lexsort((np.arange(len(scores)), -scores)) if row != at]


@pytest.mark.parametrize("query", QUERIES)
def test_ghosts_stand_where_they_belong(catalogue, query):
    right = true_order(catalogue, query)[:10]
    seen = view.query_view(catalogue, ENCODER, "lsh:bits=64", query, 10, {"rerank": 1})
    found = [one.id for one in seen.hits]
    assert [one.id for one in seen.exact] == right
    assert [one.id for one in seen.ghosts] == [id for id in right if id not in found]
    assert seen.ghosts
    assert all(right[one.true_rank - 1] == one.id for one in seen.exact)
    assert {one.state for one in seen.hits if one.id in right} <= {"found"}
    assert {one.state for one in seen.hits if one.id not in right} == {"extra"}
    assert [one.rank for one in seen.hits] == list(range(1, len(found) + 1))
    assert seen.recall == pytest.approx(1 - len(seen.ghosts) / 10)
    scores = [one.score for one in seen.merged]
    assert scores == sorted(scores, reverse=True)
    assert {one.id for one in seen.merged} == {*right, *found}
    assert query not in {one.id for one in seen.merged}
    assert seen.text == "lsh:bits=64,rerank=1"


def test_an_exact_index_loses_nothing(catalogue):
    seen = view.query_view(catalogue, ENCODER, "flat", QUERIES[0])
    assert seen.hits == seen.exact == seen.merged
    assert (seen.recall, seen.ghosts) == (1.0, ())
    assert 0 < seen.p50 <= seen.p95
    assert seen.hits[0].verdict in {"same", "category", "other"}


def test_equals_of_the_last_stand_in_for_one_another():
    exact = [(4, 0.9), (1, 0.5), (2, 0.5), (3, 0.5)]
    assert view._true(exact[:3], [(4, 0.9), (7, 0.5), (3, 0.5)], 3) == [
        (4, 0.9),
        (3, 0.5),
        (7, 0.5),
    ]
    assert view._true(exact[:3], [(7, 0.5), (9, 0.4)], 3) == [(4, 0.9), (1, 0.5), (7, 0.5)]
    assert view._true(exact[:2], [(1, 0.5)], 3) == exact[:2]


def test_nonsense_is_refused(catalogue):
    for index, query, k, knobs in [
        ("nothing", QUERIES[0], 10, {}),
        ("hnsw", "no such picture", 10, {}),
        ("hnsw", QUERIES[0], 0, {}),
        ("hnsw", QUERIES[0], 10, {"efSearch": 0}),
        ("hnsw", QUERIES[0], 10, {"bits": 8}),
    ]:
        with pytest.raises(UserError):
            view.query_view(catalogue, ENCODER, index, query, k, knobs)
