"""From points to one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.errors import UserError
from core.services.index_lab.advice import equal_recall, recommend
from core.services.index_lab.point import Point, speed


def point(
    index: str,
    recall: float,
    p50: float,
    ram: int = 1000,
    size: int = 1000,
    batch: float = 1.0,
    busy: float = 0.2,
) -> Point:
    return Point(
        index,
        index.upper(),
        f"{index}:x={p50:g}",
        {},
        {},
        index == "exact",
        size,
        size,
        8,
        10,
        50,
        recall,
        recall,
        p50,
        2 * p50,
        batch,
        batch,
        ram,
        ram,
        1.0,
        busy,
    )


POINTS = [
    point("exact", 1.0, 4.0, batch=0.5),
    point("hnsw", 0.9, 0.5),
    point("hnsw", 0.97, 1.0, 5000),
    point("hnsw", 0.99, 2.0, 5000),
    point("pq", 0.96, 2.0, 100),
    point("lsh", 0.7, 0.4, 50),
]


def test_equal_recall():
    found = equal_recall(POINTS, 0.95)
    assert [(p.index, p.p50) for p in found.best] == [("hnsw", 1.0), ("pq", 2.0), ("exact", 4.0)]
    assert dict(found.short) == {"lsh": 0.7}
    assert found.sentence.startswith(
        "At recall@10 of at least 0.95 the fastest is HNSW (hnsw:x=1): 1 ms per query"
    )
    assert "4 times faster than comparing with every picture" in found.sentence
    assert equal_recall(POINTS, 0.995).sentence.endswith("no approximation is faster here.")
    assert equal_recall(POINTS, 0.95, batch=True).best[0].index == "exact"
    assert "lsh:x=0.4 comes nearest with 0.700" in equal_recall(POINTS[-1:], 0.95).sentence
    assert equal_recall([]).sentence == "Nothing is measured yet."
    assert "care" not in found.sentence
    quick = equal_recall([point("exact", 1.0, 0.2), point("hnsw", 0.97, 0.05)], 0.95).sentence
    assert quick.startswith("Exact search is enough here: 0.2 ms and nothing missed. At recall@10")
    crowded = equal_recall([POINTS[0], point("hnsw", 0.97, 1.0, busy=7.0)], 0.95).sentence
    assert "with care" in crowded
    assert "measure again when the machine is quiet" in crowded


@pytest.mark.parametrize(
    ("base", "ms", "words"),
    [
        (43.01, 1.0, "43 times faster than"),
        (157.3, 1.0, "160 times faster than"),
        (4.32, 1.0, "4.3 times faster than"),
        (1234.0, 1.0, "1,200 times faster than"),
        (1.0, 4.0, "4 times slower than"),
        (1.01, 1.0, "as fast as"),
        (1.0, 1.001, "as fast as"),
        (1.0, 0.0, "1,000,000 times faster than"),
    ],
)
def test_ratios_have_two_digits(base, ms, words):
    assert speed(ms, base) == words
    found = [point("exact", 1.0, base), point("hnsw", 0.97, ms)]
    if 0 < ms < base:
        assert f"{words} comparing with every picture" in equal_recall(found, 0.95).sentence
        assert (
            f"{words} comparing with every one" in recommend(1000, 8, 10_000, 0.95, found).sentence
        )


def test_measured_advice():
    found = recommend(1000, 8, 10_000, 0.95, POINTS)
    assert (found.index, found.source, found.bytes) == ("hnsw", "measured", 5000)
    small = recommend(1000, 8, 500, 0.95, POINTS)
    assert small.index == "pq"
    assert recommend(2000, 8, 200, 0.95, POINTS).bytes == 200
    least = recommend(1000, 8, 60, 0.95, POINTS)
    assert least.index == "lsh"
    assert "no measured setting reaches 0.95" in least.sentence
    assert "of the 4 measured settings that reach 0.95" in found.sentence
    assert "no other measured setting reaches 0.95" in small.sentence


def test_what_was_measured_and_does_not_fit():
    """A rule takes over, and says why: not that nothing was measured."""
    few = [point("hnsw", 0.97, 1.0, 5_000_000, 2720), point("hnsw", 0.99, 2.0, 5_000_000, 2720)]
    few = [replace(one, dim=192) for one in few]
    found = recommend(2720, 192, 10**6, 0.95, few)
    assert (found.text, found.source, found.bytes) == ("sq8", "rule", 2720 * 192)
    assert "none of the 2 settings measured here fits into 1 MB" in found.sentence
    assert "few bytes" not in found.sentence
    assert (
        "the one setting measured here does not fit into 1 MB"
        in recommend(2720, 192, 10**6, 0.95, few[:1]).sentence
    )
    assert "nothing of this size was measured here" in recommend(2720, 192, 10**6, 0.95).sentence
    plain = replace(point("exact", 1.0, 0.2, 1_000_000, 2720), dim=192)
    told = recommend(50_000, 192, 10**9, 0.95, [plain]).exact  # its time grows with the gallery
    assert told.startswith(
        "Exact search would miss nothing, with 38.4 MB of memory and about 3.7 ms"
    )
    assert recommend(50_000, 192, 10**9, 0.95).exact == ""
    measured = replace(few[0], index="sq8", ram_bytes=2_000_000)
    assert recommend(2720, 192, 10**6, 0.95, [measured]).index == "pq"


def test_where_nothing_measured_finds_enough_a_rule_may():
    found = recommend(1000, 8, 100_000, 0.95, [POINTS[1], POINTS[5]])
    assert (found.source, found.text) == ("rule", "exact")
    assert "none of the 2 settings measured here reaches 0.95 in 0.1 MB" in found.sentence
    found = recommend(1000, 8, 100_000, 1.0, [point("hnsw", 0.98, 0.5)])
    assert found.text == "exact"
    assert "the one setting measured here does not reach 1" in found.sentence
    found = recommend(1000, 8, 5000, 0.95, [POINTS[1], POINTS[5]])
    assert (found.source, found.index) == ("measured", "hnsw"), (
        "no rule fits, and this comes nearest"
    )


def test_the_advice_names_no_command():
    assert "python" not in recommend(10**6, 192, 5 * 10**8, 0.95).sentence


def test_codes_of_a_large_gallery_have_a_price():
    for memory, index, every in [
        (5 * 10**8, "sq8", True),
        (25 * 10**6, "pq", True),
        (10**8, "ivf_pq", False),
    ]:
        found = recommend(10**6, 192, memory, 0.95)
        assert found.index == index
        assert "reads full vectors from disk, where they take 768 MB" in found.sentence
        assert ("compares every code" in found.sentence) == every
    assert "from disk" not in recommend(5000, 192, 10**6, 0.95).sentence
    assert "only codes of a few bytes" not in recommend(2 * 10**6, 192, 5 * 10**8, 0.95).sentence


def test_advice_says_when_the_processor_was_shared():
    assert "Other programs" not in recommend(1000, 8, 10_000, 0.95, POINTS).sentence
    crowded = point("hnsw", 0.97, 0.9, 5000, busy=3.0)
    assert (
        "take the ratio with care"
        in recommend(1000, 8, 10_000, 0.95, [POINTS[0], crowded]).sentence
    )
    assert (
        "take the ratio with care"
        in recommend(1000, 8, 10_000, 0.95, [point("exact", 1, 4, busy=3.0), POINTS[2]]).sentence
    )
    alone = recommend(1000, 8, 10_000, 0.95, [crowded]).sentence
    assert alone.endswith("alone it is faster; measure again when it is quiet.")
    assert "ratio" not in alone


@pytest.mark.parametrize(
    ("size", "memory", "recall", "index"),
    [
        (5000, 10**9, 0.95, "exact"),
        (10**6, 4 * 10**9, 0.95, "hnsw"),
        (10**6, 5 * 10**8, 0.95, "sq8"),
        (10**6, 10**8, 0.95, "ivf_pq"),
        (10**6, 25 * 10**6, 0.95, "pq"),
        (10**6, 10**9, 1.0, "exact"),
    ],
)
def test_advice_by_rule(size, memory, recall, index):
    found = recommend(size, 192, memory, recall, POINTS)
    assert (found.index, found.source, found.point) == (index, "rule", None)
    assert found.bytes <= memory
    assert "rule" in found.sentence


def test_nonsense_and_the_impossible():
    for given in [(0, 8, 1, 0.9), (10, 8, 0, 0.9), (10, 8, 10, 0.0), (10, 8, 10, 1.1)]:
        with pytest.raises(UserError):
            recommend(*given)
    with pytest.raises(UserError, match=r"At least 24\.2 MB are needed"):
        recommend(10**6, 192, 10**6, 0.9)
