"""One query alone goes a quicker way through faiss: to the same answer, and with the same words where there is none."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from core.errors import UserError
from core.indexes.base import Index, indexes
from core.indexes.faiss_search import FaissSearch
from tests.contracts.indexed import DIM, NAMES, clustered, unit

QUICK = [name for name in NAMES if isinstance(indexes.get(name), FaissSearch)]
QUICK += ["factory:IVF16,PQ8", "factory:PCA16,IVF16,SQ8", "factory:HNSW16"]
HOLDS_ALL = [name for name in QUICK if name.startswith(("flat", "hnsw", "sq8", "lsh"))]


def same(index: FaissSearch, queries: np.ndarray, k: int, **knobs: float) -> None:
    """Each query alone, the quick way, against the long one."""
    for row in range(len(queries)):
        quick, right = index.search(queries[row : row + 1], k, **knobs), Index.search(index, queries[row : row + 1], k, **knobs)
        np.testing.assert_array_equal(quick.ids, right.ids)
        np.testing.assert_array_equal(quick.scores, right.scores)
        assert (quick.ids.dtype, quick.scores.dtype) == (np.int64, np.float32)


def test_every_index_of_faiss_is_looked_at():
    assert {"flat", "hnsw", "ivf_flat", "ivf_pq", "pq", "sq8", "lsh"} <= set(QUICK)


@pytest.mark.parametrize("k", [1, 2, 10, 150, 2000])
@pytest.mark.parametrize("name", QUICK)
def test_the_same_answer_with_copies_few_candidates_and_every_effort(name, k, built, truth):
    """A tenth of the rows are copies, so many answers hold ties; with the least effort many hold fewer than ``k``."""
    index = built(name)
    same(index, truth[0], k)
    for knob, about in index.search_knobs.items():
        same(index, truth[0][:8], k, **{knob: about.values[0]})


@pytest.mark.parametrize("k", [1, 3])
def test_a_list_that_holds_nothing_answers_nothing(k):
    """Few different vectors and many lists: most are empty, and the one that is looked into is."""
    index, queries = indexes.get("ivf_flat"), unit(np.random.default_rng(0).standard_normal((40, DIM)))
    index.build(np.repeat(clustered(10)[:8], 50, axis=0), nlist=64)
    assert (Index.search(index, queries, k, nprobe=1).ids < 0).any()
    same(index, queries, k, nprobe=1)


@pytest.mark.parametrize("count", [0, 1, 800, 801, 1000, 1001])
@pytest.mark.parametrize("name", QUICK)
def test_rows_are_the_vectors_however_many_are_read(name, count, built):
    """Faiss reads them with all its threads from some number on."""
    ids = np.random.default_rng(count).integers(0, len(clustered()), count)
    for asked in (ids, ids.astype(np.int32), np.repeat(ids, 2)[::2]):
        np.testing.assert_array_equal(built(name).rows(asked), clustered()[ids])


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("many", [2, 90])
def test_many_queries_the_quick_way_answer_as_one_alone(name, many, built, truth):
    index, queries = built(name), np.tile(truth[0], (3, 1))[:many]
    assert len(queries) == many
    for k in (1, 10):
        hits = index.search(queries, k)
        for row, query in enumerate(queries):
            np.testing.assert_array_equal(hits.ids[row : row + 1], Index.search(index, query[None], k).ids)
        for odd in (queries.astype(np.float64), np.asfortranarray(queries), np.repeat(queries, 2, axis=1)[:, ::2]):
            np.testing.assert_array_equal(index.search(odd, k).ids, hits.ids)
    with pytest.raises(UserError, match="dimensions"):
        index.search(np.ascontiguousarray(queries[:, 1:]), 10)


@pytest.mark.parametrize("name", QUICK)
def test_queries_lie_in_memory_as_they_like(name, built, truth):
    wide, index = np.repeat(truth[0], 2, axis=1), built(name)
    right = index.search(truth[0][3:4], 5)
    for query in (wide[3:4, ::2], truth[0][3:4].astype(np.float64), np.asfortranarray(truth[0])[3:4]):
        np.testing.assert_array_equal(index.search(query, 5).ids, right.ids)


@pytest.mark.parametrize("name", QUICK)
def test_an_answer_stays_what_it_was(name, built, truth):
    index = built(name)
    first = index.search(truth[0][:1], 5)
    ids, scores = first.ids.copy(), first.scores.copy()
    for row in range(1, 20):
        index.search(truth[0][row : row + 1], 5)
    np.testing.assert_array_equal(first.ids, ids)
    np.testing.assert_array_equal(first.scores, scores)


@pytest.mark.parametrize("name", QUICK)
def test_sessions_that_ask_at_once_get_their_own_answers(name, built, truth):
    index, queries = built(name), truth[0]
    right, wrong = [index.search(queries[row : row + 1], 10).ids for row in range(len(queries))], []

    def ask(first: int) -> None:
        for row in [*range(first, len(queries)), *range(first)] * 5:
            if not np.array_equal(index.search(queries[row : row + 1], 10).ids, right[row]):
                wrong.append(row)

    sessions = [threading.Thread(target=ask, args=(7 * number,)) for number in range(4)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert not wrong


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", QUICK)
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


@pytest.mark.parametrize("name", HOLDS_ALL)
def test_what_came_went_or_was_built_anew_since_the_last_query(name):
    index, vectors = indexes.get(name), clustered()
    index.build(vectors)
    query = vectors[:1]
    assert index.search(query, 1).ids[0, 0] == 0
    index.add(np.concatenate([clustered(50, seed=3), query]))
    assert set(index.search(query, 2).ids[0]) == {0, len(vectors) + 50}
    index.remove([0])
    assert index.search(query, 1).ids[0, 0] == len(vectors) + 50
    index.build(np.ascontiguousarray(vectors[::-1]))
    assert index.search(query, 1).ids[0, 0] == len(vectors) - 1


@pytest.mark.parametrize("name", QUICK)
def test_the_same_answer_from_disk_and_after_another_was_loaded(name, built, truth, tmp_path):
    other, vectors = indexes.get(name), clustered(600, DIM, seed=9)
    for place, index in (("one", built(name)), ("two", other)):
        (tmp_path / place).mkdir()
        if index is other:
            index.build(vectors, **({"nlist": 4} if "nlist" in index.build_knobs else {}))
        index.save(tmp_path / place)
    loaded = indexes.get(name)
    loaded.load(tmp_path / "two")
    loaded.search(truth[0][:1], 10)
    loaded.load(tmp_path / "one")
    for row in range(5):
        alone = truth[0][row : row + 1]
        np.testing.assert_array_equal(loaded.search(alone, 10).ids, built(name).search(alone, 10).ids)
