"""Rounds that are worth a vote, and judgements that encoders are evaluated on."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from core.errors import UserError
from core.services.arena import ballots, drawing, pools
from core.services.embedding.build import build
from core.services.evaluation.fused import first_hits
from core.services.evaluation.leaderboard import leaderboard
from core.services.evaluation.reports import Report
from core.services.library.library import open_dataset

NAMES = ["hsv.12x4x4", "tiny.16x16", "hog.8x8"]


@pytest.fixture
def dataset(pictures):
    found = open_dataset(str(pictures))
    build(found, NAMES)
    return found


def test_every_pair_comes_as_often_and_no_query_twice(dataset):
    rounds = drawing.drawn(dataset, NAMES, 6, k=4)
    pairs = Counter(frozenset((one.one, one.other)) for one in rounds)
    assert pairs == {frozenset(pair): 2 for pair in itertools.combinations(NAMES, 2)}
    assert len({one.query for one in rounds}) == 6
    for one in rounds:
        for name, hits in ((one.one, one.one_hits), (one.other, one.other_hits)):
            assert hits == first_hits(dataset, name, None, [one.query], 4)[one.query].hits
    assert rounds == drawing.drawn(dataset, NAMES, 6, k=4)
    assert rounds != drawing.drawn(dataset, NAMES, 6, k=4, seed=1)


@pytest.mark.parametrize(("names", "count"), [(NAMES[:1], 3), (NAMES, 0), (NAMES, 41)])
def test_what_can_not_be_drawn_is_said(dataset, names, count):
    with pytest.raises(UserError):
        drawing.drawn(dataset, names, count)


def test_a_pool_holds_what_all_show_once_and_tells_nothing_of_ranks(dataset):
    query = dataset.items[0].id
    ids = pools.pool(dataset, NAMES, query, 3)
    shown = [id for n in NAMES for id, _ in first_hits(dataset, n, None, [query], 3)[query].hits]
    assert sorted(ids) == sorted(set(shown))
    assert ids == pools.pool(dataset, NAMES[::-1], query, 3)
    assert query not in ids


def test_judgements_are_evaluated_with_what_nobody_judged_stated(dataset, artifacts):
    query = dataset.items[0].id
    ids = pools.pool(dataset, NAMES, query, 10)
    for place, id in enumerate(ids):
        ballots.judge("here", query, id, "ann", place % 2 == 0)
        ballots.judge("here", query, id, "ben", place % 2 == 0)
        ballots.judge("here", query, id, "eve", True)
    judged = pools.truth(ballots.judgements("here"))
    assert judged == {query: {id: place % 2 == 0 for place, id in enumerate(ids)}}
    report = pools.evaluated(dataset, NAMES, judged)
    for name in NAMES:
        hits = [id for id, _ in first_hits(dataset, name, None, [query], 10)[query].hits]
        (cell,) = (one for one in report.cells if one.encoder == name)
        fits = [judged[query].get(id, False) for id in hits]
        assert cell.scores["precision@10"] == pytest.approx([np.mean(fits)])
        assert cell.relevant.tolist() == [sum(judged[query].values())]
    assert {one.share for one in pools.unjudged(dataset, NAMES, judged)} == {0.0}
    (missing,) = pools.unjudged(dataset, NAMES[:1], {query: {ids[0]: True}})
    assert missing.share in (0.9, 1.0)
    again = Report.load(report.save())
    assert len(leaderboard(again, dataset.name, pools.PROTOCOL, "mAP").standings) == 3
    lines = list(pools.qrels(judged))
    assert len(lines) == len(ids)
    assert f"{query} 0 {ids[0]} 1\n" in lines


def test_nothing_that_fits_can_not_be_evaluated(dataset):
    with pytest.raises(UserError, match="No picture was judged"):
        pools.evaluated(dataset, NAMES, {dataset.items[0].id: {dataset.items[1].id: False}})
