"""Compare: a picture by its address where the server allows it, a YOLO network from the browser, the
answers as JSON."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from core.errors import UserError
from core.services.embedding import detecting
from core.services.library import addresses, uploads
from core.services.search import export
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.detectors.conftest import network  # noqa: F401 (a fixture)
from tests.pages.reading import html, param

ENCODERS = "hog.8x8,tiny.16x16"
OUTPUT = np.zeros((1, 6, 84), np.float32)
"""Of a v8 network with two classes at 64 x 64 pixels."""


def png() -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def compare(open_page, monkeypatch):
    def opened(hosted: bool = False, **params: str):
        if hosted:
            monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
        return open_page("compare", **{"encoders": ENCODERS, "subject": "whole", **params})

    return opened


def window(app, key: str):
    app.session_state[key] = True
    return app.run()


def test_an_address_is_offered_only_where_the_server_allows_it(compare, monkeypatch):
    assert "address_open" not in compare().session_state
    monkeypatch.setenv(addresses.SETTING, "1")
    monkeypatch.setattr(addresses, "picture_at", lambda address: png())
    assert "address_open" in compare().session_state
    app = window(compare(), "address_open")
    app.text_input(key="address_0").set_value("https://pictures.test/a.png").run()
    assert not app.exception
    assert param(app, "query").startswith("up:")
    assert uploads.read(param(app, "query")[3:]) == png()


@pytest.mark.parametrize("found", [UserError("That is no host."), b"no picture at all"])
def test_an_address_that_gives_no_picture_is_told_and_the_query_stays(compare, monkeypatch, found):
    def fetch(address: str) -> bytes:
        if isinstance(found, UserError):
            raise found
        return found

    monkeypatch.setenv(addresses.SETTING, "1")
    monkeypatch.setattr(addresses, "picture_at", fetch)
    app = window(compare(query="item:mug-15-0"), "address_open")
    app.text_input(key="address_0").set_value("https://pictures.test/a.png").run()
    assert param(app, "query") == "item:mug-15-0"
    assert ("That is no host." if isinstance(found, UserError) else "picture") in html(app)
    assert 'role="alert"' in html(app)


@pytest.fixture
def yolo(network):  # noqa: F811
    path = network("scratch", OUTPUT, names="{0: 'a', 1: 'b'}")
    data = path.read_bytes()
    shutil.rmtree(path.parent)
    return data


def bring(app, file: str, data: bytes, name: str):
    app = window(app, "subject_open")
    app.file_uploader(key="yolo_file_0").set_value((file, data, "application/octet-stream")).run()
    app.text_input(key="yolo_name_0").set_value(name).run()
    return app.button(key="yolo_take").click().run()


def test_a_yolo_network_is_brought_chosen_and_removed(compare, yolo):
    app = bring(compare(), "best.onnx", yolo, " mine ")
    assert not app.exception
    assert app.session_state["keep_subject"] == "yolo.mine"
    assert param(app, "subject") == "yolo.mine"
    app = window(app, "subject_open")  # it closes when another detector is chosen
    assert "yolo.mine looks for the subject now." in html(app)
    app.button(key="yolo_remove_yolo.mine").click().run()
    assert "yolo.mine" not in [row["name"] for row in detecting.detector_rows()]
    assert app.session_state["keep_subject"] != "yolo.mine"


@pytest.mark.parametrize(
    ("file", "data", "why"),
    [
        ("best.pt", b"PK\x03\x04 anything", "is a file of PyTorch"),
        ("best.onnx", b"PK\x03\x04 anything", "is a file of PyTorch"),
        ("best.onnx", b"no network", "best.onnx"),
        ("best.onnx", b"", "best.onnx"),
    ],
)
def test_a_file_that_is_no_network_is_refused_in_a_sentence(compare, file, data, why):
    pytest.importorskip("onnxruntime")
    app = bring(compare(), file, data, "mine")
    assert not app.exception
    assert why in html(app)
    assert 'role="alert"' in html(app)
    assert app.session_state["keep_subject"] == "whole"
    assert "yolo.mine" not in [row["name"] for row in detecting.detector_rows()]


def test_a_public_demo_takes_no_networks(compare):
    app = window(compare(hosted=True), "subject_open")
    assert not app.get("file_uploader")


def test_the_answers_as_json_are_those_of_the_command_line(compare):
    from core.services.library.library import open_dataset

    dataset = open_dataset("catalogue")
    found = search(SearchRequest(Query(item_id="mug-15-0"), "hog.8x8", k=3), dataset)
    told = json.loads(export.to_json([found], "item:mug-15-0", ["category=mug"]))
    assert (told["query"], told["where"], told["box"]) == ("item:mug-15-0", ["category=mug"], None)
    (answer,) = told["answers"]
    assert answer == json.loads(json.dumps(export.plain(found)))
    assert [hit["id"] for hit in answer["hits"]] == [hit.id for hit in found.hits]
    labels = [one.proto.label for one in compare().get("download_button")]
    assert labels[-3:] == ["Table (CSV)", "Data (JSON)", "Picture (PNG)"]
