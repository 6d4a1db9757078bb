"""What a run of the lab is expected to take: by points and pilots that are known, and as it goes."""

from __future__ import annotations

import pytest

from core.services.index_lab.ahead import Ahead, Known
from core.services.index_lab.measure import Pilot, point_seconds
from core.services.index_lab.point import Point
from core.services.specs import index_spec

SHAPE = (2000, 100)


def point(text: str, build_s: float, ms: float, size: int = SHAPE[0], dim: int = SHAPE[1]) -> Point:
    """A point whose queries take ``ms`` alone and a quarter of that in a batch."""
    spec = index_spec(text)
    return Point(
        spec.name, spec.name, text, dict(spec.build), dict(spec.search), bool(spec.exact), size,
        size, dim, 10, 200, 1.0, 1.0, ms, ms, ms / 4, ms / 4, 1, 1, build_s,
    )  # fmt: skip


def test_a_setting_takes_what_it_took_here():
    known = Known(SHAPE, [point("hnsw", 2.0, 0.5)], [point("hnsw", 9.0, 9.0)])
    assert known.costs(index_spec("hnsw")).build == 2.0
    assert known.costs(index_spec("hnsw")).one == pytest.approx(0.5e-3)
    assert known.costs(index_spec("hnsw")).many == pytest.approx(0.125e-3)
    kept = Known(SHAPE, [point("hnsw", 2.0, 0.5)], kept=lambda spec: spec.name == "hnsw")
    assert kept.costs(index_spec("hnsw")).build == 0.0, "it lies in the store"


def test_else_what_it_took_in_the_space_that_is_most_like_this_one():
    others = [point("hnsw", 2.0, 0.5, 1000), point("hnsw", 90.0, 9.0, 100_000)]
    costs = Known(SHAPE, (), others).costs(index_spec("hnsw"))
    assert costs.build == pytest.approx(4.0), "twice as many vectors"
    assert 0.5e-3 < costs.one < 1e-3
    assert Known(SHAPE).costs(index_spec("hnsw")).build > 0.0, "of which nothing is known"


def test_a_pilot_tells_of_this_machine_and_other_spaces_what_knobs_cost():
    pilot = Pilot((500, 2000), (1.0, 4.0), (1e-3, 2e-3), (1, 1))
    others = [point("hnsw", 50.0, 0.1), point("hnsw:efSearch=256", 50.0, 0.4)]
    known = Known(SHAPE, (), others, lambda spec: pilot)
    assert known.costs(index_spec("hnsw:efSearch=256")).build == pytest.approx(4.0)
    assert known.costs(index_spec("hnsw")).one == pytest.approx(2e-3)
    assert known.costs(index_spec("hnsw:efSearch=256")).one == pytest.approx(8e-3)


@pytest.mark.parametrize("slower", [1.0, 12.0])
def test_time_left_is_true_on_a_machine_that_is_slower_than_all_that_is_known(slower):
    texts = {"exact": 0.1, "hnsw": 0.5, "hnsw:efSearch=256": 3.0, "pq": 0.6, "pq:rerank=40": 1.5}
    builds = {"exact": 0.1, "hnsw": 1.0, "pq": 6.0, "hamming": 12.0}
    texts |= {"hamming": 0.6, "hamming:rerank=40": 4.0}
    points = [point(text, builds[index_spec(text).name], ms, 1500) for text, ms in texts.items()]
    groups = [
        [index_spec(text) for text in texts if index_spec(text).name == name] for name in builds
    ]
    now, work = [0.0], []
    ahead = Ahead(None, groups, Known(SHAPE, (), points), 200)
    ahead.steps.clock, ahead.steps._began = lambda: now[0], 0.0
    for specs in groups:
        real = builds[specs[0].name] * slower
        work.append((ahead.building, specs[0], real))
        for spec in specs:
            each = texts[spec.text] / 1000 * slower
            work.append((ahead.measuring, spec, point_seconds(each, each / 4, 200)))
    whole, told = sum(seconds for _, _, seconds in work), 0
    for begin, spec, seconds in work:
        begin(spec)
        for _ in range(10):
            now[0] += seconds / 10
            left = whole - now[0]
            if whole / 10 < now[0] < whole * 0.97:
                assert left / 2 <= ahead.steps.left() <= left * 2, (spec.text, now[0], left)
                told += 1
    assert told > 30
