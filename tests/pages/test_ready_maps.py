"""Maps that come with the code: they open without embeddings, say so, and build them when something
asks for them."""

from __future__ import annotations

import json

import pytest

from core import store
from core.cli.main import main
from core.services import jobs
from core.services.embedding import stored
from core.services.embedding.opening import FIRST_ENCODERS
from core.services.evaluation import reports
from core.services.library import library
from core.services.maps import maps
from core.services.maps.maps import Wanted
from pages.parts import builds, cached
from tests.pages.reading import component, html, notes

PAIR = "phash.16x16,dhash.16x16"


@pytest.fixture
def no_vectors(monkeypatch):
    """As if no embeddings had come with the code."""
    came = store.came
    monkeypatch.setattr(
        store, "came", lambda kind, *named: None if kind == stored.KIND else came(kind, *named)
    )


@pytest.fixture
def started(monkeypatch) -> list:
    """What a page starts to build, without building it."""
    calls = []
    monkeypatch.setattr(
        builds, "start", lambda locator, names, index="exact": calls.append((locator, list(names)))
    )
    return calls


def drawn(app) -> dict:
    return component(app, "maps")["view"]


@pytest.mark.usefixtures("no_vectors")
def test_the_page_opens_without_embeddings_and_says_what_waits_for_them(open_page):
    app = open_page("map", encoders=PAIR)
    assert not app.exception
    assert jobs.listing() == []
    assert [one["title"] for one in drawn(app)["maps"]] == ["Perceptual hash", "Difference hash"]
    assert [one["lines"] for one in drawn(app)["maps"]] == [[], []]
    assert all(one["query"] for one in drawn(app)["maps"])
    assert "came with the code" in html(app)
    assert app.button(key="map_build_vectors")


@pytest.mark.usefixtures("no_vectors")
def test_a_picked_picture_asks_for_the_embeddings(open_page, started):
    app = open_page("map", encoders=PAIR, picked="mug-15-0", run=False)
    app.run()
    assert not app.exception
    assert started[0] == ("catalogue", PAIR.split(","))


@pytest.mark.usefixtures("no_vectors")
def test_a_selection_of_a_ready_map_leads_to_compare(open_page):
    found = maps.read(library.open_dataset("catalogue"), Wanted("phash.16x16"))
    (x0, y0), (x1, y1) = found.positions.min(axis=0), found.positions.max(axis=0)
    corners = ";".join(f"{x:.4g},{y:.4g}" for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
    app = open_page("map", encoders="phash.16x16", lasso=f"phash.16x16;{corners}")
    app.button(key="map_use").click().run()
    assert "<h1>Compare</h1>" in html(app)


def test_encoders_without_a_map_of_their_pair_meet_on_a_common_one(open_page):
    app = open_page("map", encoders="dhash.16x16,phash.16x16,sift.vlad32")
    assert jobs.listing() == []
    assert all(
        f"drawn towards {maps.title(FIRST_ENCODERS[0])}" in one["note"]
        for one in drawn(app)["maps"]
    )
    assert drawn(app)["linked"]


@pytest.mark.usefixtures("no_vectors")
def test_a_file_of_a_ready_map_needs_no_build(tmp_path, capsys):
    out = tmp_path / "map.html"
    given = ["map", "--dataset", "catalogue", "--encoders", PAIR, "--out", str(out), "--json"]
    assert main(given) == 0
    assert [row["anchor"] for row in json.loads(capsys.readouterr().out)] == [FIRST_ENCODERS[0]] * 2
    assert out.stat().st_size > 1_000_000
    assert store.listed(store.cache("embeddings")) == []


@pytest.mark.usefixtures("no_vectors")
@pytest.mark.parametrize(
    "path", [one.name for one in store.listed(store.shipped() / "maps") if "--" in one.name]
)
def test_shipped_maps_are_current(path):
    encoder, projection, *anchor = path.split("--")
    params = {name: one.default for name, one in maps.settings_of(projection).items()}
    wanted, dataset = (
        Wanted(encoder, projection, "".join(anchor), params),
        library.open_dataset("catalogue"),
    )
    assert maps.find(dataset, wanted) == store.shipped() / "maps" / path, "stale: run make shipped"
    found = maps.read(dataset, wanted)
    assert list(found.ids) == [item.id for item in dataset.items]
    assert found.positions.shape == (len(found.ids), 2)
    assert (
        len(found.trust)
        == len(found.kept)
        == len(found.nearest)
        == len(found.clusters)
        == len(found.ids)
    )


def test_every_encoder_of_the_shipped_leaderboard_has_its_maps():
    from core.encoders.base import encoders

    cells, known = reports.Report.load(reports.find("leaderboard")).cells, set(encoders.names())
    names = {cell.encoder for cell in cells if cell.dataset == "catalogue"} & known
    there = {one.name for one in store.listed(store.shipped() / "maps")}
    wanted = {f"{name}--{kind}" for name in names for kind in ("umap", "pca")}
    wanted |= {
        f"{name}--aligned--{FIRST_ENCODERS[0]}" for name in names if name != FIRST_ENCODERS[0]
    }
    assert wanted <= there, "missing: run make shipped"


def test_an_encoder_that_can_not_be_had_offers_no_map(open_page, monkeypatch):
    known, name = cached.encoder_row, "resnet50.tv_in1k"
    gone = {**known(name), "state": "unavailable", "detail": "Its files are not here."}
    monkeypatch.setattr(cached, "encoder_row", lambda one: gone if one == name else known(one))
    app = open_page("map", encoders=f"{name},hog.8x8")
    assert "ResNet-50, which is not available here" in notes(app)
    assert not [one for one in app.button if "maps" in one.label]
