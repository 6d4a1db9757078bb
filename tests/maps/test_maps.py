"""Maps as services: kept and found again, aligned to an anchor, a query placed, lasso, movers,
colours, one offline file."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core.cli.main import main
from core.errors import Cancelled, UserError
from core.projections.umap import Umap
from core.services.embedding import build
from core.services.library import library
from core.services.maps import atlas, maps
from core.services.maps import colours as map_colours
from core.services.maps import page as map_page
from core.services.maps import views as map_views
from core.services.maps.maps import Map, Wanted
from core.services.search.request import Query

QUICK = {"epochs": 30}
FIRST, SECOND = "hsv.12x4x4", "tiny.16x16"


@pytest.fixture
def small(pictures):
    """Twelve pictures in two classes, embedded by two encoders."""
    dataset = library.open_dataset(str(pictures), fresh=True)
    build.build(dataset, [FIRST, SECOND])
    return dataset


@pytest.fixture
def drawn(small) -> list[Map]:
    wanted = maps.drawn_together([FIRST, SECOND], "aligned", QUICK)
    return [maps.read(small, one, maps.build(small, one)) for one in wanted]


def made_up(positions: np.ndarray, **layers) -> Map:
    n = len(positions)
    own = {name: np.ones(n) for name in ("trust", "continuity", "kept")}
    own |= {name: np.zeros(n, int) for name in ("nearest", "clusters", "medoids")}
    ids = tuple(map(str, range(n)))
    return Map(
        Wanted("x"),
        ids,
        positions.astype(np.float32),
        **{**own, **layers},
        facts={"k": 10},
        path=None,
    )


def test_a_map_is_made_once_and_holds_what_it_says(small, drawn):
    first, second = drawn
    assert first.wanted.projection == "umap"
    assert (second.wanted.projection, second.wanted.anchor) == ("aligned", FIRST)
    for one in drawn:
        assert one.positions.shape == (12, 2)
        assert (
            len(one.ids)
            == len(one.trust)
            == len(one.kept)
            == len(one.nearest)
            == len(one.clusters)
            == 12
        )
        assert 0 < one.facts["trustworthiness"] <= 1
        assert one.facts["fitted_on"] == one.facts["points"] == one.facts["measured"] == 12
    stamp = second.path.stat().st_mtime_ns
    assert maps.build(small, second.wanted) == second.path
    assert (second.path / "positions.npy").stat().st_mtime_ns <= stamp
    assert not list(second.path.glob("*.pkl"))


def test_a_map_belongs_to_its_causes(small, drawn):
    one = Wanted(FIRST, "umap", "", QUICK)
    assert maps.find(small, one) == drawn[0].path
    assert maps.find(small, Wanted(FIRST, "umap", "", {"epochs": 31})) is None
    assert (
        maps.find(small, Wanted(FIRST, "aligned", FIRST, {**QUICK, "pull": 0.3})) == drawn[0].path
    )  # nothing to align to
    assert maps.find(small, Wanted("no.such", "umap")) is None
    with pytest.raises(UserError, match="has no UMAP map by hog"):
        maps.read(small, Wanted("hog.8x8", "umap"))


def test_an_unbuilt_encoder_is_named(small):
    with pytest.raises(UserError, match="no embeddings by hog"):
        maps.build(small, Wanted("hog.8x8", "pca"))


def test_building_counts_up_and_stops(small):
    seen = []
    maps.build(
        small,
        Wanted(FIRST, "umap", "", {"epochs": 40}),
        lambda done, total: seen.append((done, total)) or True,
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {1000}
    with pytest.raises(Cancelled):
        maps.build(small, Wanted(FIRST, "umap", "", {"epochs": 41}), lambda done, total: done < 300)
    assert maps.find(small, Wanted(FIRST, "umap", "", {"epochs": 41})) is None


def test_a_large_set_is_arranged_by_a_sample_that_is_said(small, monkeypatch):
    monkeypatch.setattr(Umap, "fit_up_to", 10)
    monkeypatch.setattr("core.projections.base.SAMPLE", 8)
    wanted = Wanted(FIRST, "umap", "", {"epochs": 33})
    found = maps.read(small, wanted, maps.build(small, wanted))
    assert found.facts["fitted_on"] == 8
    assert np.isfinite(found.positions).all()
    assert "arranged by a sample of 8" in map_page.note(found)


def test_a_query_has_a_place(small, drawn, pictures):
    found = drawn[0]
    for row in (0, 7):
        assert map_views.place(small, found, Query(item_id=found.ids[row])) == pytest.approx(
            found.positions[row]
        )
        upload = Query(data=small.read(small.items[small.rows[found.ids[row]]]))
        spread = np.ptp(found.positions, axis=0).max()
        assert (
            np.linalg.norm(np.array(map_views.place(small, found, upload)) - found.positions[row])
            < 0.35 * spread
        )
    with pytest.raises(UserError):
        map_views.place(small, found, Query(data=b"no picture"))


def test_neighbours_in_the_space_and_on_the_map(small, drawn):
    found = drawn[0]
    near = map_views.neighbourhood(small, found, 3, 4)
    assert len(near.space) == len(near.plane) == 4
    assert 3 not in near.space + near.plane
    assert near.space[0] == found.nearest[3]
    far = np.linalg.norm(found.positions - found.positions[3], axis=1)
    assert list(near.plane) == list(np.argsort(far, kind="stable")[1:5])


def test_a_lasso_holds_what_lies_in_it():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (5000, 2)).astype(np.float32)
    square = [(0.2, 0.3), (0.6, 0.3), (0.6, 0.9), (0.2, 0.9)]
    inside = (
        (points[:, 0] > 0.2) & (points[:, 0] < 0.6) & (points[:, 1] > 0.3) & (points[:, 1] < 0.9)
    )
    np.testing.assert_array_equal(map_views.inside(points, square), np.flatnonzero(inside))
    notch = [(0, 0), (1, 0), (1, 1), (0.5, 0.5), (0, 1)]  # the corner at the top is cut out
    held = map_views.inside(points, notch)
    assert not ((points[held, 1] > 0.51) & (np.abs(points[held, 0] - 0.5) < 0.01)).any()
    assert 0.72 < len(held) / 5000 < 0.78
    assert len(map_views.inside(points, square[:2])) == 0
    assert len(map_views.inside(points, [(0, 0), (float("nan"), 1), (1, 1)])) == 0


def test_maps_of_different_pictures_share_what_is_on_all_of_them():
    maps_ = [
        replace(made_up(np.zeros((len(ids), 2))), ids=tuple(ids))
        for ids in ("abcde", "ecab", "xbae")
    ]
    ids, rows = map_views.common(maps_)
    assert ids == ["a", "b", "e"]
    assert [[one.ids[row] for row in own] for one, own in zip(maps_, rows, strict=True)] == [
        ids
    ] * 3
    assert map_views.common([maps_[0], maps_[0]]) == (list("abcde"), None)


def test_what_moves_most_is_listed_first():
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 1, (80, 2))
    turned = (
        3 * places @ np.array([[0, -1], [1, 0]]) + 5
    )  # the same map, turned, larger and elsewhere
    assert max(one.shift for one in map_views.movers(made_up(places), made_up(turned))) < 1e-4
    turned[11] += (9, -7)
    found = map_views.movers(made_up(places), made_up(turned), count=5)
    assert found[0].id == "11"
    assert found[0].kept < np.mean([one.kept for one in found[1:]])
    assert [one.shift for one in found] == sorted((one.shift for one in found), reverse=True)


def test_many_classes_keep_to_a_few_colours():
    names = [f"class {number}" for number in range(200) for _ in range(number + 1)]
    made = map_colours.named(names)
    assert len(made.palette) == len(map_colours.COLOURS) + 1
    assert {name for _, name, _ in made.legend} >= {"class 199", "188 other classes"}
    assert sum(count for _, _, count in made.legend) == len(names)
    asked = map_colours.named(names, ["class 3", "class 0"])
    assert [row[1] for row in asked.legend] == ["class 3", "class 0", "198 other classes"]
    assert (asked.index == 0).sum() == 4
    assert map_colours.named(["a", None]).legend[-1][1:] == ("not known", 1)


def test_numbers_have_a_scale():
    made = map_colours.scaled(np.array([0.0, 0.5, 1.0, np.nan]), "Size", 0, 1)
    assert list(made.index) == [0, 32, 63, 64]
    assert made.scale == {"name": "Size", "low": "0", "high": "1", "missing": "1 not known"}
    assert len(made.palette) == 65


def test_every_field_of_the_catalogue_has_colours():
    dataset = library.open_dataset("catalogue")
    rng = np.random.default_rng(0)
    n = len(dataset.items)
    layers = {
        "nearest": np.roll(np.arange(n), 1),
        "clusters": np.arange(n) % 30 - 1,
        "trust": np.full(n, np.nan),
    }
    found = replace(
        made_up(rng.normal(size=(n, 2)), **layers), ids=tuple(item.id for item in dataset.items)
    )
    known = map_colours.fields(dataset)
    assert {"category", "instance", "cluster", "verdict", "trust", "density"} <= set(known)
    for field in known:
        made = map_colours.colour(dataset, found, field)
        assert made.index.dtype == np.uint8
        assert made.index.max() < len(made.palette)
        assert made.scale or sum(count for _, _, count in made.legend) == n
    with pytest.raises(UserError, match="nothing called 'taste'"):
        map_colours.colour(dataset, found, "taste")


def test_places_survive_the_wire():
    positions = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    frame = map_page.box([made_up(positions)])
    raw = np.frombuffer(base64.b64decode(map_page.places(positions, frame)), "<u2").reshape(-1, 2)
    back = np.array(frame[:2]) + raw / 65535 * frame[2]
    assert np.abs(back - positions).max() <= frame[2] / 65535
    flags = np.unpackbits(
        np.frombuffer(base64.b64decode(map_page.bits(np.array([0, 9, 17]), 20)), np.uint8),
        bitorder="little",
    )
    assert list(np.flatnonzero(flags)) == [0, 9, 17]


def test_a_raster_stays_small():
    positions = np.random.default_rng(0).normal(size=(500_000, 2)).astype(np.float32)
    colours = map_colours.named([str(number % 200) for number in range(500_000)])
    uri = map_page.raster(positions, colours, map_page.box([made_up(positions)]))
    assert uri.startswith("data:image/png;base64,")
    assert len(uri) < 700_000


def test_the_sheet_of_pictures(small):
    assert atlas.get(small, may_build=False) is None
    found = atlas.get(small)
    assert found.ids == tuple(item.id for item in small.items)
    from core.images import decode

    sheet = decode(found.sheets[0])
    assert sheet.shape == (3 * atlas.SIDE, 4 * atlas.SIDE, 3)
    warm, cold = sheet[-atlas.SIDE // 2, -atlas.SIDE // 2], sheet[atlas.SIDE // 2, atlas.SIDE // 2]
    assert warm[0] > warm[2]
    assert cold[2] > cold[0]


def test_one_page_that_needs_nothing(small, drawn):
    page, pictures = map_page.write(small, drawn, "label")
    text = page.decode()
    assert pictures == 12
    assert not re.search(r"""<[a-z]+[^>]*\s(src|href)=|@import|https?://|fetch\(|XMLHttp""", text)
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])
    assert [one["title"] for one in data["maps"]] == [maps.title(FIRST), maps.title(SECOND)]
    assert data["labels"] == ["cold", "warm"]


