"""The Index lab on a gallery of its own: every view, sliders that move the pictures, links, and
what can't be done."""

from __future__ import annotations

import json
import re
import shutil
import time
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import store
from core.indexes import base
from core.services import jobs
from core.services.embedding import build
from core.services.index_lab import view as lab_view
from core.services.library import library, uploads
from pages.parts import caches, given
from pages.parts.lab.state import VIEWS
from tests.pages.reading import component, html, notes, param

ENCODER = "tiny.16x16"
CURVES, ONE, LOSS, BUCKETS, ADVICE = VIEWS
COUNT = 320


@pytest.fixture(scope="session")
def gallery(tmp_path_factory) -> Path:
    """An artifacts folder with 320 small pictures of four tints, embedded once for all tests
    here."""
    home, rng = tmp_path_factory.mktemp("lab"), np.random.default_rng(0)
    for label, tint in {
        "sea": (40, 90, 220),
        "sun": (220, 90, 40),
        "moss": (60, 170, 80),
        "ash": (120, 120, 120),
    }.items():
        (home / "pictures" / label).mkdir(parents=True)
        for number in range(COUNT // 4):
            noise = rng.integers(-70, 70, (16, 16, 3))
            picture = Image.fromarray((np.array(tint) + noise).clip(0, 255).astype(np.uint8))
            picture.save(home / "pictures" / label / f"{number}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", str(home / "artifacts"))
        dataset = library.open_dataset(library.add_folder(str(home / "pictures")))
        build.build(dataset, [ENCODER])
    return home


@pytest.fixture
def opened(open_page, gallery, artifacts):
    shutil.copytree(gallery / "artifacts", artifacts, dirs_exist_ok=True)

    def open_view(view: str, **params: str) -> AppTest:
        given = {"dataset": str(gallery / "pictures"), "encoder": ENCODER, **params}
        return open_page("index_lab", view=view, **given)

    return open_view


def ids(app: AppTest, mark: str | None = None) -> list[str]:
    """Pictures of the index's row, or those of one mark."""
    return [
        item["below"]["id"] for item in places(app) if mark is None or item["below"]["mark"] == mark
    ]


def places(app: AppTest) -> list[dict]:
    """The exact answer, each picture with that of the index below it."""
    found = [
        one.proto
        for one in app.get("bidi_component")
        if one.proto.component_name == "lookalike_grid"
    ]
    rows = [one.json for one in found if "answer of the index below" in one.json]
    assert rows, "no row of the index"
    return json.loads(rows[0])[0]["items"]


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_opens(opened, view):
    app = opened(view)
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert param(app, "view") == view


def test_a_measurement_is_a_job_whose_points_outlive_a_reload(opened):
    app = opened(CURVES, indexes="exact;ivf_flat")
    assert "Nothing is measured yet" in notes(app)
    measure(app)
    assert jobs.listing()[0].arguments[0] == "tune"
    again = opened(CURVES, indexes="exact;ivf_flat", recall="0.8")
    said = html(again)
    assert "Nothing is measured yet" not in said
    assert "recall@10 of at least 0.8 the fastest is" in said
    assert "nprobe=64" in said
    assert len(again.get("plotly_chart")) == 1
    assert "recall 1.000" in again.get("plotly_chart")[0].proto.spec


def test_a_measurement_can_be_stopped(opened):
    app = opened(CURVES, indexes="exact;hnsw", size="200000")
    app.button(key="lab_estimate").click().run()
    assert "GB free" in notes(app)
    app.button(key="lab_measure").click().run()
    other = opened(CURVES, indexes="exact")
    assert "Another measurement runs" in notes(other)
    app.button(key="cancel_lab").click().run()
    assert ended().state == "cancelled"
    app.run()
    assert not app.exception
    assert re.search(r"Stopped: \d of \d settings are measured and kept", notes(app))
    assert app.button(key="lab_measure") or app.button(key="lab_estimate")
    assert "Stopped" not in notes(opened(CURVES, indexes="exact"))


def measure(app: AppTest) -> None:
    app.button(key="lab_estimate").click().run()
    assert "of memory" in notes(app)
    app.button(key="lab_measure").click().run()
    assert ended().state == "done"
    caches.forget()  # a page looks for running jobs once a second


def test_what_can_not_hold_a_gallery_is_a_line_for_each_reason(opened):
    measure(opened(CURVES, indexes="factory:IVF5000,Flat;exact"))
    said = unescape(html(opened(CURVES, indexes="factory:IVF5000,Flat;exact")))
    assert said.count("left out") == 1
    assert re.search(r"faiss IVF5000,Flat \(\d+ settings\) is left out: .*5,000", said)


def test_times_of_a_busy_machine_can_be_measured_again(opened, artifacts):
    measure(opened(CURVES, indexes="exact"))
    point = next((artifacts / "cache" / "lab").rglob("point.json"))
    meta = store.read_meta(point.parent)
    point.write_text(json.dumps({**json.loads(point.read_text()), "busy": 2.5}))
    store.write_meta(point.parent, meta)  # as if it had been measured so
    app = opened(CURVES, indexes="exact")
    assert "1 of 1 setting was timed on a busy machine" in notes(app)
    app.button(key="lab_again").click().run()
    assert not app.exception
    assert jobs.listing()[0].arguments[-1] == "--again"
    assert ended().state == "done"
    assert (
        json.loads(next((artifacts / "cache" / "lab").rglob("point.json")).read_text())["busy"]
        != 2.5
    )


def test_a_name_in_a_link_opens_the_set_that_has_it(opened, gallery):
    app = opened(CURVES, dataset="pictures")
    assert param(app, "dataset") == given.link_name(str(gallery / "pictures"))
    assert "not ready in this library" in notes(opened(CURVES, dataset="nothing"))


def ended(patience_s: float = 600.0) -> jobs.JobStatus:
    """The last job, when it is over."""
    deadline = time.monotonic() + patience_s
    while (job := jobs.listing()[0]).active and time.monotonic() < deadline:
        time.sleep(0.2)
    return job


def test_a_slider_moves_recall_and_pictures(opened):
    app = opened(ONE, **{"try": "ivf_flat", "set": "nprobe=1"})
    lost, before = ids(app, "ghost"), html(app)
    assert lost
    assert "take their places" in before or "takes its place" in before
    key = "keep_lab_set_ivf_flat_nprobe"
    app.select_slider(key=key).set_value(64).run()
    assert ids(app, "ghost") == ids(app, "extra") == []
    assert "<b>100%</b>" in html(app)
    assert "No neighbour is missed" in html(app)
    assert param(app, "set") == "nprobe=64"


def test_missed_neighbours_stand_where_they_belong(opened):
    app = opened(ONE, **{"try": "ivf_flat", "set": "nprobe=1"})
    for above in places(app):
        below = above["below"]
        assert above.get("blank") == (True if below["mark"] == "extra" else None)
        assert above["id"] in ("", below["id"])
        if below["mark"] == "ghost":
            assert (below["badge"], below["rank"]) == (f"missed {above['rank']}", ""), (
                "its number is no rank of the index"
            )
    assert [item["rank"] for item in places(app) if item["id"]] == [
        str(rank) for rank in range(1, 11)
    ]


def test_captions_tell_pictures_apart(opened):
    captions = [item["below"]["caption"].partition("\n")[2] for item in places(opened(ONE))]
    assert len(captions) == len(set(captions)) == 10


def test_a_picture_brought_along_is_asked(opened, gallery):
    token = uploads.keep((gallery / "pictures" / "sea" / "7.png").read_bytes())
    app = opened(ONE, query=f"up:{token}")
    assert "sea/7.png" in ids(app)[0]
    assert "not in the gallery" in html(opened(BUCKETS, query=f"up:{token}"))


def test_a_factory_string_becomes_an_index_or_a_sentence(opened):
    app = opened(CURVES, indexes="exact")
    app.text_input(key="lab_custom_indexes").input("IVF4,Nonsense").run()
    assert "is no faiss factory string" in unescape(notes(app))
    app.text_input(key="lab_custom_indexes").input("IVF4,Flat").run()
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert app.multiselect(key="keep_lab_indexes").value == ["exact", "factory:IVF4,Flat"]
    app = opened(ONE, **{"try": "factory:IVF4,Flat", "set": "nprobe=1"})
    assert "faiss IVF4,Flat" in html(app)
    assert param(app, "set") == "nprobe=1"


@pytest.mark.parametrize(
    "params",
    [
        {"view": "<script>"},
        {"encoder": "nope"},
        {"try": "x" * 300},
        {"set": "nprobe=-1,<b>=3"},
        {"size": "9" * 40},
        {"recall": "nan"},
        {"indexes": "nothing;<i>"},
        {"pca": "1e999"},
        {"threshold": "7"},
    ],
)
def test_a_forged_link_shows_the_usual(opened, params):
    app = opened(**{"view": CURVES, **params})
    assert not app.exception
    assert 'role="alert"' not in html(app)
    assert "<script>" not in html(app)
    assert params.get("indexes") is None or "names the index nothing" in notes(app)


def test_an_older_link_opens_the_view_under_its_new_name(opened):
    app = opened("Where it is lost")
    assert param(app, "view") == LOSS
    assert "not possible here" not in notes(app)


def test_an_encoder_that_is_not_built_is_offered(opened):
    app = opened(CURVES, encoder="hsv.12x4x4")
    assert "has no vectors of" in html(app)
    assert "to encode" in html(app)
    assert not app.button(key="lab_build").disabled


def test_too_few_vectors_are_a_sentence_with_the_number_needed(open_page, pictures):
    dataset = library.open_dataset(library.add_folder(str(pictures)))
    build.build(dataset, [ENCODER])
    app = open_page("index_lab", view=ONE, dataset=str(pictures), encoder=ENCODER, **{"try": "pq"})
    assert not app.exception
    assert "256" in notes(app)
    app = open_page("index_lab", view=LOSS, dataset=str(pictures), encoder=ENCODER)
    assert app.select_slider(key="keep_lab_pca").value == 12


def test_pictures_without_labels_are_judged_by_what_is_found_again(open_page, gallery, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted((gallery / "pictures" / "sea").iterdir())[:40]:
        shutil.copy(path, flat / path.name)
    build.build(library.open_dataset(library.add_folder(str(flat))), [ENCODER])
    app = open_page("index_lab", view=LOSS, dataset=str(flat), encoder=ENCODER, pca="8")
    assert not app.exception
    assert "have no labels" in html(app)


def test_a_missing_package_is_said(opened, monkeypatch):
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == "annoy" else object())
    app = opened(ONE, **{"try": "annoy"})
    assert "pip install annoy" in html(app)
    assert "pip install annoy" in html(opened(CURVES, indexes="exact;annoy"))


def test_a_damaged_index_is_built_again(opened, artifacts):
    assert 'role="alert"' not in html(opened(ONE, **{"try": "hnsw"}))
    lab_view._held.clear()
    for path in (artifacts / "cache" / "indexes").rglob("*.faiss"):
        path.write_bytes(b"nothing")
    caches.forget()
    assert 'role="alert"' not in html(opened(ONE, **{"try": "hnsw"}))


def test_damaged_measurements_are_made_again(opened, artifacts):
    said = html(opened(LOSS))
    for path in (artifacts / "cache" / "waterfalls").rglob("*.json"):
        path.write_text("{")
    caches.forget()
    app = opened(LOSS)
    assert 'role="alert"' not in html(app)
    assert said.count("<tr>") == html(app).count("<tr>") > 4


def test_a_hosted_page_enlarges_no_gallery(opened, monkeypatch):
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    app = opened(CURVES, size="1000000")
    assert "size" not in app.query_params
    assert "keep_lab_size" not in [slider.key for slider in app.select_slider]


def test_buckets_show_bits_and_the_threshold(opened):
    app = opened(BUCKETS, threshold="0.8", rows="2")
    said = html(app)
    assert said.count('class="row') == 11
    assert 'class="band met"' in said
    assert "collides in" in said
    assert "have no bands" in said
    assert "never looks at" not in said
    app.segmented_control(key="keep_lab_hash").set_value("minhash").run()
    assert "Jaccard" in html(app)
    assert "never looks at" in html(app)
    assert param(app, "hash") == "minhash"


def test_minhash_starts_as_the_index_does(opened):
    app = opened(BUCKETS, hash="minhash")
    knobs = library.get_index_row("minhash")["knobs"]
    sliders = {
        one.key.removeprefix("keep_lab_"): one.value for one in (*app.select_slider, *app.slider)
    }
    assert {
        "perms": knobs["num_perm"],
        "hashdim": knobs["hash_dim"],
        "threshold": knobs["threshold"],
    }.items() <= sliders.items()
    assert not {"perms", "threshold", "hashdim"} & set(app.query_params)


def test_advice_follows_memory(opened):
    few, little = (
        html(opened(ADVICE, gallery="1000000", memory=memory)) for memory in ("64", "0.1")
    )
    assert "1,000,000" in few
    assert few != little
    assert component(opened(ONE), "grid")["items"]
