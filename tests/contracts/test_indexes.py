"""What every registered index keeps: the right rows, one rule of score and ties, honest refusals, a faithful copy on disk."""

from __future__ import annotations

import resource
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Cancelled, UserError
from core.indexes.base import Index, indexes
from core.registry import UnknownName

NAMES = indexes.names()
EXACT = [name for name in NAMES if indexes.get(name).exact]
N, DIM = 2000, 32
RECALL = {"lsh": 0.6}
"""Recall@10 at default knobs that an approximate index must reach on the clustered set; 0.9 where not said."""


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(n: int = N, dim: int = DIM, seed: int = 0) -> np.ndarray:
    """Unit vectors around 40 centres, every tenth a copy of its forerunner."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((40, dim))[rng.integers(0, 40, n)] + 0.5 * rng.standard_normal((n, dim))
    vectors[9::10] = vectors[8::10][: len(vectors[9::10])]
    return unit(vectors)


def brute(vectors: np.ndarray, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The definition: float64 cosine rounded to float32, largest first, ties by id, padded."""
    scores = np.array([[np.dot(q, v) for v in vectors.astype(np.float64)] for q in queries.astype(np.float64)])
    scores = scores.astype(np.float32)
    order = np.lexsort((np.broadcast_to(np.arange(len(vectors)), scores.shape), -scores), axis=1)[:, :k]
    pad = ((0, 0), (0, max(0, k - len(vectors))))
    best = np.take_along_axis(scores, order, axis=1)
    return np.pad(order, pad, constant_values=-1), np.pad(best, pad, constant_values=-np.inf)


@pytest.fixture(scope="module")
def built():
    """Every index over the same vectors, built once."""
    made = {}

    def get(name: str):
        if name not in made:
            made[name] = indexes.get(name)
            made[name].build(clustered())
        return made[name]

    return get


@pytest.fixture(scope="module")
def truth():
    queries = unit(clustered()[:40] + 0.05 * np.random.default_rng(1).standard_normal((40, DIM)))
    return queries, *brute(clustered(), queries, 10)


@pytest.mark.parametrize("name", EXACT)
def test_exact_equals_the_definition(name, built, truth):
    queries, ids, scores = truth
    hits = built(name).search(queries, 10)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in EXACT])
def test_approximate_finds_most(name, built, truth):
    queries, ids, _ = truth
    hits = built(name).search(queries, 10)
    recall = np.mean([len(set(found) & set(right)) / 10 for found, right in zip(hits.ids, ids, strict=True)])
    assert recall >= RECALL.get(name, 0.9), f"{name}: recall@10 = {recall:.3f}"


@pytest.mark.parametrize("name", NAMES)
def test_score_is_the_cosine_of_the_hit_best_first_ties_by_id(name, built, truth):
    queries = truth[0]
    hits = built(name).search(queries, 10)
    assert hits.ids.dtype == np.int64
    assert hits.scores.dtype == np.float32
    right = np.einsum("qd,qkd->qk", queries.astype(np.float64), clustered()[hits.ids].astype(np.float64))
    np.testing.assert_array_equal(hits.scores, right.astype(np.float32))
    same = hits.scores[:, 1:] == hits.scores[:, :-1]
    assert same.any(), "the set holds copies, so there are ties"
    assert (hits.ids[:, 1:] > hits.ids[:, :-1])[same].all()
    assert all(len(set(row)) == 10 for row in hits.ids), "no row twice"


@settings(max_examples=60, deadline=None)
@given(st.data())
@pytest.mark.parametrize("name", EXACT)
def test_exact_with_many_copies_falls_by_id(name, data):
    seed = data.draw(st.integers(0, 2**20))
    n, dim, k = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rng = np.random.default_rng(seed)
    kinds = unit(rng.standard_normal((data.draw(st.integers(1, 12)), dim)) + 1e-3)
    vectors, queries = kinds[rng.integers(0, len(kinds), n)], kinds[rng.integers(0, len(kinds), 3)]
    index = indexes.get(name)
    index.build(vectors)
    hits, (ids, scores) = index.search(queries, k), brute(vectors, queries, k)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("order", ["copies", "rising", "falling"])
def test_exact_when_every_row_ties_or_the_best_come_last(name, order):
    angle = np.zeros(20_000) if order == "copies" else np.linspace(1.5, 0.0, 20_000)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    vectors = vectors[::-1] if order == "falling" else vectors
    index = indexes.get(name)
    index.build(vectors)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    ids, scores = brute(vectors, queries, 25)
    hits = index.search(queries, 25)
    np.testing.assert_array_equal(hits.ids, ids)
    np.testing.assert_array_equal(hits.scores, scores)


@pytest.mark.parametrize("name", EXACT)
def test_one_query_and_many_give_the_same_answer(name, built):
    queries = np.concatenate([clustered(1500, seed=5)] * 2)
    many = built(name).search(queries, 7)
    for row in (0, 1, 777, 1499, 2999):
        alone = built(name).search(queries[row : row + 1], 7)
        np.testing.assert_array_equal(alone.ids[0], many.ids[row])
        np.testing.assert_array_equal(alone.scores[0], many.scores[row])


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_is_the_same_and_costs_the_same(name, built, truth, tmp_path):
    index, copy = built(name), indexes.get(name)
    index.save(tmp_path)
    copy.load(tmp_path)
    assert (copy.size, copy.dim) == (N, DIM)
    before, after = index.search(truth[0], 10), copy.search(truth[0], 10)
    np.testing.assert_array_equal(before.ids, after.ids)
    np.testing.assert_array_equal(before.scores, after.scores)
    assert copy.cost() == index.cost()
    on_disk = sum(f.stat().st_size for f in tmp_path.iterdir() if f.suffix != ".json")
    assert abs(on_disk - copy.cost().disk_bytes) <= 4096, "the cost is what lies on disk"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loaded", [False, True])
