"""Equal to trec_eval, ranx, pytorch-metric-learning and scikit-learn to 1e-9, on lists with ties, R
= 0, K > n, duplicates."""

from __future__ import annotations

import sys
import warnings
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.metrics import stream, table
from core.metrics.ranked import rank
from tests.metrics.lists import Case, cases, trec, untied

KS = (1, 3, 10, 40)
CLOSE = {"rtol": 0, "atol": 1e-9}


def ours(case: Case, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    return table.scores(rank(case.scores, case.relevant, case.junk), names)


@given(cases())
@settings(max_examples=120, deadline=None)
def test_trec_eval(case: Case):
    import pytrec_eval

    names = {"mAP": "map", "R-precision": "Rprec", "MRR": "recip_rank"}
    for k in KS:
        names |= {
            f"mAP@{k}": f"map_cut_{k}",
            f"precision@{k}": f"P_{k}",
            f"recall@{k}": f"recall_{k}",
        }
        names |= {f"nDCG@{k}": f"ndcg_cut_{k}", f"hit@{k}": f"success_{k}"}
    cut = ",".join(map(str, KS))
    asked = {
        "map",
        "Rprec",
        "recip_rank",
        *(f"{m}.{cut}" for m in ("map_cut", "P", "recall", "ndcg_cut", "success")),
    }
    qrels, run = trec(case)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, asked).evaluate(run) if run else {}
    mine = ours(case, tuple(names))
    for q, row in theirs.items():
        at = int(q[1:])
        for name, other in names.items():
            if case.relevant[at].any():
                np.testing.assert_allclose(mine[name][at], row[other], **CLOSE, err_msg=name)
            else:
                assert np.isnan(mine[name][at])
                assert row[other] == 0


@given(cases())
@settings(max_examples=60, deadline=None)
def test_trec_eval_interpolated_precision(case: Case):
    """At the levels that fall on a whole number of relevant items; between them trec_eval rounds in
    its own way."""
    import pytrec_eval

    qrels, run = trec(case)
    theirs = pytrec_eval.RelevanceEvaluator(qrels, {"iprec_at_recall"}).evaluate(run) if run else {}
    mine = stream.interpolated_precision(
        rank(case.scores, case.relevant, case.junk), np.linspace(0, 1, 11)
    )
    for q, row in theirs.items():
        at, found = int(q[1:]), case.relevant[int(q[1:])].sum()
        for place in range(11):
            if found and (place * found) % 10 == 0:
                level = f"iprec_at_recall_{place / 10:.2f}"
                np.testing.assert_allclose(mine[at, place], row[level], **CLOSE, err_msg=level)


@given(cases())
@settings(max_examples=40, deadline=None)
def test_ranx(case: Case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ranx import Qrels, Run, evaluate
    qrels, run = untied(case)
    assume(qrels)
    names = {"mAP": "map", "R-precision": "r-precision", "MRR": "mrr"}
    for k in KS:
        names |= {
            f"mAP@{k}": f"map@{k}",
            f"precision@{k}": f"precision@{k}",
            f"recall@{k}": f"recall@{k}",
        }
        names |= {f"nDCG@{k}": f"ndcg@{k}", f"hit@{k}": f"hit_rate@{k}"}
    theirs = evaluate(Qrels(qrels), Run(run), list(names.values()), return_mean=False, threads=1)
    mine = ours(case, tuple(names))
    asked = [int(q[1:]) for q in sorted(qrels)]
    for name, other in names.items():
        np.testing.assert_allclose(mine[name][asked], theirs[other], **CLOSE, err_msg=name)


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_pytorch_metric_learning(seed: int, items: int, classes: int):
    """Labels that no other item bears have R = 0: both sides leave them out. Equal vectors are ties
    on both sides."""
    import torch

    # on import it replaces faiss's search in the whole process by one without knobs: other tests
    # need the real one
    with patch.dict(
        sys.modules, {"faiss.contrib.torch_utils": ModuleType("faiss.contrib.torch_utils")}
    ):
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, items)
    scores = rng.permuted(np.tile(np.arange(items), (items, 1)), axis=1).astype(np.float32)
    same, self_match = labels[:, None] == labels[None, :], np.eye(items, dtype=bool)
    lists = rank(scores, same & ~self_match, self_match, top=items, labels=labels, own=labels)
    mine = table.scores(lists, ("MAP@R", "R-precision", "precision@1", "mAP", "MRR"))
    assume((lists.relevant > 0).any())

    def neighbours(query, k, reference, ref_includes_query):
        order = np.argsort(np.where(self_match, np.inf, -scores), axis=1)[:, : items - 1]
        return torch.from_numpy(np.take_along_axis(scores, order, axis=1)), torch.from_numpy(order)

    include = (
        "mean_average_precision_at_r",
        "r_precision",
        "precision_at_1",
        "mean_average_precision",
        "mean_reciprocal_rank",
    )
    judge = AccuracyCalculator(
        include=include, k=items - 1, knn_func=neighbours, device=torch.device("cpu")
    )
    vectors = torch.zeros(items, 2, dtype=torch.float64)
    theirs = judge.get_accuracy(
        vectors, torch.from_numpy(labels), vectors, torch.from_numpy(labels), True
    )
    for name, other in zip(mine, include, strict=True):
        # their reciprocal ranks are float32
        close = {"rtol": 1e-6} if other == "mean_reciprocal_rank" else CLOSE
        np.testing.assert_allclose(np.nanmean(mine[name]), theirs[other], **close, err_msg=name)


@given(cases(junk=False))
@settings(max_examples=80, deadline=None)
def test_scikit_learn_ndcg(case: Case):
    """scikit-learn averages over ties by default; it gets our order as untied scores."""
    from sklearn.metrics import ndcg_score

    assume(case.scores.shape[1] > 1)
    mine = ours(case, tuple(f"nDCG@{k}" for k in KS))
    for q, order in enumerate(case.orders):
        if case.relevant[q].any():
            untied_scores = np.empty(len(order))
            untied_scores[order] = -np.arange(len(order))
            for k in KS:
                expected = ndcg_score(case.relevant[q][None].astype(int), untied_scores[None], k=k)
                np.testing.assert_allclose(mine[f"nDCG@{k}"][q], expected, **CLOSE)


def test_scikit_learn_votes():
    """kNN accuracy, where the vote is not tied, is KNeighborsClassifier's."""
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    gallery, labels = rng.standard_normal((80, 5)), rng.integers(0, 2, 80)
    queries, own = rng.standard_normal((40, 5)), rng.integers(0, 2, 40)
    scores = -((queries[:, None] - gallery[None]) ** 2).sum(axis=2)
    lists = rank(scores, own[:, None] == labels[None], top=9, labels=labels, own=own)
    for k in (1, 5, 9):
        votes = KNeighborsClassifier(k).fit(gallery, labels).predict(queries)
        np.testing.assert_array_equal(
            table.scores(lists, (f"accuracy@{k}",))[f"accuracy@{k}"], votes == own
        )


@pytest.mark.parametrize("name", table.DEFAULT)
def test_an_empty_block_has_no_scores(name):
    lists = rank(
        np.zeros((0, 5)),
        np.zeros((0, 5), bool),
        top=5,
        labels=np.zeros(5, int),
        own=np.zeros(0, int),
    )
    assert table.scores(lists, (name,))[name].shape == (0,)
