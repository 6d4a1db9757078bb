"""Agreement of ranked lists, against definitions written out here on their own."""

from __future__ import annotations

import math
import random
import threading

import pytest

from core.errors import UserError
from core.services.embedding.build import build
from core.services.library import library
from core.services.search import serving, subject
from core.services.search.compare import (
    _shared,
    agreement,
    compare,
    letters,
    overlap,
    rank_biased_overlap,
)
from core.services.search.request import Query, SearchRequest
from core.services.search.result import Hit, SearchResult


def prefix_sum(s: list[str], t: list[str], p: float, depth: int) -> float:
    """RBO cut at a depth: (1 - p) * sum over d of p^(d-1) * A_d (Webber, Moffat and Zobel, 2010,
    equation 4)."""
    return (1 - p) * sum(
        p ** (d - 1) * len(set(s[:d]) & set(t[:d])) / d for d in range(1, depth + 1)
    )


def extrapolated(s: list[str], t: list[str], p: float) -> float:
    """Equation 32 of the same paper, term by term."""
    short, long = (s, t) if len(s) <= len(t) else (t, s)
    ls, ll = len(short), len(long)

    def x(d: int) -> int:
        return len(set(short[:d]) & set(long[:d]))

    first = sum(x(d) / d * p**d for d in range(1, ll + 1))
    second = sum(x(ls) * (d - ls) / (ls * d) * p**d for d in range(ls + 1, ll + 1))
    return (1 - p) / p * (first + second) + ((x(ll) - x(ls)) / ll + x(ls) / ls) * p**ll


def endless(s: list[str], t: list[str], p: float) -> float:
    """What extrapolation of equal lengths means: the agreement at the last rank goes on for
    ever."""
    depth = len(s)
    last = len(set(s) & set(t)) / depth
    return prefix_sum(s, t, p, depth) + (1 - p) * sum(
        p ** (d - 1) * last for d in range(depth + 1, 4000)
    )


def test_the_weight_of_the_first_ten_ranks_is_that_of_the_paper():
    """Section 4.2: with p = 0.9 the first ten ranks carry 85.6 % of the weight."""
    alike = [str(n) for n in range(10)]
    p, d = 0.9, 10
    head = (
        1
        - p ** (d - 1)
        + (1 - p) / p * d * (math.log(1 / (1 - p)) - sum(p**i / i for i in range(1, d)))
    )
    assert head == pytest.approx(0.8556, abs=1e-4)
    assert rank_biased_overlap(alike, alike, p) == pytest.approx(1.0)


def test_agreement_at_each_depth_is_that_of_the_papers_example():
    """Section 3: <a b c d e f g> and <z c a v w x y> agree by 0, 0, .667, .500, .400, .333, .286;
    on average .312."""
    at_depth = _shared(list("abcdefg"), list("zcavwxy")) / range(1, 8)
    assert at_depth.round(3).tolist() == [0, 0, 0.667, 0.5, 0.4, 0.333, 0.286]
    assert at_depth.mean() == pytest.approx(0.312, abs=5e-4)


def test_values_worked_out_by_hand():
    # A_1 = 0, A_2 = 1: 0.1 * 0.9 * 1 + 1 * 0.81
    assert rank_biased_overlap(["a", "b"], ["b", "a"], 0.9) == pytest.approx(0.1 * 0.9 + 0.81)
    # X_1 = 1, X_2 = 1, X_3 = 2 at p = 0.5: (1 + .5 * 1/2 + .25 * 2/3) / 2 + .125 * 2/3
    assert rank_biased_overlap(["a", "b", "c"], ["a", "d", "b"], 0.5) == pytest.approx(
        (1 + 0.25 + 1 / 6) / 2 + 0.125 * 2 / 3
    )


def test_overlap_and_rbo_agree_with_definitions_written_out_here():
    draw = random.Random(0)
    for _ in range(200):
        pool = [str(n) for n in range(draw.randint(3, 30))]
        s, t = (draw.sample(pool, draw.randint(1, len(pool))) for _ in range(2))
        p = draw.choice((0.5, 0.8, 0.9, 0.98))
        found = rank_biased_overlap(s, t, p)
        assert found == pytest.approx(extrapolated(s, t, p))
        assert found == pytest.approx(rank_biased_overlap(t, s, p))
        assert -1e-9 <= found <= 1 + 1e-9
        if len(s) == len(t):
            assert found == pytest.approx(endless(s, t, p))


