"""Our definitions against hand-checked lists, and the edges that every library treats in its own
way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from core.errors import UserError
from core.metrics import stream, table
from core.metrics.ranked import rank
from tests.metrics.lists import Case, cases

# R, hits: trec_eval = ranx AP@10, pytorch-metric-learning MAP@R, revisitop AP, nDCG@10 of trec_eval
HAND = {
    "a": (4, (1, 3, 6), 0.5417, 0.4167, 0.5083, 0.7246),
    "b": (10, (1,), 0.10, 0.10, 0.10, 0.2201),
    "c": (1, (2,), 0.50, 0.00, 0.25, 0.6309),
    "d": (3, (1, 2, 3), 1.0, 1.0, 1.0, 1.0),
}


def one(hits: tuple[int, ...], found: int, length: int = 10):
    relevant = np.zeros((1, length), bool)
    relevant[0, [hit - 1 for hit in hits]] = True
    return rank(-np.arange(length, dtype=float)[None], relevant, found=np.array([found]))


@pytest.mark.parametrize("key", HAND)
def test_hand_checked_lists(key):
    found, hits, *expected = HAND[key]
    got = table.scores(one(hits, found), ("mAP@10", "MAP@R", "revisited-AP", "nDCG@10"))
    assert [round(float(values[0]), 4) for values in got.values()] == expected


def test_a_list_worked_by_hand():
    lists = one((1, 3, 6), 4)
    got = {
        name: float(values[0])
        for name, values in table.scores(
            lists,
            (
                "hit@1",
                "hit@10",
                "precision@1",
                "precision@5",
                "precision@10",
                "recall@3",
                "recall@10",
                "R-precision",
                "MRR",
            ),
        ).items()
    }
    assert got == {
        "hit@1": 1,
        "hit@10": 1,
        "precision@1": 1,
        "precision@5": 2 / 5,
        "precision@10": 3 / 10,
        "recall@3": 2 / 4,
        "recall@10": 3 / 4,
        "R-precision": 2 / 4,
        "MRR": 1,
    }


@given(cases())
@settings(max_examples=150, deadline=None)
def test_the_order_is_score_then_column_with_junk_taken_out(case: Case):
    lists = rank(case.scores, case.relevant, case.junk, top=case.scores.shape[1])
    for q, order in enumerate(case.orders):
        assert lists.top[q].tolist() == order + [-1] * (case.scores.shape[1] - len(order))
        mine = lists.row == q
        assert lists.rank[mine].tolist() == [
            i for i, c in enumerate(order, 1) if case.relevant[q, c]
        ]
        assert lists.order[mine].tolist() == list(range(1, mine.sum() + 1))
        assert lists.length[q] == len(order)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_blocks_do_not_change_a_score(case: Case):
    whole = table.scores(rank(case.scores, case.relevant, case.junk), ("mAP", "nDCG@5", "MAP@R"))
    for name, values in whole.items():
        alone = [
            table.scores(
                rank(case.scores[q : q + 1], case.relevant[q : q + 1], case.junk[q : q + 1]),
                (name,),
            )[name][0]
            for q in range(len(case.scores))
        ]
        np.testing.assert_array_equal(values, alone)


def test_negative_zero_ties_with_zero():
    lists = rank(np.array([[0.0, -0.0, 0.0]], np.float32), np.array([[False, True, False]]))
    assert lists.rank.tolist() == [2]


def test_nothing_relevant_is_left_out_of_means():
    right = np.array([[0, 0, 0, 0], [1, 0, 0, 0]], bool)
    lists = rank(np.zeros((2, 4)), right, labels=np.zeros(4, int), own=np.zeros(2, int), top=4)
    for name, values in table.scores(lists, table.DEFAULT).items():
        assert np.isnan(values[0]), name
        assert np.isfinite(values[1]), name


def test_a_cut_beyond_the_list():
    lists = one((1, 3), 2, length=4)
    assert table.precision_at(lists, 10)[0] == 2 / 10
    assert table.recall_at(lists, 10)[0] == 1
    assert table.ndcg_at(lists, 10)[0] == table.ndcg_at(lists, 4)[0]


def test_accuracy_is_a_vote_and_ties_go_to_the_nearer_label():
    labels, own = np.array([[7, 8, 8, 7]]), np.array([7])
    lists = rank(-np.arange(4.0)[None], labels == 7, top=4, labels=labels, own=own)
    assert table.label_accuracy_at(lists, 1)[0] == 1
    assert table.label_accuracy_at(lists, 3)[0] == 0  # 7, 8, 8
    assert table.label_accuracy_at(lists, 4)[0] == 1  # two each, 7 stands first
    assert table.label_accuracy_at(lists, 50)[0] == 1
    with pytest.raises(ValueError, match="labels"):
        table.label_accuracy_at(one((1,), 1), 1)


def test_index_recall_counts_equal_distances_as_hits():
    exact = np.array([[0.9, 0.8, 0.8], [0.5, -np.inf, -np.inf], [-np.inf] * 3])
    found = np.array([[0.9, 0.8, 0.7], [0.5, -np.inf, -np.inf], [-np.inf] * 3])
    np.testing.assert_array_equal(table.index_recall(found, exact), [2 / 3, 1.0, np.nan])


@given(cases())
@settings(max_examples=100, deadline=None)
def test_interpolated_precision_is_the_best_at_that_recall_or_beyond(case: Case):
    got = stream.interpolated_precision(rank(case.scores, case.relevant, case.junk))
    for q, order in enumerate(case.orders):
        hits = np.cumsum([case.relevant[q, c] for c in order]) if order else np.zeros(0)
        total = case.relevant[q].sum()
        for place, level in enumerate(stream.LEVELS):
            if not total:
                assert np.isnan(got[q, place])
                continue
            reached = [h / i for i, h in enumerate(hits, 1) if h / total >= level - 1e-12]
            assert got[q, place] == pytest.approx(max(reached, default=0.0), abs=1e-12)


def test_curves_add_up_over_blocks():
    rng = np.random.default_rng(0)
    scores, relevant = rng.random((9, 30)), rng.random((9, 30)) < 0.1
    whole, parts = stream.Curves(), stream.Curves()
    whole.add(rank(scores, relevant))
    for q in range(9):
        parts.add(rank(scores[q : q + 1], relevant[q : q + 1]))
    for name, values in whole.means().items():
        np.testing.assert_allclose(values, parts.means()[name], rtol=1e-12)
    ten = np.nanmean(table.precision_at(rank(scores, relevant), 10))
    assert whole.means()["precision@K"][9] == pytest.approx(ten)
    assert stream.Curves().means() == {}


def test_curves_of_a_class_are_those_of_its_queries_alone():
    rng = np.random.default_rng(1)
    scores, relevant = rng.random((12, 30)), rng.random((12, 30)) < 0.2
    codes = np.arange(12) % 3
    relevant[codes == 2] = False
    both = stream.Curves(3)
    for part in (slice(0, 5), slice(5, 12)):
        both.add(rank(scores[part], relevant[part]), codes[part])
    for code in (0, 1):
        alone = stream.Curves()
        alone.add(rank(scores[codes == code], relevant[codes == code]))
        for name, values in both.class_means().items():
            np.testing.assert_allclose(values[code], alone.means()[name], rtol=1e-12)
    assert all(np.isnan(values[2]).all() for values in both.class_means().values()), (
        "none of its queries can be judged"
    )


def test_bad_scores_and_shapes_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        rank(np.array([[np.nan]]), np.array([[True]]))
    with pytest.raises(ValueError, match="shape"):
        rank(np.zeros((1, 2)), np.zeros((1, 3), bool))


@pytest.mark.parametrize(
    "name", ["precision", "precision@0", "precision@ten", "mAP@", "hit@-1", "MAP@R@10", ""]
)
def test_an_unknown_metric_names_the_known_ones(name):
    with pytest.raises(UserError, match=r"precision@K"):
        table.metric(name)
