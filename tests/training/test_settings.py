"""What can't work is refused before the first epoch, in words that say what is allowed and what to
do."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from core import store
from core.errors import UserError
from core.services.training import train
from core.training import runs
from core.training.settings import (
    LIMITS,
    Settings,
    override,
    parse_pairs,
    read_recipe,
    recipe_names,
)
from core.training.train import begin, check, resolve


def test_every_number_says_from_where_to_where():
    numbers = {one.name for one in fields(Settings) if type(one.default) in (int, float)}
    assert numbers <= LIMITS.keys()


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_file_can_be_used(recipe):
    settings = resolve(read_recipe(recipe)) if "/" not in recipe else read_recipe(recipe)
    assert settings.title
    assert settings.about


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        (["lr=fast"], "lr = 'fast' can't be read"),
        (["lr=nan"], "out of range"),
        (["epochs=0"], "epochs is from 1"),
        (["epochs"], "no setting"),
        (["speed=3"], "no setting named 'speed'"),
        (["recipe=x"], "no setting"),
        (["augment=wild"], "Allowed: none, light"),
        (["name=mine"], "architecture.tag"),
        (["name=../../a.b"], "can't be named"),
        (["per_class=1"], "makes no pairs"),
        (["ema=1"], "out of range"),
        (["pretrained=perhaps"], "true or false"),
        (["shares=1,x"], "can't be read"),
    ],
)
def test_settings_that_are_no_settings(pairs, says):
    with pytest.raises(UserError, match=says):
        override(read_recipe("classify"), parse_pairs(pairs))


@pytest.mark.parametrize(
    ("recipe", "changes", "says"),
    [
        ("classify", {"loss": "cross-entropi"}, "Losses: cross-entropy, arcface"),
        ("classify", {"loss": "triplet"}, "per_class"),
        ("classify", {"loss": "reconstruction"}, "autoencoder"),
        ("classify", {"loss": "distill"}, "teacher"),
        (
            "classify",
            {"backbone": "resnet19"},
            "no backbone named 'resnet19'. Did you mean resnet1",
        ),
        ("classify", {"start_from": "a.b"}, "no trained model named"),
        ("classify", {"shares": (1.0, 2.0)}, "2 shares for 1"),
        ("classify", {"backbone": "vit_tiny_patch16_224", "size": 60}, "60 x 60"),
        ("autoencoder", {"size": 40}, "multiple of 16"),
        ("classify", {"principal": 0.4}, "Only the directions of an autoencoder"),
        ("classify", {"backbone": "resnet-slim", "pretrained": True}, "no published weights"),
        ("classify", {"datasets": ()}, "No dataset"),
        ("classify", {"target": "instance"}, "have no instance"),
        ("classify", {"batch": 4096}, "smaller"),
        ("classify", {"datasets": ("$NO_SUCH_FOLDER/x",)}, "not set"),
    ],
)
def test_runs_that_can_not_work(recipe, changes, says, tiny, artifacts):
    with pytest.raises(UserError, match=says):
        begin(tiny(recipe, **changes))
    assert not runs.listing()


def test_a_class_with_one_picture(tiny, textures):
    for path in sorted((textures / "b").iterdir())[1:]:
        path.unlink()
    with pytest.raises(UserError, match="1 of 4 classes of textures have one picture: 'b'"):
        begin(tiny("classify"))


def test_one_class_alone(tiny, textures):
    for label in "bcd":
        shutil.rmtree(textures / label)
    with pytest.raises(UserError, match="the same label, 'a'"):
        begin(tiny("classify"))


def test_pictures_without_labels_are_for_recipes_without_labels(tiny, tmp_path):
    for number in range(8):
        (tmp_path / "flat").mkdir(exist_ok=True)
        Image.new("RGB", (40, 40), (30 * number, 0, 0)).save(tmp_path / "flat" / f"{number}.png")
    with pytest.raises(UserError, match=r"have no label.*selfsup or autoencoder"):
        begin(tiny("classify", datasets=(str(tmp_path / "flat"),)))
    assert check(resolve(tiny("autoencoder", datasets=(str(tmp_path / "flat"),))))[0][0].field == ""


def test_a_full_disk_is_said_before_the_first_epoch(tiny, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 1000)
    )
    with pytest.raises(UserError, match="MB free"):
        begin(tiny("classify"))


def test_run_names(tiny):
    with pytest.raises(UserError, match="begins with train-"):
        begin(tiny("classify"), "../x")
    run = begin(tiny("classify"), "train-one")
    with pytest.raises(UserError, match="--resume train-one"):
        begin(tiny("classify"), "train-one")
    assert runs.Run("train-one").settings() == run.settings()
    with pytest.raises(UserError, match="no training run"):
        runs.Run("train-two").settings()
    with pytest.raises(UserError, match="no training run"):
        train.resume("train-two")


def test_query_pictures_are_never_learned_from(tiny, tmp_path, textures):
    for split, labels in (("train", "ab"), ("test", "cd")):
        for label in labels:
            shutil.copytree(
                textures / label,
                tmp_path / "split" / split / {"c": "a", "d": "b"}.get(label, label),
            )
    settings = resolve(tiny("classify", datasets=(str(tmp_path / "split"),)))
    found = check(settings)[0][0]
    assert len(found.train) + len(found.validation) == 24


def test_instances_are_kept_back_whole(artifacts):
    from core.datasets.paths import open_dataset
    from core.training.sources import open_sources, training_items

    settings = override(
        read_recipe("classify"), {"datasets": ("catalogue",), "size": 16, "validation": 0.1}
    )
    source = open_sources(settings, True)[0]
    assert source.field == "instance"
    held, learned = set(source.labels[source.validation]), set(source.labels[source.train])
    assert len(held) >= 10
    assert not held & learned
    assert {item.split for item in training_items(open_dataset("catalogue"))} == {"train"}


def test_an_estimate_says_what_a_run_would_cost(tiny):
    cost = train.estimate(resolve(tiny("classify")))
    assert (cost.pictures, cost.classes, cost.steps) == (36, 4, 12)
    assert 0 < cost.seconds < 60
    assert cost.disk_bytes > 4 * cost.parameters > 0
    assert not runs.listing()


def test_recipes_lie_beside_the_code():
    assert {"autoencoder", "classify", "selfsup", "siamese", "triplet"} <= {
        row["name"] for row in train.recipes()
    }
    assert Path(store.__file__).parent.joinpath("training", "recipes", "triplet.toml").is_file()