def test_names_cannot_break_the_page(tmp_path):
    from PIL import Image

    bad = tmp_path / "p" / "<img src=x onerror=alert(1)>"
    bad.mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (16, 16), (50 * number, 90, 200 - 30 * number)).save(bad / f"{number}.png")
    dataset = library.open_dataset(str(bad.parent), fresh=True)
    build.build(dataset, [FIRST])
    wanted = Wanted(FIRST, "pca")
    text = map_page.write(dataset, [maps.read(dataset, wanted, maps.build(dataset, wanted))])[
        0
    ].decode()
    assert "<img src=x" not in text


def test_the_command(small, pictures, tmp_path, capsys):
    out = tmp_path / "map.html"
    given = [
        "map",
        "--dataset",
        str(pictures),
        "--encoders",
        f"{FIRST},{SECOND}",
        "--set",
        "epochs=30",
    ]
    assert main([*given, "--out", str(out), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["projection"] for row in rows] == ["umap", "aligned"]
    assert rows[0]["bytes"] == out.stat().st_size
    assert (
        main(["map", "--dataset", str(pictures), "--encoders", FIRST, "--projection", "umpa"]) == 1
    )
    assert "There is no projection named 'umpa'" in capsys.readouterr().err
    assert (
        main(["map", "--dataset", str(pictures), "--encoders", FIRST, "--set", "epochs=many"]) == 1
    )
    assert main(["map", "--dataset", str(pictures), "--encoders", "a,b,c,d,e"]) == 1
    assert (
        main(
            [
                "map",
                "--dataset",
                str(pictures),
                "--encoders",
                FIRST,
                "--set",
                "epochs=30",
                "--out",
                str(tmp_path),
            ]
        )
        == 1
    )


def test_three_pictures_say_why(tmp_path, capsys):
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 90, 200)).save(tmp_path / f"{number}.png")
    assert main(["map", "--dataset", str(tmp_path), "--encoder", FIRST]) == 1
    assert "too few for a map" in capsys.readouterr().err
