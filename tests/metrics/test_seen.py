"""Has an encoder seen the pictures that it is evaluated on? By what they are, whatever their folder
is called."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.encoders.trained_networks import Blueprint, build
from core.services.embedding import contents
from core.services.evaluation import crossing, seen
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.report_files import csv, latex
from core.services.library import library
from core.services.training import train
from core.training.train import write_model

SETTINGS = {"backbone": "resnet-slim", "pretrained": False}


@pytest.fixture
def pets(tmp_path):
    """200 pictures of two classes in train and test: more than the marks of a set."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 80), ("test", 20)):
        for label, tint in (("cold", (40, 90, 220)), ("warm", (220, 90, 40))):
            (tmp_path / "pets" / split / label).mkdir(parents=True)
            for number in range(count):
                picture = (
                    (np.array(tint) + rng.integers(0, 36, (8, 8, 3))).clip(0, 255).astype(np.uint8)
                )
                Image.fromarray(picture).save(tmp_path / "pets" / split / label / f"{number}.png")
    return tmp_path / "pets"


@pytest.fixture
def model(artifacts, pets):
    """``model(**card)``: a network with the weights of chance and a card that says it learned from
    the pets."""

    def made(name="resnet.mine", network="resnet-slim", **card):
        blueprint = Blueprint("embedder", network, 16, 32)
        told = {
            "data": [{"name": "pets", "classes": 2, "pictures": 160, "note": ""}],
            "settings": dict(SETTINGS),
            **card,
        }
        return write_model(name, build(blueprint), blueprint, told)

    return made


def asked(name: str, path) -> seen.Seen:
    return seen.seen(encoders.get(name), library.open_dataset(str(path), fresh=True))


def test_what_learns_nothing_has_seen_nothing(pets):
    assert asked("hog.8x8", pets) == seen.Seen(seen.NONE, "none")


def test_a_name_serves_where_the_card_has_no_marks(model, pets, tmp_path):
    model()
    assert asked("resnet.mine", pets) == seen.Seen(seen.PART, "trained on its training part")
    assert asked("resnet.mine-untrained", pets).kind == seen.NONE
    shutil.copytree(pets / "train", tmp_path / "flat" / "pets")
    assert asked("resnet.mine", tmp_path / "flat" / "pets").kind == seen.ALL, (
        "without a split, all of it was learned from"
    )
    shutil.copytree(pets, tmp_path / "animals")
    assert asked("resnet.mine", tmp_path / "animals").kind == seen.NONE


def test_marks_know_the_pictures_whatever_they_are_called(model, pets, tmp_path):
    folder = model(settings={**SETTINGS, "datasets": [str(pets)]})
    seen.remember(folder)
    (told,) = json.loads((folder / "card.json").read_text())["data"]
    assert (len(told["marks"]), told["of"], told["classes"]) == (contents.MARKS, 160, 2)
    assert asked("resnet.mine", pets).kind == seen.PART
    with zipfile.ZipFile(tmp_path / "animals.zip", "w") as archive:
        for path in pets.rglob("*.png"):
            archive.write(path, f"{path.parent.parent.name}/{path.parent.name}/x{path.name}")
    assert asked("resnet.mine", tmp_path / "animals.zip").kind == seen.PART
    turned = tmp_path / "turned"
    shutil.copytree(pets / "train", turned / "test")
    shutil.copytree(pets / "test", turned / "train")
    assert asked("resnet.mine", turned) == seen.Seen(
        seen.ALL, "trained on these very pictures, validation too"
    )
    for path in (tmp_path / "turned").rglob("*.png"):
        Image.fromarray(255 - np.array(Image.open(path))).save(path)
    (tmp_path / "other").mkdir()
    shutil.move(turned, tmp_path / "other" / "pets")
    assert asked("resnet.mine", tmp_path / "other" / "pets").kind == seen.NONE, (
        "the name alone says nothing beside marks"
    )


def test_training_leaves_marks(model, pets, monkeypatch):
    folder = model(settings={**SETTINGS, "datasets": [str(pets)]})

    class Finished:
        id = "train-x"
        settings = lines = staticmethod(list)

    monkeypatch.setattr("core.training.train.work", lambda run, progress: folder)
    monkeypatch.setattr(train, "_fit_here", lambda run, progress: None)
    monkeypatch.setattr(train, "_remember_pace", lambda run: None)
    assert train.work(Finished()) == folder
    assert json.loads((folder / "card.json").read_text())["data"][0]["marks"]


def test_where_a_set_can_not_be_opened_the_card_stays_as_it_was(model):
    folder = model(settings={**SETTINGS, "datasets": ["$NO_SUCH_VARIABLE/pets"]})
    seen.remember(folder)
    assert "marks" not in json.loads((folder / "card.json").read_text())["data"][0]


@pytest.fixture
def synsets(tmp_path, pets):
    """Folders that bear WordNet ids, as ImageNet's pictures do."""
    for split in ("train", "val"):
        for name, label in (("n02123045", "cold"), ("n02099601", "warm")):
            shutil.copytree(pets / "test" / label, tmp_path / "mine" / split / name)
    return tmp_path / "mine"


