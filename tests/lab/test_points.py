"""Points of recall against time: true recall, ties, what is kept, what can't be, stopping and going
on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.errors import Cancelled, UserError
from core.indexes.base import indexes
from core.neighbours import rows_without_own
from core.services.embedding import build, galleries
from core.services.index_lab import curves, measure, space, view, waterfall
from core.services.library import library
from tests.lab.conftest import ENCODER
from tests.plugged import numbered, paint

FEW = ("exact", "sq8:rerank=1", "lsh:bits=64,rerank=1")


def brute_recall(made: space.Space, found: np.ndarray, k: int) -> float:
    """By the definition, one query at a time: hits at least as similar as the k-th other
    picture."""
    scores = (made.queries.astype(np.float64) @ np.asarray(made.vectors, np.float64).T).astype(
        np.float32
    )
    shares = []
    for row, own, hits in zip(scores, made.own, found, strict=True):
        last = np.sort(np.delete(row, own))[-k]
        shares.append(min(k, sum(row[hit] >= last for hit in hits if hit >= 0 and hit != own)) / k)
    return float(np.mean(shares))


def test_points_are_true(catalogue):
    points = {point.text: point for point in curves.curves(catalogue, ENCODER, FEW, k=5)}
    assert points["exact"].recall == points["exact"].worst == 1.0
    made = space.open_space(catalogue, ENCODER)
    index = indexes.get("lsh")
    index.build(np.asarray(made.vectors), bits=64)
    hits = index.search(made.queries, 6, rerank=1).ids
    others = rows_without_own(hits, made.own, 5)
    rough = points["lsh:bits=64,rerank=1"]
    assert rough.recall == pytest.approx(brute_recall(made, others, 5), abs=1e-6)
    assert 0 < rough.recall < 1
    assert rough.worst <= rough.recall
    for point in points.values():
        assert 0 < point.p50 <= point.p95
        assert 0 < point.batch_p50 <= point.batch_p95
        assert (point.size, point.real, point.dim, point.queries) == (2720, 2720, 192, 200)
        assert min(point.ram_bytes, point.disk_bytes) > 0


def test_equals_of_the_last_count_as_hits():
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 1, 1, 2]]
    made = space.Space(
        "", "", vectors, np.arange(5), vectors[:2], np.arange(2), np.array([0, 1]), {}
    )
    truth = space.scored(made, np.array([[1, 2], [2, 3]]))
    other = space.scored(made, np.array([[4, 3], [3, 2]]))
    np.testing.assert_array_equal(
        space.recall(other, truth), [1.0, 1.0]
    )  # to the first query all others are equally far
    worse = space.scored(made, np.array([[4, -1], [3, 0]]))
    np.testing.assert_array_equal(space.recall(worse, truth), [0.5, 0.5])


def test_measured_once_and_resumed(catalogue, monkeypatch):
    seen: list[int] = []

    def stop(done: int, total: int) -> bool:
        seen.append(done)
        return done < 1

    with pytest.raises(Cancelled):
        list(curves.curves(catalogue, ENCODER, FEW, progress=stop))
    before = curves.plan(catalogue, ENCODER, FEW, timed=False)
    assert (len(before.found), before.left) == (1, 2)
    counted: list[tuple[int, int]] = []
    whole = list(
        curves.curves(
            catalogue, ENCODER, FEW, progress=lambda done, total: not counted.append((done, total))
        )
    )
    assert [point.text for point in whole] == list(FEW)
    assert counted[-1] == (3, 3)
    monkeypatch.setattr(curves, "measured", None)  # measuring again would fail
    assert list(curves.curves(catalogue, ENCODER, FEW)) == whole
    assert curves.plan(catalogue, ENCODER, FEW, timed=False).left == 0
    assert curves.plan(catalogue, ENCODER, FEW, k=3, timed=False).left == 3


def test_measured_again(catalogue, monkeypatch):
    """What is reached is new, the rest stays; nothing is built again, and a reason never takes a
    point's place."""
    first = list(curves.curves(catalogue, ENCODER, FEW))
    monkeypatch.setattr(galleries, "_write", None)  # building again would fail
    real, clock = curves.measured, iter([111.0, 222.0, 333.0, 444.0])
    monkeypatch.setattr(curves, "measured", lambda *given: replace(real(*given), p50=next(clock)))
    with pytest.raises(Cancelled):
        list(
            curves.curves(
                catalogue, ENCODER, FEW, progress=lambda done, total: done < 1, again=True
            )
        )
    kept = curves.plan(catalogue, ENCODER, FEW, timed=False).found
    assert [point.p50 for point in kept] == [111.0, first[1].p50, first[2].p50]
    whole = list(curves.curves(catalogue, ENCODER, FEW, again=True))
    assert [point.p50 for point in whole] == [222.0, 333.0, 444.0]
    assert list(curves.plan(catalogue, ENCODER, FEW, timed=False).found) == whole
    monkeypatch.setattr(
        curves._Lab,
        "_built",
        lambda self, made, spec: (_ for _ in ()).throw(UserError("no memory today")),
    )
    assert list(curves.curves(catalogue, ENCODER, FEW, again=True)) == []
    assert list(curves.plan(catalogue, ENCODER, FEW, timed=False).found) == whole


