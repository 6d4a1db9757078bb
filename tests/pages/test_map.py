"""Map: linked maps of one set of pictures, what a link restores, what a lasso holds, and what can't
be drawn."""

from __future__ import annotations

import base64
import csv
import io
import math
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from core.services import jobs
from core.services.embedding import build
from core.services.library import imports, library, uploads
from core.services.maps import atlas, maps
from core.services.maps import views as map_views
from core.services.maps.maps import Wanted
from tests.pages.reading import component, html, notes, param, say_all

ANCHOR, TITLE = "tf_efficientnet_lite0.in1k", "EfficientNet-Lite0, ImageNet"
"""The encoder to whose map the shipped ones are drawn."""
PAIR = f"{ANCHOR},hog.8x8"


def drawn(app) -> dict:
    """The view that the page sent to its maps, long texts put back."""
    data = component(app, "maps")
    return _whole(data["view"], data["pieces"])


def _whole(value, pieces):
    if isinstance(value, dict):
        return {key: _whole(one, pieces) for key, one in value.items()}
    if isinstance(value, list):
        return [_whole(one, pieces) for one in value]
    return pieces.get(value, value) if isinstance(value, str) else value


def raw(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def grids(app) -> list[dict]:
    import json

    return [
        json.loads(one.proto.json)[0]
        for one in app.get("bidi_component")
        if one.proto.component_name == "lookalike_grid"
    ]


@pytest.fixture
def catalogue():
    return library.open_dataset("catalogue")


def corners(found, share: float = 0.25) -> str:
    """A box around the middle of a map, as a link says it."""
    low, high = found.positions.min(axis=0), found.positions.max(axis=0)
    (x0, y0), (x1, y1) = (
        (low + high) / 2 - share * (high - low),
        (low + high) / 2 + share * (high - low),
    )
    return ";".join(f"{x:.4g},{y:.4g}" for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))


def test_the_first_view_needs_no_job(open_page):
    app = open_page("map")
    view = drawn(app)
    assert [one["title"] for one in view["maps"]] == [TITLE, "Siamese network (ours)", "HOG"]
    assert view["linked"]
    assert jobs.listing() == []
    for one in view["maps"]:
        assert raw(one["xy"], "<u2").reshape(-1, 2).shape == (2720, 2)
        assert len(one["lines"]) == 10
        assert [name for _, name in one["figures"]] == ["trustworthiness", "continuity"]
    assert view["atlas"]["sheets"][0].startswith(
        "@"
    )  # sent when the browser has drawn the maps and asks
    assert app.session_state["map_message_bytes"] < 150_000
    assert (raw(view["atlas"]["slot"], "<u2") == np.arange(2720)).all()
    assert "mean little" in html(app)


def test_a_link_restores_the_view(open_page, catalogue):
    found = maps.read(catalogue, Wanted(ANCHOR))
    params = {
        "encoders": PAIR,
        "query": "item:chair-04-0",
        "map": "umap",
        "colour": "instance",
        "classes": "chair-04\nmug-01",
        "pictures": "1",
        "picked": "chair-04-0",
        "lasso": f"{ANCHOR};{corners(found)}",
        "k": "5",
    }
    app = open_page("map", **params)
    view = drawn(app)
    assert view["pictures"] is True
    assert [name for _, name, _ in view["legend"]][:2] == ["chair-04", "mug-01"]
    assert [len(one["lines"]) for one in view["maps"]] == [5, 5]
    assert view["maps"][0]["chosenAt"] == pytest.approx(
        found.positions[found.ids.index("chair-04-0")].tolist(), abs=1e-4
    )
    assert {name: param(app, name) for name in params} == params
    assert not view["linked"]  # plain UMAP: two arrangements of their own


def test_a_lasso_holds_the_same_pictures_on_every_map(open_page, catalogue):
    found = maps.read(catalogue, Wanted(ANCHOR))
    text = corners(found)
    polygon = [tuple(map(float, pair.split(","))) for pair in text.split(";")]
    inside = [found.ids[row] for row in map_views.inside(found.positions, polygon)]
    assert len(inside) > 100
    app = open_page("map", encoders=PAIR, lasso=f"{ANCHOR};{text}")
    flags = np.unpackbits(raw(drawn(app)["selection"], np.uint8), bitorder="little")[
        : len(found.ids)
    ]
    assert [found.ids[row] for row in np.flatnonzero(flags)] == inside
    assert f"{len(inside):,} pictures selected on the map by {TITLE}" in html(app)
    pictures = next(grid for grid in grids(app) if grid["label"] == "Selected pictures")
    assert [item["id"] for item in pictures["items"]] == inside[: len(pictures["items"])]
    categories = Counter(catalogue.items[catalogue.rows[id]].category for id in inside)
    assert " · ".join(f"{name} {number:,}" for name, number in categories.most_common(3)) in html(
        app
    )


