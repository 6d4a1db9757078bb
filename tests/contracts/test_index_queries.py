"""A query gets the same answer alone, among others, from several threads and however its vector
lies in memory."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from core.errors import UserError
from core.indexes.base import indexes
from tests.contracts.indexed import DIM, NAMES, clustered, unit

FACTORIES = ["factory:IVF16,PQ8", "factory:PCA16,IVF16,SQ8", "factory:HNSW16"]


@pytest.mark.parametrize("k", [1, 2, 10, 150])
@pytest.mark.parametrize("name", [*NAMES, *FACTORIES])
def test_one_query_answers_as_among_others(name, k, built, truth):
    """A tenth of the rows are copies, so many answers hold ties; with the least effort many hold
    fewer than ``k``."""
    index, queries = built(name), truth[0][:8]
    efforts = [{}, *({knob: about.values[0]} for knob, about in index.search_knobs.items())]
    for knobs in efforts:
        together = index.search(queries, k, **knobs)
        for row in range(len(queries)):
            alone = index.search(queries[row : row + 1], k, **knobs)
            np.testing.assert_array_equal(alone.ids[0], together.ids[row])
            np.testing.assert_array_equal(alone.scores[0], together.scores[row])


@pytest.mark.parametrize("k", [1, 3])
def test_a_list_that_holds_nothing_answers_nothing(k):
    """Few different vectors and many lists: most are empty, and the one that is looked into may
    be."""
    index, queries = (
        indexes.get("ivf_flat"),
        unit(np.random.default_rng(0).standard_normal((40, DIM))),
    )
    index.build(np.repeat(clustered(10)[:8], 50, axis=0), nlist=64)
    hits = index.search(queries, k, nprobe=1)
    assert (hits.ids < 0).any()
    assert ((hits.ids < 0) == np.isneginf(hits.scores)).all()


@pytest.mark.parametrize("count", [0, 1, 1001])
@pytest.mark.parametrize("name", [*NAMES, *FACTORIES])
def test_rows_are_the_vectors_however_many_are_read(name, count, built):
    ids = np.random.default_rng(count).integers(0, len(clustered()), count)
    for asked in (ids, ids.astype(np.int32), np.repeat(ids, 2)[::2]):
        np.testing.assert_array_equal(built(name).rows(asked), clustered()[ids])


@pytest.mark.parametrize("name", [*NAMES, *FACTORIES])
def test_queries_lie_in_memory_as_they_like(name, built, truth):
    index, queries = built(name), truth[0][:9]
    right = index.search(queries, 5).ids
    for odd in (
        queries.astype(np.float64),
        np.asfortranarray(queries),
        np.repeat(queries, 2, axis=1)[:, ::2],
    ):
        np.testing.assert_array_equal(index.search(odd, 5).ids, right)


@pytest.mark.parametrize("name", [*NAMES, *FACTORIES])
def test_sessions_that_ask_at_once_get_their_own_answers(name, built, truth):
    index, queries = built(name), truth[0][:20]
    right, wrong = [index.search(queries[row : row + 1], 10).ids for row in range(len(queries))], []

    def ask(first: int) -> None:
        for row in [*range(first, len(queries)), *range(first)]:
            if not np.array_equal(index.search(queries[row : row + 1], 10).ids, right[row]):
                wrong.append(row)

    sessions = [
        threading.Thread(target=ask, args=(7 * number % len(queries),)) for number in range(4)
    ]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert not wrong


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_is_refused_and_the_next_query_answered(name, bad, built, truth):
    index, query = built(name), truth[0][:1].copy()
    right = index.search(query, 5).ids
    query[0, 3] = bad
    with pytest.raises(UserError, match="NaN or infinity"):
        index.search(query, 5)
    np.testing.assert_array_equal(index.search(truth[0][:1], 5).ids, right)


@pytest.mark.parametrize("knobs", [{"rerank": [1]}, {"rerank": True}, {"efsearch": 5}, {"k": 0}])
def test_knobs_are_refused_in_words_after_good_ones_too(knobs, built, truth):
    index = built("sq8")
    index.search(truth[0][:1], 5, rerank=1)
    with pytest.raises(UserError):
        index.search(truth[0][:1], **{"k": 5, **knobs})