def test_what_can_not_be_built_is_told_before_and_after_and_tried_again(catalogue, monkeypatch):
    wanted = ("exact", "pq:m=7")
    assert (
        "7 does not divide 192"
        in curves.plan(catalogue, ENCODER, wanted, timed=False).refused["pq:m=7"]
    )
    crowd = curves.plan(catalogue, ENCODER, ["factory:IVF5000,Flat"])
    assert all("Its training needs 5,000" in why for why in crowd.refused.values())
    assert (crowd.left, crowd.seconds, crowd.ram_bytes) == (0, 0.0, 0)
    assert [point.text for point in curves.curves(catalogue, ENCODER, wanted)] == ["exact"]
    planned = curves.plan(catalogue, ENCODER, wanted, timed=False)
    assert "7 does not divide 192" in planned.refused["pq:m=7"]
    assert planned.left == 0
    tried = []
    monkeypatch.setattr(
        curves._Lab,
        "_built",
        lambda self, made, spec: tried.append(spec.text) or (_ for _ in ()).throw(UserError("no")),
    )
    assert len(list(curves.curves(catalogue, ENCODER, wanted))) == 1
    assert tried == ["pq:m=7"]


def test_the_grid_follows_the_declared_knobs():
    for name in indexes.names():
        index = indexes.get(name)
        usual, full = curves.grid(name), curves.grid(name, full=True)
        shown = {knob: {spec.search[knob] for spec in usual} for knob in index.search_knobs}
        tried = {
            knob: made.values if made.more else () for knob, made in index.search_knobs.items()
        }
        assert shown == {
            knob: {made.default, *tried[knob]} for knob, made in index.search_knobs.items()
        }
        assert {tuple(spec.build.items()) for spec in usual} == {
            tuple((k, v.default) for k, v in index.build_knobs.items())
        }
        built = {knob: {spec.build[knob] for spec in full} for knob in index.build_knobs}
        assert built == {
            knob: {made.default, *made.values} for knob, made in index.build_knobs.items()
        }
        assert len({(tuple(s.build.items()), tuple(s.search.items())) for s in full}) == len(full)


def test_an_estimate_comes_before(catalogue):
    planned = curves.plan(catalogue, ENCODER, ["flat", "sq8"])
    assert planned.seconds > 0
    assert planned.ram_bytes > 192 * 2720
    larger = curves.plan(catalogue, ENCODER, ["flat", "sq8"], size=100_000)
    assert larger.seconds > planned.seconds
    assert larger.ram_bytes > 2 * 4 * 192 * 100_000