def test_the_selection_exports_as_a_table(catalogue):
    from pages.parts.map import selection
    from pages.parts.map.shown import Shown

    found = maps.read(catalogue, Wanted("hog.8x8"))
    view = type("View", (), {"base": type("Base", (), {"dataset": "catalogue"})})
    shown = [Shown(("", "", "hog.8x8|umap||{}", ""), found, None)]
    text = selection.to_csv(view, shown, np.array([3, 5]), [found.ids[3], found.ids[5]])
    head, first, second = csv.reader(io.StringIO(text))
    assert head == ["id", "path", "label", "instance", "category", "hog.8x8 x", "hog.8x8 y"]
    assert first[0] == found.ids[3]
    assert float(second[5]) == pytest.approx(found.positions[5, 0], rel=1e-4)
    assert selection._plain("=1+1") == "'=1+1"


def test_the_most_typical_picture_of_a_selection_is_asked_on_compare(open_page, catalogue):
    found = maps.read(catalogue, Wanted(ANCHOR))
    app = open_page("map", encoders=PAIR, lasso=f"{ANCHOR};{corners(found, 0.1)}")
    app.button(key="map_use").click().run()
    assert not app.exception
    assert "<h1>Compare</h1>" in html(app)
    assert param(app, "query").removeprefix("item:") in found.ids


def test_a_picked_picture_shows_both_neighbourhoods(open_page, catalogue):
    app = open_page("map", encoders=PAIR, picked="mug-15-0")
    found = maps.read(catalogue, Wanted(ANCHOR))
    near = map_views.neighbourhood(catalogue, found, found.ids.index("mug-15-0"), 8)
    lists = {grid["label"]: grid["items"] for grid in grids(app)}
    space, plane = lists[f"In the space, {TITLE}"], lists[f"On the map, {TITLE}"]
    assert [item["id"] for item in space] == [found.ids[row] for row in near.space]
    both = [{item["id"] for item in side if item["caption"] == "✓ both"} for side in (space, plane)]
    assert both[0] == both[1] == {found.ids[row] for row in near.shared}
    assert f"{len(near.shared)} of 8 neighbours are the same" in html(app)
    app.button(key="map_compare").click().run()
    assert param(app, "query") == "item:mug-15-0"
    assert "<h1>Compare</h1>" in html(app)


def test_an_upload_has_a_place_on_every_map(open_page, artifacts):
    out = io.BytesIO()
    Image.new("RGB", (90, 90), (200, 40, 60)).save(out, "PNG")
    view = drawn(open_page("map", encoders=PAIR, query=f"up:{uploads.keep(out.getvalue())}"))
    for one in view["maps"]:
        x0, y0, span, *_ = one["box"]
        assert x0 <= one["query"][0] <= x0 + span
        assert y0 <= one["query"][1] <= y0 + span
        assert len(one["lines"]) == 10


FIELDS = [
    "category",
    "instance",
    "light",
    "verdict",
    "density",
    "trust",
    "continuity",
    "kept",
    "cluster",
]


@pytest.mark.parametrize("field", FIELDS)
def test_every_colour_can_be_chosen(open_page, field):
    app = open_page("map", encoders=PAIR, colour=field)
    view = drawn(app)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert param(app, "colour") == field
    for one in view["maps"]:
        assert raw(one["colour"], np.uint8).max() < len(view["palette"])
    assert view["scale"] or view["legend"]


def test_the_morph_lists_what_moves_most(open_page, catalogue):
    app = open_page("map", encoders=PAIR, view="Morph")
    view = drawn(app)
    assert view["morph"]["names"] == [TITLE, "HOG"]
    pair = [maps.read(catalogue, one) for one in maps.drawn_together(PAIR.split(","), "aligned")]
    most = [one.id for one in map_views.movers(*pair)]
    listed = next(grid for grid in grids(app) if grid["label"] == "Pictures that move most")
    assert [item["id"] for item in listed["items"]] == most
    assert np.unpackbits(raw(view["selection"], np.uint8)).sum() == len(most)
    assert "Largest neighbourhood changes" in html(app)
    assert "Choose two encoders" in notes(open_page("map", encoders="hog.8x8", view="Morph"))


