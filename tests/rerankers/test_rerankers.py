"""Each re-ranker against values worked out by hand, or against its paper written out."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.keypoints import detect
from core.rerankers import alpha_expansion, k_reciprocal
from core.rerankers.base import Found, rerankers
from tests.contracts.indexed import clustered, unit
from tests.copied import examples
from tests.encoders.conftest import smooth


def found(query: np.ndarray, vectors: np.ndarray) -> Found:
    """The whole gallery, by cosine."""
    cosines = vectors @ query
    rows = np.argsort(-cosines, kind="stable")
    return Found(query, rows, cosines[rows], vectors.__getitem__, None, None)


def published(vectors: np.ndarray, k1: int, k2: int, share: float) -> np.ndarray:
    """Zhong et al.'s algorithm, step by step with loops and sets; the query is the first row."""
    count = len(vectors)
    plain = np.square(np.linalg.norm(vectors[:, None] - vectors[None], axis=2))
    plain = plain / plain.max(axis=0)[:, None]
    ranks = [sorted(range(count), key=lambda j, i=i: (j != i, plain[i, j])) for i in range(count)]

    def mutual(i: int, k: int) -> set[int]:
        return {j for j in ranks[i][: k + 1] if i in ranks[j][: k + 1]}

    weights = np.zeros((count, count))
    for i in range(count):
        own = mutual(i, k1)
        joined = set(own)
        for member in own:
            theirs = mutual(member, round(k1 / 2))
            if len(theirs & own) > 2 / 3 * len(theirs):
                joined |= theirs
        total = sum(np.exp(-plain[i, j]) for j in joined)
        for j in joined:
            weights[i, j] = np.exp(-plain[i, j]) / total
    if k2 > 1:
        weights = np.stack([weights[ranks[i][:k2]].mean(axis=0) for i in range(count)])
    made = []
    for j in range(1, count):
        shared = sum(min(weights[0, m], weights[j, m]) for m in range(count))
        made.append((1 - share) * (1 - shared / (2 - shared)) + share * plain[0, j])
    return np.array(made)


@pytest.mark.parametrize(("k1", "k2", "share"), [(20, 6, 0.3), (6, 3, 0.3), (5, 1, 0.0), (8, 2, 1)])
def test_k_reciprocal_is_the_published_algorithm(k1, k2, share):
    vectors = clustered(70, seed=5)
    mine = k_reciprocal.distances(vectors, k1, k2, share)
    np.testing.assert_allclose(mine, published(vectors.astype(float), k1, k2, share), atol=1e-6)


def test_k_reciprocal_by_hand():
    """Four pictures on a circle at 0 (the query), 10, 20 and 90 degrees; k1 = 1, k2 = 1.

    The nearest of the query is the one at 10 degrees; of that one, both neighbours are as near, and
    the query comes first. So these two are mutual and have the same set; the one at 20 degrees is
    alone with itself, as is the one at 90.
    """
    angles = np.deg2rad([0, 10, 20, 90])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    d01 = 2 - 2 * np.cos(np.deg2rad(10))
    own, other = 1.0, np.exp(-d01 / 2)  # the query's farthest is at 90 degrees: squared distance 2
    farthest = 2 - 2 * np.cos(np.deg2rad(80))  # that of the one at 10 degrees
    back = np.exp(-d01 / farthest)
    mine, theirs = (np.array([own, other]) / (own + other), np.array([back, own]) / (own + back))
    shared = np.minimum(mine, theirs).sum()
    expected = [1 - shared / (2 - shared), 1.0, 1.0]
    np.testing.assert_allclose(k_reciprocal.distances(vectors, 1, 1, 0.0), expected, atol=1e-6)


def test_k_reciprocal_raises_a_hit_of_the_querys_crowd_above_a_nearer_stranger():
    """A ring of pictures around the query, and a stranger with a crowd of its own a little nearer
    than the far side of the ring."""
    rng = np.random.default_rng(0)
    axis = np.eye(8, dtype=np.float32)
    crowd = unit(axis[0] + 0.25 * rng.standard_normal((12, 8)))
    strangers = unit(0.9 * axis[0] + 0.75 * axis[7] + 0.02 * rng.standard_normal((12, 8)))
    query = crowd[0]
    asked = found(query, np.concatenate([crowd[1:], strangers]))
    before = (asked.rows[:11] < 11).sum()
    made = rerankers.get("k-reciprocal").rerank(asked)
    assert before < 11
    assert (asked.rows[made.order[:11]] < 11).sum() > before


