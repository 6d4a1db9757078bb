"""The collision curve against simulation, and pictures against what the index does."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import UserError
from core.indexes import planes
from core.indexes.base import indexes
from core.services.embedding.bound import bound
from core.services.index_lab.buckets import buckets, in_bands, jaccard, meet
from tests.lab.conftest import ENCODER

QUERY = "mug-15-0"


@pytest.mark.parametrize("cosine", [-0.3, 0.2, 0.6, 0.9])
@pytest.mark.parametrize(("rows", "bands"), [(1, 1), (4, 4), (8, 2)])
def test_random_planes_meet_as_the_formula_says(cosine, rows, bands):
    rng, draws = np.random.default_rng(5), 20_000
    pair = np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    bits = np.einsum("vd,dnb->vnb", pair, rng.standard_normal((2, draws, rows * bands))) > 0
    met = in_bands(bits[0], bits[1], rows, bands).any(axis=-1).mean()
    assert met == pytest.approx(float(meet("lsh", np.array(cosine), rows, bands)), abs=0.015)


@pytest.mark.parametrize("shared", [2, 8, 14])
def test_minima_meet_as_the_formula_says(shared):
    """Real permutations of the union of two sets of 16: the minima agree as often as the sets
    overlap."""
    rng, draws, rows, bands = np.random.default_rng(6), 4000, 2, 3
    one, other = np.arange(16), np.arange(16 - shared, 32 - shared)
    ranks = rng.random((draws, rows * bands, 32)).argsort(axis=-1).argsort(axis=-1)
    minima = ranks[..., one].min(axis=-1), ranks[..., other].min(axis=-1)
    met = in_bands(*minima, rows, bands).any(axis=-1).mean()
    assert met == pytest.approx(
        float(meet("minhash", np.array(shared / (32 - shared)), rows, bands)), abs=0.025
    )


def test_jaccard_is_that_of_the_sets():
    rng = np.random.default_rng(7)
    one, other = rng.random((20, 12)) > 0.5, rng.random((20, 12)) > 0.5
    for a, b, value in zip(one, other, jaccard(one, other), strict=True):
        left, right = set(enumerate(a.tolist())), set(enumerate(b.tolist()))
        assert value == pytest.approx(len(left & right) / len(left | right))


def test_pairs_lie_beside_the_curve_together_because_they_share_a_draw(catalogue, monkeypatch):
    """As the page says: one draw bends all of them one way, the mean of many draws is the curve."""
    far = []
    for seed in range(1, 9):
        monkeypatch.setattr(planes, "SEED", seed)
        found = buckets(catalogue, ENCODER, "lsh", QUERY, bits=64, rows=8, hits=1)
        at, share, _ = map(np.array, zip(*found.measured, strict=True))
        far.append(share - meet("lsh", at, 8, 8))
    assert np.abs(np.mean(far, axis=0)).max() < 0.06
    assert max(min((one > 0).mean(), (one < 0).mean()) for one in far) < 0.5
    assert "share this draw" in found.about
    assert "have no bands" in found.search


def test_minhash_meets_whom_the_index_answers(catalogue):
    found = buckets(catalogue, ENCODER, "minhash", QUERY, bits=64, threshold=0.6, hits=10)
    known = bound(catalogue, ENCODER).vectors()
    index = indexes.get("minhash")
    index.build(np.asarray(known.vectors), hash_dim=64, num_perm=64, learned=0)
    at = known.ids.index(QUERY)
    answered = {
        known.ids[row]
        for row in index.search(np.asarray(known.vectors[at : at + 1]), 2720, threshold=0.6).ids[0]
        if row >= 0
    }
    assert {pair.id for pair in found.pairs if pair.met} == {
        pair.id for pair in found.pairs
    } & answered
    assert {pair.met for pair in found.pairs} == {True, False}
    assert (len(answered) - 1) / 2719 == pytest.approx(found.shares, abs=0.05)
    assert (found.bands, found.rows) == index.bands(0.6)


def test_lsh_bits_are_those_of_the_index(catalogue):
    found = buckets(catalogue, ENCODER, "lsh", QUERY, bits=64, rows=8, hits=5)
    index = indexes.get("hamming")
    known = bound(catalogue, ENCODER).vectors()
    index.build(np.asarray(known.vectors), bits=64, learned=0)
    at = known.ids.index(QUERY)
    hits = index.search(np.asarray(known.vectors[at : at + 1]), 2720, rerank=0)
    scores = {known.ids[row]: score for row, score in zip(hits.ids[0], hits.scores[0], strict=True)}
    for pair in found.pairs:
        assert 1 - 2 * (64 - pair.equal.sum()) / 64 == pytest.approx(scores[pair.id], abs=1e-6)
        np.testing.assert_array_equal(pair.bands, pair.equal.reshape(8, 8).all(axis=1))
        assert pair.met == pair.bands.any()
        assert pair.similarity == pytest.approx(pair.cosine)
    nearest = [pair.cosine for pair in found.pairs]
    assert nearest == sorted(nearest, reverse=True)
    assert sum(pairs for _, _, pairs in found.measured) > 10_000
    assert found.at_threshold == pytest.approx(
        float(np.interp(0.5, found.similarity, found.probability)), abs=1e-3
    )


def test_nonsense_is_refused(catalogue):
    for method, query, more in [
        ("simhash", QUERY, {}),
        ("lsh", "nobody", {}),
        ("lsh", QUERY, {"bits": 4}),
        ("lsh", QUERY, {"bits": 8, "rows": 9}),
        ("minhash", QUERY, {"bits": 1024}),
        ("minhash", QUERY, {"threshold": 1.0}),
        ("lsh", QUERY, {"hits": 0}),
    ]:
        with pytest.raises(UserError):
            buckets(catalogue, ENCODER, method, query, **more)