def test_clusters_have_their_pictures_and_their_agreement(open_page, catalogue):
    app = open_page("map", encoders=PAIR, view="Clusters")
    found = maps.read(catalogue, Wanted(ANCHOR))
    shown = [
        grid for grid in grids(app) if grid["label"] == "The most typical picture of each cluster"
    ]
    assert [item["id"] for item in shown[0]["items"]] == [
        found.ids[row] for row in found.medoids[:40]
    ]
    assert html(app).count("adjusted Rand index") == 2


@pytest.mark.parametrize(
    "params",
    [
        {"lasso": f"{ANCHOR};1,2;nan,3;4,5"},
        {"lasso": "<script>;1,1;2,2;3,3"},
        {"lasso": ";;;"},
        {"picked": "../../etc/passwd"},
        {"map": "umpa"},
        {"colour": "__class__"},
        {"classes": "no such\nclass"},
        {"view": "All"},
        {"morph": "inf", "view": "Morph"},
        {"neighbours": "1e9"},
        {"neighbours": "many"},
        {"min_dist": "-3"},
        {"pictures": "yes"},
    ],
)
def test_a_forged_link_never_breaks_the_page(open_page, params):
    app = open_page("map", encoders=PAIR, **params)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert drawn(app)["maps"]


FORGED = ([], "x", 7, {"map": "x"}, {"map": 9e99, "x": 1, "y": None}, {"map": 5, "id": ["a"]})


def test_what_no_map_says_never_breaks_the_page(open_page, catalogue):
    app = open_page("map", encoders=PAIR)
    lassos = [{"map": 99, "polygon": [[0, 0], [1, 0], [0, 1]]}, {"map": 0, "polygon": [[0, "x"]]}]
    places = [{"map": 10**30, "x": 1e300, "y": -1e300}, {"map": 0, "x": math.nan, "y": 0}]
    for number, said in enumerate((*FORGED, *lassos, *places), start=1):
        events = ("selected", "picked", "morphed", "opened")[: 3 + (said in FORGED)]
        done = {event: [[number, said]] for event in events}
        rests = {"reach": 1, **said} if isinstance(said, dict) else said
        say_all(app, "maps", {**done, "hovered": rests, "needed": said})
        assert not app.exception, said
        assert 'role="alert"' not in html(app), said
        assert drawn(app)["maps"], said
    assert "lasso" not in app.query_params


@pytest.mark.parametrize(
    ("count", "step", "why"), [(3, 70, "too few for a map"), (6, 0, "all have the same vector")]
)
def test_what_cannot_be_drawn_says_why(open_page, tmp_path, count, step, why):
    for number in range(count):
        Image.new("RGB", (32, 32), (step * number, 90, 200)).save(tmp_path / f"{number}.png")
    locator = library.add_folder(str(tmp_path))
    build.build(library.open_dataset(locator), ["hsv.12x4x4"])
    app = open_page("map", dataset=locator, encoders="hsv.12x4x4")
    assert why in notes(app)
    assert jobs.listing() == []


def test_the_encoder_that_cannot_be_drawn_is_named(open_page, pictures, tmp_path):
    locator = library.add_folder(str(pictures))
    found = library.open_dataset(locator)
    build.build(found, ["tiny.16x16"])
    np.save(tmp_path / "same.npy", np.ones((len(found.items), 5), np.float32))
    (tmp_path / "same.txt").write_text("\n".join(item.id for item in found.items))
    build.build(found, [imports.import_vectors(locator, "same", str(tmp_path / "same.npy"))])
    said = notes(open_page("map", dataset=locator, encoders="tiny.16x16,imported.same"))
    assert "same: The 12 pictures all have the same vector" in said
    assert "Traceback" not in said


def test_a_large_set_is_drawn_as_a_picture_that_says_so(open_page, monkeypatch, catalogue):
    from core.services.maps import page as map_data

    monkeypatch.setattr(map_data, "VECTOR_UP_TO", 1000)
    sheet = atlas.get(catalogue)
    some = atlas.Atlas(sheet.ids[::10], sheet.sheets, sheet.side, sheet.columns, 272)
    monkeypatch.setattr(atlas, "get", lambda dataset, **options: some)
    found = maps.read(catalogue, Wanted(ANCHOR))
    view = drawn(open_page("map", encoders=PAIR, lasso=f"{ANCHOR};{corners(found)}"))
    for one in view["maps"]:
        assert one["raster"].startswith("data:image/png")
        assert one["chosen"].startswith("data:image/png")
        assert "drawn as a picture, 272 of them as dots" in one["note"]
        assert len(raw(one["xy"], "<u2")) == 2 * 272
