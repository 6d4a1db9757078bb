"""The audit's definitions against the values that each library produced, against our own metrics,
and against packages."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UserError
from core.metrics import definitions, table
from core.metrics.definitions import List
from core.metrics.ranked import rank
from core.services.embedding.build import build
from core.services.evaluation import audit
from core.services.library import library

# R, hits -> AP@10 of trec_eval and ranx, OML map@10, MAP@R, revisitop AP, nDCG@10 of trec_eval
HAND = {
    (4, (1, 3, 6)): (0.5417, 0.7222, 0.4167, 0.5083, 0.7246),
    (10, (1,)): (0.10, 1.00, 0.10, 0.10, 0.2201),
    (1, (2,)): (0.50, 0.50, 0.00, 0.25, 0.6309),
    (3, (1, 2, 3)): (1.0, 1.0, 1.0, 1.0, 1.0),
}
NAMED = ("AP@K, divided by R", "AP@K, divided by hits found", "MAP@R", "AP, trapezoid", "nDCG@K")
OURS = {
    "AP": "mAP",
    "AP@K, divided by R": "mAP@{k}",
    "MAP@R": "MAP@R",
    "AP, trapezoid": "revisited-AP",
    "Precision@K": "precision@{k}",
    "Recall@K (retrieval)": "recall@{k}",
    "Recall@K (metric learning), CMC@K": "hit@{k}",
    "R-precision": "R-precision",
    "Reciprocal rank": "MRR",
    "nDCG@K": "nDCG@{k}",
}


def values(made: List, k: int = 10) -> dict[str, float]:
    return {definition.name: value for definition, value, _ in definitions.audit(made, k)}


@pytest.mark.parametrize("key", HAND)
def test_hand_checked_lists(key):
    found, hits = key
    got = values(List(hits, found, 20))
    assert [round(got[name], 4) for name in NAMED] == list(HAND[key])


@st.composite
def lists(draw) -> List:
    length = draw(st.integers(1, 60))
    hits = draw(st.sets(st.integers(1, length), min_size=0, max_size=length))
    extra = draw(st.integers(0, 5))
    return List(tuple(sorted(hits)), max(1, len(hits) + extra), length)


@given(lists(), st.integers(1, 80))
@settings(max_examples=150, deadline=None)
def test_equal_to_our_vectorised_metrics(made: List, k: int):
    relevant = np.zeros((1, made.length), bool)
    relevant[0, [hit - 1 for hit in made.hits]] = True
    ranked = rank(
        -np.arange(made.length, dtype=float)[None], relevant, found=np.array([made.relevant])
    )
    got = values(made, k)
    for name, ours in OURS.items():
        metric = ours.format(k=k)
        assert got[name] == pytest.approx(
            float(table.scores(ranked, (metric,))[metric][0]), abs=1e-12
        ), name


def test_every_definition_says_formula_user_and_steps():
    for definition, value, steps in definitions.audit(List((1, 3, 6), 4, 20)):
        assert definition.formula
        assert definition.who
        assert steps
        assert 0 <= value <= 1


def test_an_empty_list_of_relevant_items_has_no_value():
    assert definitions.audit(List((), 0, 5)) == []


@pytest.fixture
def dataset(pictures):
    found = library.open_dataset(str(pictures), fresh=True)
    build(found, ["tiny.16x16"])
    return found


def test_packages_agree_on_a_real_list(dataset):
    for item in dataset.items[:4]:
        found = audit.audit(dataset, "tiny.16x16", item.id, k=3)
        asked = [row for row in found.rows if row["package"]]
        assert len(asked) == len(audit.OUTSIDE)
        for row in asked:
            assert row["theirs"] == pytest.approx(row["value"], abs=1e-9), row["definition"]


def test_the_list_is_the_one_that_was_ranked(dataset):
    found = audit.audit(dataset, "tiny.16x16", "cold/0.png")
    assert len(found.shown) == 11 == found.length
    assert "cold/0.png" not in [id for id, _ in found.shown]
    assert [rank for rank, (_, right) in enumerate(found.shown, 1) if right] == list(found.hits)
    assert all(id.startswith("cold/") == right for id, right in found.shown)


def test_a_query_that_is_none_is_refused(dataset):
    with pytest.raises(UserError, match="no query"):
        audit.audit(dataset, "tiny.16x16", "nothing.png")
    with pytest.raises(UserError, match="K is from"):
        audit.audit(dataset, "tiny.16x16", "cold/0.png", k=0)
