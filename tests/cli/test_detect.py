"""``detect``, ``detectors``, and the options ``--box`` and ``--crop``."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tests.detectors.conftest import network, thing  # noqa: F401 (fixtures)
from tests.plugged import numbered, paint

YOLO = np.zeros((1, 300, 6), np.float32)
YOLO[0, 0], YOLO[0, 1] = (16, 16, 48, 48, 0.9, 1), (0, 0, 8, 8, 0.6, 0)
"""In a picture of 64 x 64: a large box in the middle, and a small one in the corner."""


@pytest.fixture
def brought(network, artifacts):  # noqa: F811
    """An ONNX file of a user's own."""
    path = network("elsewhere", YOLO, names="{0: 'cup', 1: 'plate'}")
    moved = artifacts / "best.onnx"
    path.rename(moved)
    return moved


@pytest.fixture
def picture(thing, tmp_path):  # noqa: F811
    Image.fromarray(thing(200, 200)).save(tmp_path / "query.png")
    return tmp_path / "query.png"


def test_detect_prints_exactly_what_is_promised(here, brought, picture):
    assert here("detectors", "--bring", str(brought), "--name", "mine")[0] == 0
    code, out, err = here("detect", "--image", str(picture), "--detector", "yolo.mine", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "boxes": [
            {
                "box": [0.25, 0.25, 0.75, 0.75],
                "score": pytest.approx(0.9, abs=1e-6),
                "label": "plate",
            },
            {
                "box": [0.0, 0.0, 0.125, 0.125],
                "score": pytest.approx(0.6, abs=1e-6),
                "label": "cup",
            },
        ]
    }
    code, out, _ = here("detect", "--image", str(picture), "--detector", "yolo.mine")
    lines = out.splitlines()
    assert lines[0].split() == ["box", "score", "label", "main"]
    assert lines[1].split() == ["0.250,", "0.250,", "0.750,", "0.750", "0.900", "plate", "yes"]
    assert lines[2].split()[-1] == "cup"


def test_whole_has_one_box(here, picture):
    code, out, _ = here("detect", "--image", str(picture), "--detector", "whole", "--json")
    assert (code, json.loads(out)) == (
        0,
        {"boxes": [{"box": [0, 0, 1, 1], "score": 1, "label": None}]},
    )


def test_a_plain_picture_has_no_box_and_a_reason(here, brought, tmp_path):
    here("detectors", "--bring", str(brought), "--name", "mine")
    Image.new("RGB", (90, 90), "navy").save(tmp_path / "plain.png")
    code, out, err = here(
        "detect", "--image", str(tmp_path / "plain.png"), "--detector", "yolo.mine", "--json"
    )
    assert (code, json.loads(out)) == (0, {"boxes": []})
    assert "of one colour" in err


def test_networks_are_brought_listed_and_removed(here, brought):
    assert here("detectors", "--bring", str(brought))[::2] == (
        1,
        "The network has no name. Add --name NAME.\n",
    )
    _, out, err = here("detectors", "--bring", str(brought), "--name", "mine", "--json")
    assert "--detector yolo.mine" in err
    assert {"name": "yolo.mine", "state": "ready", "tier": "imported"}.items() <= json.loads(out)[
        -1
    ].items()
    assert here("detectors", "--bring", str(brought), "--name", "yolo.mine")[0] == 1
    assert "yolo.mine" in here("detectors")[1]
    assert here("detectors", "--remove", "yolo.mine")[0] == 0
    assert "yolo.mine" not in here("detectors")[1]
    assert brought.exists()
    for name in ("yolo.mine", "saliency", "yolo.../.."):
        assert here("detectors", "--remove", name)[0] == 1


@pytest.mark.parametrize(
    ("data", "why"), [(b"PK\x03\x04rest", "is a file of PyTorch"), (b"text", "is no ONNX file")]
)
def test_files_that_are_no_network_are_not_kept(here, artifacts, tmp_path, data, why):
    (tmp_path / "net.onnx").write_bytes(data)
    code, _, err = here("detectors", "--bring", str(tmp_path / "net.onnx"), "--name", "mine")
    assert code == 1
    assert why in err
    assert not (artifacts / "models" / "yolo.mine").exists()


@pytest.fixture
def gallery(tmp_path):
    return paint(tmp_path / "gallery", numbered(6))


def test_search_and_compare_with_a_part(here, brought, picture, gallery):
    here("detectors", "--bring", str(brought), "--name", "mine")
    base = ("--dataset", str(gallery), "--query", str(picture), "-k", "3", "--json")
    code, out, _ = here("search", "--encoder", "tiny.16x16", *base, "--crop", "yolo.mine")
    cropped = json.loads(out)
    assert code == 0
    assert (cropped["box"], cropped["crop"], cropped["note"]) == (
        pytest.approx([0.175, 0.175, 0.825, 0.825]),
        "yolo.mine",
        "",
    )
    assert list(cropped["timing_ms"]) == ["decode", "detect", "preprocess", "encode", "search"]
    drawn = json.loads(
        here("search", "--encoder", "tiny.16x16", *base, "--box", "0.175,0.175,0.825,0.825")[1]
    )
    assert (drawn["box"], drawn["crop"]) == ([0.175, 0.175, 0.825, 0.825], None)
    assert drawn["hits"] == cropped["hits"]
    both = json.loads(
        here("compare", "--encoders", "tiny.16x16,hsv.12x4x4", *base, "--crop", "yolo.mine")[1]
    )
    assert (both["crop"], both["answers"][0]["hits"]) == ("yolo.mine", cropped["hits"])
    code, out, err = here("search", "--encoder", "tiny.16x16", *base, "--box", "0.5,0.1,0.5,0.9")
    assert (code, json.loads(out)["box"]) == (0, None)
    assert json.loads(out)["note"] in err
    assert "box" not in json.loads(here("search", "--encoder", "tiny.16x16", *base)[1])
    assert (
        "Searched with the part 0.175, 0.175, 0.825, 0.825"
        in here("search", "--encoder", "tiny.16x16", *base[:-1], "--crop", "yolo.mine")[1]
    )


@pytest.mark.parametrize("box", ["", "1,2,3", "a,b,c,d", "0.1,0.2,0.3,0.4,0.5", "0.1;0.2;0.3;0.4"])
def test_a_box_that_is_none_is_a_wrong_argument(here, gallery, picture, box):
    query = ("--dataset", str(gallery), "--query", str(picture), "--encoder", "tiny.16x16")
    code, _, err = here("search", *query, "--box", box)
    assert code == 2
    assert "--box" in err
    assert here("search", *query, "--box", "0,0,1,1", "--crop", "whole")[0] == 2