def test_alpha_query_expansion_by_hand():
    """Hits at cosines 0.8 and -0.6: the first weighs 0.512, the other nothing."""
    query = np.array([1, 0], np.float32)
    vectors = np.array([[0.8, 0.6], [-0.6, 0.8]], np.float32)
    moved = alpha_expansion.expanded(query, vectors, np.array([0.8, -0.6], np.float32))
    total = np.array([1 + 0.512 * 0.8, 0.512 * 0.6])
    np.testing.assert_allclose(moved, total / np.hypot(*total), atol=1e-7)
    np.testing.assert_allclose(
        alpha_expansion.expanded(query, vectors[:1], np.array([0.8]), alpha=0),
        np.array([1.8, 0.6]) / np.hypot(1.8, 0.6),
        atol=1e-7,
    )
    made = rerankers.get("alpha-qe").rerank(found(query, vectors))
    np.testing.assert_allclose(made.scores, vectors @ (total / np.hypot(*total)), atol=1e-6)


def test_only_the_first_ten_move_the_query():
    vectors = clustered(40, seed=2)
    asked = found(clustered(1, seed=9)[0], vectors)
    ten = asked.rows[:10]
    weights = np.maximum(asked.cosines[:10], 0) ** 3
    moved = asked.query + weights @ vectors[ten]
    expected = np.sort(vectors[asked.rows] @ (moved / np.linalg.norm(moved)))[::-1]
    np.testing.assert_allclose(rerankers.get("alpha-qe").rerank(asked).scores, expected, atol=1e-5)


def test_diffusion_follows_a_chain_that_cosine_loses():
    """Pictures each 3 degrees from the next lead 87 degrees away from the query; a crowd stands at
    60 degrees to the other side. Weight arrives along the chain, and not in the crowd."""
    steps = np.deg2rad(np.arange(0, 90, 3))
    chain = np.stack([np.cos(steps), np.sin(steps), 0 * steps], axis=1)
    crowd = np.array([0.5, 0, 0.75**0.5]) + 0.02 * np.random.default_rng(1).standard_normal((80, 3))
    asked = found(
        chain[0].astype(np.float32), np.concatenate([chain[1:], unit(crowd)]).astype(np.float32)
    )
    assert (asked.rows[:29] >= 29).any()
    made = rerankers.get("diffusion").rerank(asked)
    assert set(asked.rows[made.order[:29]].tolist()) == set(range(29))


def test_diffusion_alone_with_itself_is_the_cosine():
    """Without links nothing flows: the scores are the cosines' third powers, in their order."""
    query = np.array([1, 0, 0], np.float32)
    vectors = np.array([[0.8, 0.6, 0]], np.float32)
    made = rerankers.get("diffusion").rerank(found(query, vectors))
    np.testing.assert_allclose(made.scores, [0.8**3], rtol=1e-3)


def test_geometric_verification_puts_the_same_scene_first():
    scene = smooth(256, 192, 3)
    turn = cv2.getRotationMatrix2D((128, 96), 25, 0.9)
    view = cv2.warpAffine(scene, turn, (256, 192), borderValue=(128, 128, 128))
    pictures = [detect(smooth(256, 192, seed)) for seed in (40, 41, 42)] + [detect(view)]
    asked = Found(
        np.ones(4, np.float32) / 2,
        np.arange(4),
        np.array([0.9, 0.8, 0.7, 0.1], np.float32),
        None,
        lambda: detect(scene),
        lambda rows: [pictures[row] for row in rows],
    )
    made = rerankers.get("geometric").rerank(asked)
    assert made.order.tolist() == [3, 0, 1, 2]
    assert made.scores[0] >= 30
    assert made.scores[1:].tolist() == [0, 0, 0]
    assert made.note == ""


def test_the_example_of_the_docs_is_a_reranker():
    """Two near pictures pull the mean to their side, so the third falls behind the fourth."""
    angles = np.radians([0, 20, 22, -23, 30])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    names = rerankers.names()
    try:
        exec(compile(examples("reranking.md")[0], "reranking.md", "exec"), {"__name__": "centroid"})
        asked = found(vectors[0], vectors[1:])
        made = rerankers.get("centroid").rerank(asked)
    finally:
        rerankers._makers.pop("centroid", None)
    assert asked.rows.tolist() == [0, 1, 2, 3]
    assert made.order.tolist() == [0, 1, 3, 2]
    assert rerankers.names() == names
