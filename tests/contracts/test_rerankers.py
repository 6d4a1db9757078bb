"""The same checks over every re-ranker."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.keypoints import KeyPoints, detect
from core.rerankers.base import NONE, Found, rerankers
from tests.contracts.indexed import clustered
from tests.encoders.conftest import smooth

NAMES = rerankers.names()
SCENES = [detect(smooth(160, 120, seed)) for seed in range(3)]


def found(count: int, seed: int = 0) -> Found:
    """A query and its ``count`` nearest of a clustered gallery, best first."""
    vectors = clustered()
    query = clustered(1, seed=seed)[0]
    cosines = vectors @ query
    rows = np.argsort(-cosines, kind="stable")[:count]
    return Found(
        query,
        rows,
        cosines[rows].astype(np.float32),
        vectors.__getitem__,
        lambda: SCENES[0],
        lambda rows: [SCENES[row % 3] for row in rows],
    )


def test_none_is_the_first_and_leaves_the_order():
    assert NAMES[0] == NONE
    asked = found(30)
    made = rerankers.get(NONE).rerank(asked)
    np.testing.assert_array_equal(made.order, np.arange(30))
    np.testing.assert_array_equal(made.scores, asked.cosines)


@pytest.mark.parametrize("name", NAMES)
def test_description_is_complete(name):
    made = rerankers.get(name)
    assert made.name == name
    assert made.title
    assert made.about.endswith(".")
    assert made.score
    assert made.sees in ("vectors", "key points")
    assert name == NONE or made.depth > 0
    assert json.loads(json.dumps(made.fingerprint()))["reranker"] == name


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40, 300])
@pytest.mark.parametrize("name", NAMES)
def test_hits_are_neither_added_nor_dropped_and_scores_fall(name, count):
    asked = found(count)
    rows = asked.rows.copy()
    made = rerankers.get(name).rerank(asked)
    assert sorted(made.order.tolist()) == list(range(count))
    assert made.scores.shape == (count,)
    assert made.scores.dtype == np.float32
    assert np.isfinite(made.scores).all()
    assert (np.diff(made.scores) <= 0).all()
    np.testing.assert_array_equal(asked.rows, rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_hits_get_the_same_order(name):
    first, second = (rerankers.get(name).rerank(found(60)) for _ in range(2))
    np.testing.assert_array_equal(first.order, second.order)
    np.testing.assert_array_equal(first.scores, second.scores)


@pytest.mark.parametrize("name", NAMES)
def test_equal_pictures_keep_their_order(name):
    """Hits that are copies of one picture can't be told apart: none may jump the queue."""
    query = clustered(1, seed=3)[0]
    copy = clustered(1, seed=4)
    asked = Found(
        query,
        np.arange(12),
        np.full(12, float(copy[0] @ query), np.float32),
        lambda rows: np.repeat(copy, len(rows), axis=0),
        lambda: SCENES[0],
        lambda rows: [SCENES[1]] * len(rows),
    )
    np.testing.assert_array_equal(rerankers.get(name).rerank(asked).order, np.arange(12))


@pytest.mark.parametrize("name", NAMES)
def test_vectors_that_point_away_from_the_query_break_nothing(name):
    asked = found(20)
    away = Found(
        -asked.query, asked.rows, -asked.cosines, asked.vectors, asked.query_points, asked.points
    )
    assert np.isfinite(rerankers.get(name).rerank(away).scores).all()


@pytest.mark.parametrize("name", [n for n in NAMES if rerankers.get(n).sees == "key points"])
def test_a_query_without_key_points_keeps_the_order_and_says_why(name):
    asked = found(5)
    nothing = KeyPoints(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8), (160, 120))
    plain = Found(
        asked.query, asked.rows, asked.cosines, asked.vectors, lambda: nothing, asked.points
    )
    made = rerankers.get(name).rerank(plain)
    np.testing.assert_array_equal(made.order, np.arange(5))
    assert "no key points" in made.note
    smooth_hits = Found(
        asked.query,
        asked.rows,
        asked.cosines,
        asked.vectors,
        asked.query_points,
        lambda rows: [nothing] * len(rows),
    )
    assert "No hit shares" in rerankers.get(name).rerank(smooth_hits).note
