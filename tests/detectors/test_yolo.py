"""YOLO networks that are brought: every layout of boxes, duplicates, letterboxing, and a sentence
for what is none."""

from __future__ import annotations

import io
import multiprocessing
import pickle

import numpy as np
import pytest

from core.detectors import yolo
from core.detectors.base import detectors
from core.errors import UserError

PLACES = 8 * 8 + 4 * 4 + 2 * 2  # of 64 x 64 pixels at strides 8, 16, 32
NAMES = "{0: 'cup', 1: 'plate'}"
WIDE = (128, 64)
"""Width and height of the picture: in a square of 64 pixels it has 16 rows of grey above and
below."""


def rows(count: int, columns: int, *found: tuple) -> np.ndarray:
    """(count, columns) of almost nothing, with these rows somewhere in it."""
    table = np.zeros((count, columns), np.float32)
    table[:, :4] = (5, 5, 4, 4)
    for place, row in enumerate(found):
        table[7 * place + 3] = row
    return table


def v8(*found: tuple) -> np.ndarray:
    return rows(PLACES, 6, *found).T[None]


BOXES = (
    (32, 32, 16, 16, 0.9, 0.0),
    (33, 32, 16, 16, 0.6, 0.0),
    (33, 32, 16, 16, 0.1, 0.5),
    (10, 10, 8, 8, 0.0, 0.2),
)


def found(image: np.ndarray, name: str = "yolo.mine") -> list[tuple]:
    return [
        (*np.round(box.edges, 3).tolist(), round(box.score, 3), box.label)
        for box in detectors.get(name).detect(image)
    ]


@pytest.fixture
def picture(thing):
    return thing(*WIDE)


EXPECTED = [(0.375, 0.25, 0.625, 0.75, 0.9, "cup"), (0.391, 0.25, 0.641, 0.75, 0.5, "plate")]
"""The middle quarter of the square's width is a quarter of the picture's, and half of its
height."""


def test_v8_without_duplicates_in_the_fractions_of_the_picture(network, picture):
    network("yolo.mine", v8(*BOXES), names=NAMES, task="detect")
    assert found(picture) == EXPECTED


def test_v5_multiplies_by_the_score_that_anything_is_there(network, picture):
    objects = [(*box[:4], 0.5, box[4] * 2 if box[4] else 0, box[5] * 2) for box in BOXES]
    network("yolo.mine", rows(3 * PLACES, 7, *objects)[None], names="['cup', 'plate']")
    assert found(picture) == EXPECTED


def test_v5_with_its_raw_heads_beside(network, picture):
    objects = [(*box[:4], 1.0, *box[4:]) for box in BOXES]
    raw = [np.zeros((1, 3, side, side, 7)) for side in (8, 4, 2)]
    network("yolo.mine", rows(3 * PLACES, 7, *objects)[None], *raw)
    assert [
        (*box[:5], box[5].replace("class 0", "cup").replace("class 1", "plate"))
        for box in found(picture)
    ] == EXPECTED


def test_networks_that_drop_duplicates_themselves(network, picture):
    listed = np.zeros((1, 300, 6), np.float32)
    listed[0, 0], listed[0, 1] = (24, 24, 40, 40, 0.9, 0), (25, 24, 41, 40, 0.5, 1)
    network("yolo.mine", listed, names=NAMES)
    assert found(picture) == EXPECTED


def test_rows_of_places_need_the_names(network, picture):
    network("yolo.named", rows(PLACES, 6, *BOXES)[None], names=NAMES)
    network("yolo.unnamed", rows(PLACES, 7, *((*b, 0) for b in BOXES))[None])
    assert found(picture, "yolo.named") == EXPECTED
    with pytest.raises(UserError, match="no layout of YOLO boxes"):
        found(picture, "yolo.unnamed")


def test_half_precision_and_any_side(network, picture):
    from onnx import TensorProto

    network("yolo.half", v8(*BOXES), names=NAMES, kind=TensorProto.FLOAT16)
    network("yolo.any", v8(*BOXES), names=NAMES, side=("height", "width"), imgsz="[64, 64]")
    assert found(picture, "yolo.half") == found(picture, "yolo.any") == EXPECTED


def test_real_shapes_of_the_layouts():
    assert yolo.layout((1, 25200, 85), 640, 640) == "v5"
    assert yolo.layout((1, 84, 8400), 640, 640) == yolo.layout((1, 84, 8400), 640, 640, 80) == "v8"
    assert yolo.layout((1, 300, 6), 640, 640) == "listed"
    assert yolo.layout((1, 5, 6300), 480, 640) == "v8"
    assert yolo.layout((1, 102000, 85), 1280, 1280) == "v5"  # P6
    assert yolo.layout((1, 116, 8400), 640, 640, 80) == ""  # masks behind the classes
    assert yolo.layout((2, 84, 8400), 640, 640) == ""


