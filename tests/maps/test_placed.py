"""Maps of a gallery to which pictures came and from which they went."""

from __future__ import annotations

import numpy as np
import pytest

from core import store
from core.cli.main import main
from core.projections import base, quality
from core.projections.umap import Umap
from core.services.embedding import build
from core.services.library import library
from core.services.maps import maps
from core.services.maps import page as map_page
from core.services.maps.maps import Map, Wanted
from tests.plugged import numbered, paint

ENCODER, OTHER = "tiny.16x16", "hsv.12x4x4"
QUICK = {"epochs": 20}


@pytest.fixture
def folder(tmp_path):
    return paint(tmp_path / "gallery", numbered(40))


def built(folder, *names):
    dataset = library.open_dataset(str(folder), fresh=True)
    build.build(dataset, list(names) or [ENCODER])
    return dataset


def made(dataset, wanted: Wanted, **how) -> Map:
    return maps.read(dataset, wanted, maps.build(dataset, wanted, **how))


def vectors(dataset):
    return np.array(maps._embeddings(dataset, ENCODER).vectors)


def by_id(found: Map) -> dict[str, np.ndarray]:
    return dict(zip(found.ids, found.positions, strict=True))


def kept() -> list[dict]:
    """The figures of every map in the cache; small pictures of maps lie there too."""
    return [entry.meta["facts"] for entry in store.entries("maps") if "facts" in entry.meta]


def grown(folder):
    """Three more pictures, two fewer, and one with other bytes."""
    paint(folder, ["00010-new.png", "a.png", "zz.png"], seed=4)
    paint(folder, ["00020.png"], seed=8)
    for name in ("00003.png", "00004.png"):
        (folder / name).unlink()
    return built(folder)


@pytest.mark.parametrize("projection", ["umap", "pca"])
def test_what_stays_keeps_its_place_and_what_came_is_placed(folder, projection):
    wanted = Wanted(ENCODER, projection, "", QUICK if projection == "umap" else {})
    before = made(built(folder), wanted)
    places = by_id(before)
    dataset = grown(folder)
    assert maps.find(dataset, wanted) is None
    assert maps.follow(dataset, [ENCODER]) == 1
    after = maps.read(dataset, wanted)
    new = [row for row, id in enumerate(after.ids) if id not in places or id == "00020.png"]
    assert len(new) == 4
    for row, id in enumerate(after.ids):
        if row not in new:
            np.testing.assert_array_equal(after.positions[row], places[id])
    facts = after.facts
    assert (facts["points"], facts["placed"], facts["gone"]) == (41, 4, 3)
    assert "4 placed since it was drawn" in map_page.note(after)
    low, high = before.positions.min(axis=0), before.positions.max(axis=0)
    assert (after.positions[new] >= low - 1).all()
    assert (after.positions[new] <= high + 1).all()
    fresh = quality.measure(vectors(dataset), after.positions)
    np.testing.assert_array_equal(after.nearest, fresh.nearest)
    for layer in ("trust", "continuity", "kept"):
        np.testing.assert_array_equal(getattr(after, layer)[new], getattr(fresh, layer)[new])
    assert kept() == [facts], "the earlier one is gone"


def test_a_map_from_which_pictures_went_alone(folder):
    wanted = Wanted(ENCODER, "pca")
    before = by_id(made(built(folder), wanted))
    (folder / "00003.png").unlink()
    after = made(built(folder), wanted)
    assert (after.facts["placed"], after.facts["gone"]) == (0, 1)
    assert all((before[id] == place).all() for id, place in by_id(after).items())


def test_drawn_anew_on_demand_it_is_a_fresh_map(folder, tmp_path, monkeypatch):
    wanted = Wanted(ENCODER, "umap", "", QUICK)
    made(built(folder), wanted)
    dataset = grown(folder)
    placed = made(dataset, wanted)
    assert placed.facts["placed"] == 4, "a map that is asked for is placed too"
    again = made(dataset, wanted, redraw=True)
    assert again.path == placed.path
    assert not maps.has_changed(again.facts)
    assert made(dataset, wanted, redraw=True).path.stat().st_ino == again.path.stat().st_ino
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path / "fresh"))
    fresh = made(built(folder), wanted)
    np.testing.assert_array_equal(again.positions, fresh.positions)


def test_an_aligned_map_follows_and_one_that_aged_does_not(folder):
    together = maps.drawn_together([OTHER, ENCODER], "aligned", QUICK)
    dataset = built(folder, OTHER, ENCODER)
    for one in together:
        made(dataset, one)
    paint(folder, ["a.png"], seed=4)
    dataset = built(folder, OTHER, ENCODER)
    assert maps.follow(dataset, [OTHER, ENCODER]) == 2
    assert [maps.read(dataset, one).facts["placed"] for one in together] == [1, 1]
    paint(folder, numbered(10, start=600))
    dataset = built(folder, OTHER, ENCODER)
    assert maps.follow(dataset, [OTHER, ENCODER]) == 0
    assert kept() == []


def test_new_pictures_are_placed_among_the_landmarks(folder, monkeypatch):
    monkeypatch.setattr(Umap, "fit_up_to", 30)
    wanted = Wanted(ENCODER, "umap", "", QUICK)
    made(built(folder), wanted)
    dataset = grown(folder)
    after = made(dataset, wanted)
    assert after.facts["fitted_on"] == 30
    marks = np.load(after.path / "landmarks.npy")
    assert len(marks) in (27, 28, 29, 30)
    assert np.isfinite(after.positions).all()


def test_wide_vectors_have_fewer_landmarks(monkeypatch):
    monkeypatch.setattr(base, "LANDMARK_BYTES", 4 * 100 * 50)
    assert base.landmarks(50, 100, 60) is None
    chosen = base.landmarks(51, 100, 60)
    assert len(chosen) == 50
    assert len(base.landmarks(51, 200, 60)) == 25


def test_the_commands_place_and_draw_anew(folder, capsys):
    ask = ["map", "--dataset", str(folder), "--encoder", ENCODER, "--projection", "umap",
           "--set", "epochs=20"]  # fmt: skip
    assert main(ask) == 0
    paint(folder, ["a.png"], seed=4)
    assert main(["build", "--dataset", str(folder), "--encoders", ENCODER]) == 0
    (facts,) = kept()
    assert facts["placed"] == 1
    assert main([*ask, "--redraw"]) == 0
    (facts,) = kept()
    assert "placed" not in facts
    capsys.readouterr()