def test_an_estimate_builds_little(catalogue, monkeypatch):
    """A small gallery is tried at the smaller sample alone; what was measured before needs no
    trial; progress counts builds."""
    tried, real, told = [], measure._try, []
    monkeypatch.setattr(
        measure, "_try", lambda spec, rows: tried.append((spec.name, len(rows))) or real(spec, rows)
    )
    curves.plan(
        catalogue,
        ENCODER,
        ["flat", "sq8"],
        progress=lambda done, total: not told.append((done, total)),
    )
    assert tried == [("flat", 500), ("sq8", 500)]
    assert told == [(0, 2), (1, 2), (2, 2)]
    (point,) = curves.curves(catalogue, ENCODER, ["exact"])
    tried.clear()
    planned = curves.plan(catalogue, ENCODER, ["exact"], again=True)
    assert (tried, planned.found, planned.left) == ([], (), 1)
    assert planned.ram_bytes == point.ram_bytes
    assert 0 < planned.seconds < 60
    with pytest.raises(Cancelled):
        curves.plan(catalogue, ENCODER, ["flat"], progress=lambda done, total: False)


@pytest.mark.parametrize("size", [100, -1, 2_000_000])
def test_sizes_that_make_no_sense(catalogue, size):
    with pytest.raises(UserError, match="2,720"):
        curves.plan(catalogue, ENCODER, ["exact"], size=size)


def test_memory_is_looked_at_first(catalogue, monkeypatch):
    monkeypatch.setattr(space, "free_bytes", lambda: 10_000_000)
    with pytest.raises(UserError, match=r"0\.1 GB of memory"):
        list(curves.curves(catalogue, ENCODER, ["exact"], size=100_000))
    monkeypatch.undo()
    free = space.free_bytes()
    assert free is None or free > 1_000_000


@pytest.mark.parametrize(
    ("indexes_named", "k"),
    [(["nothing"], 10), (["hnsw:bits=3"], 10), (["exact"], 0), (["exact"], 101)],
)
def test_nonsense_is_refused(catalogue, indexes_named, k):
    with pytest.raises(UserError):
        curves.plan(catalogue, ENCODER, indexes_named, k)


def test_indexes_in_one_line():
    assert curves.split("exact,hnsw:efSearch=64,M=16,lsh") == [
        "exact",
        "hnsw:efSearch=64,M=16",
        "lsh",
    ]
    many = ["exact", "factory:IVF16,PQ16", "hnsw:M=16,efSearch=4"]
    assert curves.split(curves.written(many)) == many
    assert curves.split(curves.written(["exact", "hnsw"])) == ["exact", "hnsw"]
    typed = curves.settings(["factory:IVF16,Flat"])
    assert {spec.name for spec in typed} == {"factory:IVF16,Flat"}
    assert {spec.search["nprobe"] for spec in typed} == {1, 4, 8, 16, 64}


@pytest.mark.parametrize("count", [1, 3])
def test_galleries_of_a_few_pictures_are_measured_or_say_what_they_need(tmp_path, count):
    few = library.open_dataset(str(paint(tmp_path / "few", numbered(count))))
    build.build(few, [ENCODER])
    with pytest.raises(UserError, match="At least 2 are" if count == 1 else "At least 72 are"):
        curves.plan(few, ENCODER, ["exact"], size=1000)
    if count == 1:
        for asked in (
            lambda: curves.plan(few, ENCODER, ["exact"]),
            lambda: list(curves.curves(few, ENCODER, ["exact"])),
            lambda: waterfall.waterfall(few, ENCODER, waterfall.Chain(1, "float16", 0, "exact", 0)),
            lambda: view.query_view(few, ENCODER, "exact", "00000.png"),
        ):
            with pytest.raises(UserError, match="At least 2"):
                asked()
        return
    assert [point.recall for point in curves.curves(few, ENCODER, ["exact"])] == [1.0]
    assert waterfall.most_pca(few, ENCODER) == 3