def test_imagenet_is_known_by_its_ids(synsets, pets):
    said = asked("tf_efficientnet_lite0.in1k", synsets)
    assert said == seen.Seen(seen.ALL, "trained on these very pictures, validation too")
    assert asked("tf_efficientnet_lite0.in1k:pool=gem,pca=8", synsets).kind == seen.ALL
    assert asked("tf_efficientnet_lite0.in1k", pets).kind == seen.NONE
    for number, path in enumerate(sorted((synsets / "val").rglob("*.png"))):
        path.rename(path.with_name(f"ILSVRC2012_val_{number:08d}.png"))
    assert asked("tf_efficientnet_lite0.in1k", synsets).kind == seen.PART, (
        "its own validation part is never trained on"
    )


def test_what_it_began_as_is_remembered_when_that_is_gone(model, synsets, pets, artifacts):
    first = model(
        "first.mine",
        settings={**SETTINGS, "datasets": [str(pets)]},
        starts_from="tf_efficientnet_lite0.in1k",
        data=[{"name": "pets", "classes": 2, "pictures": 160, "note": ""}],
    )
    seen.remember(first)
    folder = model(
        data=[{"name": "others", "classes": 2, "pictures": 9, "note": ""}], starts_from="first.mine"
    )
    seen.remember(folder)
    before = json.loads((folder / "card.json").read_text())["before"]
    assert [source["name"] for source in before] == ["pets", "ImageNet-1k"]
    shutil.rmtree(first)
    pets = pets.rename(pets.with_name("animals"))
    assert asked("resnet.mine", pets).kind == seen.PART
    assert asked("resnet.mine", synsets).kind == seen.ALL


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("vit_base_patch16_224.augreg2_in21k_ft_in1k", seen.ALL),
        ("resnet50.imagenet1k_v2", seen.ALL),
        ("vit_small_patch14_dinov2.lvd142m", seen.ALL),
        ("vit_base_patch16_clip_224.openai", seen.UNKNOWN),
        ("hsv.12x4x4", seen.NONE),
    ],
)
def test_published_weights_are_known_by_their_tags(synsets, name, kind):
    assert asked(name, synsets).kind == kind


def test_what_a_network_began_as_counts_and_its_teacher_is_named(model, synsets, pets):
    model(starts_from="tf_efficientnet_lite0.in1k")
    assert asked("resnet.mine", synsets).kind == seen.ALL
    assert asked("resnet.mine", pets).kind == seen.PART
    model(settings={**SETTINGS, "pretrained": True}, network="vit-hybrid")
    assert asked("resnet.mine", synsets).kind == seen.ALL, "the front of a hybrid has seen them"
    model(teacher="tf_efficientnet_lite2.in1k")
    said = asked("resnet.mine", synsets)
    assert said.kind == seen.NONE
    assert said.words.endswith(
        "its teacher tf_efficientnet_lite2.in1k was trained on these very pictures, validation too"
    )


def test_tiny_imagenet_is_known_by_its_pictures(photographs):
    tiny = library.open_dataset(str(photographs / "tiny_imagenet"))
    assert (
        contents.share_of(
            contents.digests(tiny),
            *(seen.known_sets()["Tiny ImageNet"][key] for key in ("marks", "of")),
        )
        == 1
    )
    clothing = library.open_dataset(str(photographs / "clothing"))
    for dataset, kind in ((tiny, seen.ALL), (clothing, seen.NONE)):
        assert seen.seen(encoders.get("tf_efficientnet_lite0.in1k"), dataset).kind == kind


def test_of_a_cross_domain_set_each_part_is_told(model, pets, synsets, tmp_path):
    model()
    (tmp_path / "both.csv").write_text("query_class,gallery_class\nn02123045,cold\nwarm,warm\n")
    (tmp_path / "join.csv").write_text("query_class,gallery_class\nn02123045,cold\n")
    shutil.copytree(pets, tmp_path / "zoo")
    for path in (tmp_path / "zoo").rglob("*.png"):
        Image.fromarray(255 - np.array(Image.open(path))).save(path)
    both = crossing.opened(
        [str(synsets), str(tmp_path / "zoo")], str(pets), str(tmp_path / "both.csv")
    )
    zoo = both.protocol("cross-domain-zoo")
    assert seen.seen(encoders.get("tf_efficientnet_lite0.in1k"), both, zoo).kind == seen.NONE
    assert seen.seen(encoders.get("tf_efficientnet_lite0.in1k"), both).kind == seen.ALL
    joined = crossing.opened([str(synsets)], str(pets), str(tmp_path / "join.csv"))
    said = seen.seen(encoders.get("resnet.mine"), joined)
    assert said == seen.Seen(seen.PART, "mine: none; pets: trained on its training part")
    said = seen.seen(encoders.get("tf_efficientnet_lite0.in1k"), joined)
    assert said == seen.Seen(
        seen.ALL, "mine: trained on these very pictures, validation too; pets: none"
    )


def test_reports_and_exports_say_it(model, pets):
    model()
    report = evaluate(
        "ours",
        [library.open_dataset(str(pets), fresh=True)],
        ["tiny.16x16", "resnet.mine"],
        timed=False,
    )
    assert [cell.card["seen"] for cell in report.cells] == [seen.NONE, seen.PART]
    assert "trained on its training part" in csv(report)
    table = latex(report, "pets", "class")
    assert r"resnet.mine$^\dagger$" in table
    assert r"tiny.16x16 &" in table
    assert "% dagger: resnet.mine: trained on its training part" in table