def test_a_letterbox_keeps_shape_and_middle():
    image = np.full((30, 90, 3), 200, np.uint8)
    paper, scale, left, top = yolo.letterboxed(image, 64, 64)
    assert (left, top, paper.shape) == (0, 21, (64, 64, 3))
    assert scale == pytest.approx(64 / 90)
    assert (paper[:21] == 114).all()
    assert (paper[21:42] == 200).all()
    assert (paper[42:] == 114).all()


@pytest.mark.parametrize(
    ("outputs", "told", "why"),
    [
        ((np.zeros((1, 1000)),), {}, r"\(1, 1000\): no layout of YOLO boxes"),
        (
            (np.zeros((1, 38, PLACES)), np.zeros((1, 32, 16, 16))),
            {"names": NAMES},
            r"no layout .* \(1, 4 \+ classes, places\)",
        ),
        ((np.zeros((1, 38, PLACES)),), {"names": NAMES}, "no layout"),
        ((np.zeros((1, 38, PLACES)),), {"task": "segment"}, "for the task 'segment'"),
        ((np.zeros((1, 12, 500)),), {}, "no layout"),
    ],
)
def test_another_layout_gets_a_sentence(network, picture, outputs, told, why):
    network("yolo.mine", *outputs, **told)
    with pytest.raises(UserError, match=why):
        found(picture)


def test_inputs_that_are_no_rgb_picture(network, picture):
    network("yolo.large", v8(*BOXES), side=(64, 4096))
    with pytest.raises(UserError, match="32 to 2048 a side"):
        found(picture, "yolo.large")


@pytest.mark.parametrize("data", [b"", b"no network at all", b"\xff\xd8\xff\xe0 a photograph"])
def test_a_file_that_is_no_onnx(artifacts, picture, data):
    path = artifacts / "models" / "yolo.mine" / "net.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"net\.onnx is no ONNX file"):
        found(picture)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('it ran')",)


@pytest.mark.parametrize("name", ["best.pt", "best.onnx"])
@pytest.mark.parametrize("form", ["torch", "script", "pickle"])
def test_files_of_pytorch_are_refused_unread(artifacts, picture, name, form):
    import torch

    out = io.BytesIO()
    if form == "torch":
        torch.save({"model": torch.zeros(2)}, out)
    elif form == "script":
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), out)
    else:
        pickle.dump(Evil(), out)
    path = artifacts / "models" / "yolo.mine" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(out.getvalue())
    made = detectors.get("yolo.mine")
    assert made.state().kind == "unavailable"
    with pytest.raises(UserError, match="may run any program") as refused:
        made.detect(picture)
    assert "as ONNX only" in str(refused.value)


def test_names_lead_to_files_and_nowhere_else(network, picture):
    with pytest.raises(UserError, match="No YOLO network is here yet"):
        detectors.get("yolo")
    network("yolo.mine", v8(*BOXES), names=NAMES)
    assert "yolo.mine" in detectors.names()
    assert detectors.get("yolo").name == "yolo.mine"
    for name in ("yolo.other", "yolo.../../etc"):
        with pytest.raises(UserError):
            detectors.get(name)


def test_without_onnxruntime_it_says_so(network, picture, monkeypatch):
    from core.detectors import onnx_file

    network("yolo.mine", v8(*BOXES), names=NAMES)
    monkeypatch.setattr(onnx_file, "PACKAGE", "no_such_package")
    made = detectors.get("yolo.mine")
    assert made.state().kind == "unavailable"
    with pytest.raises(UserError, match="onnxruntime is not installed"):
        made.detect(picture)


def test_another_file_is_another_detector(network, artifacts):
    first, second = (
        network("yolo.mine", v8(*BOXES), names=NAMES),
        network("yolo.other", v8(*BOXES[:1]), names=NAMES),
    )
    before = detectors.get("yolo.mine").fingerprint()
    assert detectors.get("yolo.mine").fingerprint() == before
    first.write_bytes(second.read_bytes())
    assert detectors.get("yolo.mine").fingerprint() != before


def test_a_forked_process_opens_the_file_anew(network, picture, monkeypatch):
    """To close what it inherited would wait for ever for threads that only its parent has."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    network("yolo.mine", v8(*BOXES), names=NAMES)
    made = detectors.get("yolo.mine")
    wanted = made.detect(picture)
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(
        target=lambda: theirs.send(made.detect(picture)), daemon=True
    )
    child.start()
    try:
        assert ours.poll(60), "the child hangs"
        assert ours.recv() == wanted
    finally:
        child.kill()
        child.join()
