"""Fusion, by values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from core import fusion
from core.errors import UserError

RANKS = np.array([[1, 2, 3, 0], [2, 0, 1, 3]])
"""Pictures a, b, c, d in two lists: a b c, and c a d."""
SCORES = np.array([[1.0, 0.5, 0.25, 9.0], [0.6, 9.0, 0.8, 0.2]])
"""9: of a picture that the list does not hold; it may not count."""
EQUAL = np.array([0.5, 0.5])


def test_reciprocal_rank_fusion_by_hand():
    expected = [0.5 / 61 + 0.5 / 62, 0.5 / 62, 0.5 / 63 + 0.5 / 61, 0.5 / 63]
    np.testing.assert_allclose(fusion.rrf(RANKS, SCORES, EQUAL), expected, rtol=1e-12)
    one = fusion.rrf(RANKS, SCORES, np.array([0.0, 1.0]))
    np.testing.assert_allclose(one, [1 / 62, 0, 1 / 61, 1 / 63], rtol=1e-12)


def test_comb_sum_by_hand():
    found = fusion.comb_sum(RANKS, SCORES, EQUAL)
    np.testing.assert_allclose(found, [0.8, 0.25, 0.525, 0.1], rtol=1e-12)
    found = fusion.comb_sum(RANKS, SCORES, np.array([0.75, 0.25]))
    np.testing.assert_allclose(found, [0.9, 0.375, 0.3875, 0.05], rtol=1e-12)


def test_comb_mnz_by_hand():
    found = fusion.comb_mnz(RANKS, SCORES, EQUAL)
    np.testing.assert_allclose(found, [1.6, 0.25, 1.05, 0.1], rtol=1e-12)
    found = fusion.comb_mnz(RANKS, SCORES, np.array([1.0, 0.0]))
    np.testing.assert_allclose(found, [1.0, 0.5, 0.25, 0.0], rtol=1e-12)


RANX = {
    "rrf": [0.03252247488101534, 0.016129032258064516, 0.032266458495966696, 0.015873015873015872],
    "combsum": [1.6, 0.5, 1.05, 0.2],
    "combmnz": [3.2, 0.5, 2.1, 0.2],
}
"""What ranx 0.3.21 makes of these lists (rrf with k = 60, sum and mnz, none of them normed)."""


@pytest.mark.parametrize("name", RANX)
def test_values_are_those_of_ranx(name):
    found = fusion.method(name)(RANKS, SCORES, EQUAL)
    np.testing.assert_allclose(found / EQUAL[0], RANX[name], rtol=1e-12)


@pytest.mark.parametrize("name", fusion.METHODS)
def test_a_picture_that_leads_every_list_leads_the_fused_one(name):
    ranks = np.tile(np.arange(1, 9), (3, 1))
    scores = np.linspace(1, 0.1, 8)[None].repeat(3, axis=0)
    fused = fusion.method(name)(ranks, scores, fusion.shares([3, 1, 2], 3))
    assert (np.diff(fused) < 0).all()


def test_weights_are_scaled_to_one_and_equal_where_none_are_given():
    np.testing.assert_allclose(fusion.shares([], 4), np.full(4, 0.25))
    np.testing.assert_allclose(fusion.shares([1, 3], 2), [0.25, 0.75])


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([0, 0], "sum to zero"),
        ([1, -1], "below zero"),
        ([1, float("nan")], "no number"),
        ([1], "1 weights were given for 2"),
    ],
)
def test_weights_that_say_nothing_are_refused(weights, said):
    with pytest.raises(UserError, match=said):
        fusion.shares(weights, 2)


def test_an_unknown_fusion_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match="rrf, combsum, combmnz"):
        fusion.method("borda")