def test_rbo_at_its_ends():
    assert rank_biased_overlap(["a", "b", "c"], ["a", "b", "c"]) == pytest.approx(1.0)
    assert rank_biased_overlap(["a"], ["b"]) == 0.0
    assert rank_biased_overlap([], []) == 1.0
    assert rank_biased_overlap([], ["a"]) == 0.0
    assert rank_biased_overlap(["a", "b"], ["a", "c"]) > rank_biased_overlap(
        ["b", "a"], ["c", "a"]
    ), "the top counts most"


def test_overlap():
    assert overlap(["a", "b", "c"], ["c", "b", "x"], 3) == pytest.approx(2 / 3)
    assert overlap(["a", "b", "c"], ["c", "b", "a"], 1) == 0.0
    assert overlap(["a"], ["a", "b"], 10) == 0.5
    assert overlap([], [], 5) == 1.0


def answer(encoder: str, *ids: str) -> SearchResult:
    hits = tuple(
        Hit(rank, id, id, None, None, None, None, 1.0, None) for rank, id in enumerate(ids, start=1)
    )
    return SearchResult("d", encoder, "exact", len(ids), hits, {})


def test_agreement_is_a_symmetric_table_with_ones_on_its_diagonal():
    table = agreement([answer("a", "x", "y"), answer("b", "y", "z"), answer("c", "q", "r")], 2)
    assert table.encoders == ("a", "b", "c")
    assert table.overlap == ((1.0, 0.5, 0.0), (0.5, 1.0, 0.0), (0.0, 0.0, 1.0))
    for one in range(3):
        assert table.rbo[one][one] == pytest.approx(1.0)
        for other in range(3):
            assert table.rbo[one][other] == table.rbo[other][one]


def test_letters_join_the_same_picture_across_columns():
    found = letters([answer("a", "x", "y", "only"), answer("b", "z", "y", "x"), answer("c", "z")])
    assert found == {"x": "A", "z": "B", "y": "C"}
    many = [str(n) for n in range(60)]
    names = letters([answer("a", *many), answer("b", *many)])
    assert [names[one] for one in many][24:30] == ["Y", "Z", "AA", "AB", "AC", "AD"]
    assert len(set(names.values())) == 60
    assert letters([answer("a", "x")]) == {}


def test_compare_asks_each_encoder_once_in_the_order_given(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    names = ["tiny.16x16", "counting.test", "tiny.16x16"]
    build(dataset, names)
    found = compare(SearchRequest(Query(item_id="00000.png"), "", k=5).each(names), dataset)
    assert [one.encoder for one in found.answers] == ["tiny.16x16", "counting.test"]
    assert found.agreement.encoders == ("tiny.16x16", "counting.test")
    first, second = ([hit.id for hit in one.hits] for one in found.answers)
    assert found.agreement.overlap[0][1] == len(set(first) & set(second)) / 5
    assert found.agreement.rbo[0][1] == pytest.approx(extrapolated(first, second, 0.9))
    with pytest.raises(UserError):
        compare(SearchRequest(Query(item_id="00000.png"), "").each([]), dataset)


def test_encoders_that_run_on_one_core_are_at_work_beside_each_other(
    counting, gallery, monkeypatch
):
    dataset = library.open_dataset(str(gallery))
    names = ["counting.test", "hsv.12x4x4", "tiny.16x16"]
    build(dataset, names)
    query = Query(data=(gallery / "00003.png").read_bytes())
    requests = SearchRequest(query, "", k=5).each(names)
    alone = compare(requests, dataset)
    both_there = threading.Barrier(2, timeout=300)  # broken, with an error, where one waits alone
    subject._pictures.clear()
    for name in names[:2]:
        one = serving.engine(dataset, name).encoder
        monkeypatch.setattr(one, "one_core", True)
        encode = one._encode
        monkeypatch.setattr(
            one, "_encode", lambda batch, encode=encode: (both_there.wait(), encode(batch))[1]
        )
    monkeypatch.setattr("core.services.search.compare.team", lambda: 2)
    beside = compare(requests, dataset)
    assert [answer.hits for answer in beside.answers] == [answer.hits for answer in alone.answers]
