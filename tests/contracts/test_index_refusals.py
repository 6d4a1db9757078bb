"""What every registered index refuses, and how it says so: bad vectors, bad knobs, too few rows;
and how a build is stopped."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.errors import Cancelled, UserError
from core.indexes import planes
from core.indexes.base import indexes
from core.registry import UnknownName
from tests.contracts.indexed import NAMES, N, clustered

TRAINING = {"pq": 256, "ivf_pq": 256}
"""Vectors that training takes, where it is known beforehand."""


@pytest.mark.parametrize("name", NAMES)
def test_one_vector_is_indexed_or_the_number_needed_is_said(name):
    index = indexes.get(name)
    try:
        index.build(clustered(1))
    except UserError as error:
        needed = int(re.search(r"needs ([\d,]+)\.", str(error))[1].replace(",", ""))
        assert needed == TRAINING.get(name, needed)
        index.build(clustered(needed))
        return
    assert name not in TRAINING
    assert index.search(clustered(1), 2).ids.tolist() == [[0, -1]]


@pytest.mark.parametrize(
    "name", ["pq", "ivf_pq", "ivf_flat", "factory:IVF64,PQ2x4fs", "factory:OPQ2_4,PQ2"]
)
def test_a_small_gallery_is_trained_on_without_a_word(name, capfd):
    """faiss wants 39 vectors for each centroid and prints so; the least that works is checked
    before, in our words."""
    indexes.get(name).build(np.ascontiguousarray(clustered(300)[:, :8]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", NAMES)
def test_refusals_are_for_people_and_leave_the_index_usable(name, built):
    with pytest.raises(UserError, match="before it was built"):
        indexes.get(name).search(clustered(1), 1)
    index, good = built(name), clustered(2)
    bad = good.copy()
    bad[1, 3] = np.nan
    refused = [
        lambda: index.search(good[:, :-1], 3),
        lambda: index.search(good[0], 3),
        lambda: index.search(good[:0], 3),
        lambda: index.search(bad, 3),
        lambda: index.search(bad * np.inf, 3),
        lambda: index.search(good, 0),
        lambda: index.search(good, 10**9),
        lambda: index.search(good, 3, knob_that_nobody_has=1),
        lambda: indexes.get(name).build(np.zeros((0, 4), np.float32)),
        lambda: indexes.get(name).build(bad),
        lambda: indexes.get(name).build(good, knob_that_nobody_has=1),
        lambda: index.fingerprint(knob_that_nobody_has=1),
    ]
    for call in refused:
        with pytest.raises(UserError):
            call()
    assert index.search(good[:1], 1).ids.shape == (1, 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-5, 1e12, "abc", None, float("nan"), True, 1.5, [1]])
def test_forged_knob_values_are_refused(name, value, built):
    index = built(name)
    for knob in index.search_knobs:
        with pytest.raises(UserError, match="from"):
            index.search(clustered(1), 1, **{knob: value})
    for knob in index.build_knobs:
        with pytest.raises(UserError, match="from"):
            index.fingerprint(**{knob: value})


@pytest.mark.parametrize("name", NAMES)
def test_build_knobs_are_causes_and_search_knobs_are_not(name):
    index = indexes.get(name)
    for knob, about in index.build_knobs.items():
        other = next(v for v in about.values if v != about.default)
        assert index.fingerprint(**{knob: other}) != index.fingerprint()
        assert index.fingerprint(**{knob: about.default}) == index.fingerprint()
    for knob in index.search_knobs:
        with pytest.raises(UserError):
            index.fingerprint(**{knob: index.search_knobs[knob].default})


@pytest.mark.parametrize("name", NAMES)
def test_build_reports_and_stops(name):
    seen = []
    index = indexes.get(name)
    index.build(clustered(), lambda done, total: seen.append((done, total)) or True)
    assert all(0 <= done <= total == N for done, total in seen)
    if seen:
        assert seen[-1] == (N, N)
        with pytest.raises(Cancelled):
            indexes.get(name).build(clustered(), lambda done, total: False)
        with pytest.raises(Cancelled):
            index.build(clustered(), lambda done, total: False)
        with pytest.raises(UserError, match="before it was built"):
            index.search(clustered(1), 1)


@pytest.mark.parametrize(
    ("name", "knobs"), [("hamming", {"bits": 64}), ("minhash", {"hash_dim": 64, "learned": 1})]
)
def test_planes_that_are_learned_can_be_stopped_meanwhile(name, knobs, monkeypatch):
    asked, rotated = [], []
    svd = np.linalg.svd
    monkeypatch.setattr(
        planes.np.linalg, "svd", lambda *given, **more: rotated.append(1) or svd(*given, **more)
    )
    with pytest.raises(Cancelled):
        indexes.get(name).build(
            clustered(), lambda done, total: asked.append((done, total)) or len(asked) < 5, **knobs
        )
    assert len(rotated) < 6, "of the fifty steps of a rotation"
    assert set(asked) == {(0, N)}


def test_unknown_index_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownName, match="flat"):
        indexes.get("flatt")


def test_product_quantisation_says_which_parts_fit():
    with pytest.raises(UserError, match="These do: 1, 2, 4"):
        indexes.get("pq").build(clustered(300), m=7)