def test_added_rows_are_found_or_the_index_says_that_it_cannot_grow(name, loaded, tmp_path):
    index, new = indexes.get(name), clustered(50, seed=9)
    index.build(clustered())
    if loaded:
        index.save(tmp_path)
        index = indexes.get(name)
        index.load(tmp_path)
    if type(index)._add is Index._add:
        with pytest.raises(UserError, match="Build it again"):
            index.add(new)
        return
    index.add(new)
    hits = index.search(new[20:21], 2)
    assert index.size == N + 50
    assert N + 20 in hits.ids
    with pytest.raises(UserError):
        index.add(new[:, :5])
    assert index.size == N + 50


@pytest.mark.parametrize("name", NAMES)
def test_fewer_rows_than_wanted_are_padded(name):
    index, vectors = indexes.get(name), clustered(300)
    knobs = {"nlist": 4} if "nlist" in index.build_knobs else {}
    index.build(vectors, **knobs)
    hits = index.search(vectors[:3], 310)
    assert hits.ids.shape == (3, 310)
    empty = hits.ids == -1
    assert empty[:, 300:].all()
    assert (hits.scores[empty] == -np.inf).all()
    assert np.isfinite(hits.scores[~empty]).all()
    if index.exact:
        assert not empty[:, :300].any()


@pytest.mark.parametrize("name", NAMES)
def test_one_vector_is_indexed_or_the_number_needed_is_said(name):
    index = indexes.get(name)
    if index.name in ("pq", "ivf_pq"):
        with pytest.raises(UserError, match="needs 256"):
            index.build(clustered(1))
        return
    index.build(clustered(1))
    assert index.search(clustered(1), 2).ids.tolist() == [[0, -1]]


@pytest.mark.parametrize("name", NAMES)
def test_refusals_are_for_people_and_leave_the_index_usable(name, built):
    with pytest.raises(UserError, match="before it was built"):
        indexes.get(name).search(clustered(1), 1)
    with pytest.raises(UserError, match="before it was built"):
        indexes.get(name).add(clustered(1))
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
        lambda: index.add(bad),
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
def test_every_value_worth_trying_is_allowed_and_more_effort_never_finds_less(name, built, truth):
    index, (queries, ids, _) = built(name), truth
    for knob, about in index.search_knobs.items():
        found = [np.isin(index.search(queries, 10, **{knob: v}).ids, ids).mean() for v in sorted(about.values)]
        assert found[-1] >= found[0]
    for knob, about in index.build_knobs.items():
        for value in about.values:
            about.check(knob, value)


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


@pytest.mark.parametrize("name", NAMES)
def test_cost_is_measured(name, built):
    cost = built(name).cost()
    assert cost.ram_bytes >= N
    assert cost.disk_bytes >= cost.ram_bytes
    assert cost.build_s > 0


@pytest.mark.parametrize("name", NAMES)
def test_sessions_share_one_index(name, built, truth):
    queries, right = truth[0], built(name).search(truth[0], 10)
    wrong = []

    def ask() -> None:
        for _ in range(5):
            if not np.array_equal(built(name).search(queries, 10).ids, right.ids):
                wrong.append(name)

    sessions = [threading.Thread(target=ask) for _ in range(4)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    assert not wrong


@pytest.mark.parametrize("name", EXACT)
def test_memory_of_a_search_is_flat(name):
    vectors = np.tile(clustered(1000, 8), (40, 1))
    index = indexes.get(name)
    index.build(vectors)
    index.search(vectors[:100], 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index.search(vectors[:4000], 10)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 300, f"{grown:.0f} MB for scores that would take {4000 * 40_000 * 4 / 2**20:.0f} MB at once"


@pytest.mark.parametrize("name", NAMES)
def test_loading_maps_the_file_instead_of_reading_it(name, tmp_path):
    psutil = pytest.importorskip("psutil")
    vectors = clustered(20_000, 256) if name in ("exact", "flat", "sq8") else clustered(2000, 64)
    index = indexes.get(name)
    index.build(vectors)
    index.save(tmp_path)
    size = sum(f.stat().st_size for f in tmp_path.iterdir())
    del index
    copy, process = indexes.get(name), psutil.Process()
    before = process.memory_info().rss
    copy.load(tmp_path)
    grown = process.memory_info().rss - before
    assert grown < max(size / 4, 2 << 20), f"{grown} of {size} bytes became resident"
    assert copy.search(vectors[:1], 1).scores[0, 0] > 0.99


def test_unknown_index_is_answered_with_the_nearest_name():
    with pytest.raises(UnknownName, match="flat"):
        indexes.get("flatt")


def test_product_quantisation_says_which_parts_fit():
    with pytest.raises(UserError, match="These do: 1, 2, 4"):
        indexes.get("pq").build(clustered(300), m=7)


def test_full_disk_while_saving_is_a_system_error(built, tmp_path):
    (tmp_path / "index.faiss").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        built("flat").save(tmp_path)


def test_unreadable_file_is_refused(built, tmp_path):
    built("flat").save(tmp_path)
    data = (tmp_path / "index.faiss").read_bytes()
    for broken in (b"", data[:20], b"junk" + data[4:], data[: len(data) // 2]):
        (tmp_path / "index.faiss").write_bytes(broken)
        with pytest.raises(UserError, match="can't be read"):
            indexes.get("flat").load(tmp_path)
