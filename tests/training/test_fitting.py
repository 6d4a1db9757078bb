"""A run is fitted to its pictures and to the time it may take, and says so; before and after are
fair and come by themselves."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.main import main
from core.datasets.paths import open_dataset
from core.encoders.base import encoders
from core.encoders.trained import Trained, find_model
from core.services.training import budget, effect, plan, runs, train
from core.services.training.budget import MAX_PASSES, fitted
from core.training.batches import fit_batch, quotas, shared_out
from core.training.resolve import draft, resolve
from core.training.runs import (
    COMPARING,
    LEARNING,
    PACE,
    PICTURES,
    WEIGHTS,
    Run,
    create,
    record_settings,
)
from core.training.settings import override, read_recipe
from core.training.sources import Outline, cached_pictures, training_items
from core.training.train import begin, work
from tests.training.test_parts import source

LITE = "tf_efficientnet_lite0.in1k"
QUICK = ["--set", "size=64", "--set", "crop=48", "--set", "precision=fp32", "--threads", "1"]


def few(folder: Path, textures: Path, counts: dict[str, int]) -> Path:
    """A folder with so many pictures of each class."""
    for label, count in counts.items():
        for path in sorted((textures / label).iterdir())[:count]:
            (folder / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / label / path.name)
    return folder


@pytest.mark.parametrize(
    ("total", "batch", "wanted"),
    [(18, 48, 9), (3, 48, 2), (96, 48, 48), (95, 48, 47), (10_000, 48, 48)],
)
def test_a_batch_is_at_most_half_of_the_pictures(total, batch, wanted):
    settings, notes = fit_batch(override(read_recipe("classify"), {"batch": batch}), [total], total)
    assert settings.batch == wanted
    assert bool(notes) == (wanted != batch)
    assert not notes or f"{total} pictures to learn from" in notes[0]


def test_pairs_are_made_of_the_pictures_that_there_are():
    settings, notes = fit_batch(override(read_recipe("triplet"), {"per_class": 8}), [18], 6)
    assert (settings.per_class, settings.batch) == (4, 9)
    assert len(notes) == 2
    kept, none = fit_batch(read_recipe("triplet"), [4000], 300)
    assert (kept.per_class, kept.batch, none) == (4, 128, [])
    smallest, _ = fit_batch(read_recipe("triplet"), [4], 2)
    assert (smallest.per_class, smallest.batch) == (2, 4)
    assert quotas([source({0: 2, 1: 2})], smallest) == [4]


def test_a_small_dataset_beside_a_large_one_is_not_shown_again_and_again():
    settings, _ = fit_batch(
        override(read_recipe("classify"), {"shares": (1.0, 1.0)}), [50_000, 10], 500
    )
    assert shared_out([50_000, 10], settings)[1] <= 40


def lines_of(pictures: int, classes: int = 10) -> Outline:
    held = pictures // 10
    return Outline(
        "d", "d", "label", classes, 2, pictures // classes, pictures - held, held, False, pictures
    )


@pytest.fixture
def planned(monkeypatch):
    """``planned(pictures, images_s)``: the default recipe fitted to so many pictures, on a machine
    of that pace."""

    def make(pictures: int, images_s: float | None) -> budget.Fitted:
        monkeypatch.setattr(budget, "outline", lambda settings, labels: [lines_of(pictures)])
        monkeypatch.setattr(
            budget,
            "recall_pace",
            lambda settings: images_s and images_s * (176 / settings.crop) ** 2,
        )
        return fitted(draft(override(read_recipe("finetune"), {"datasets": ("d",)})))

    return make


def test_the_default_recipe_takes_the_time_that_it_is_given(planned):
    """Two cores that learn 40 pictures a second: about 8 minutes in all."""
    some, more = planned(3068, 40.0), planned(9000, 40.0)
    for found in (some, more):
        assert 5.5 < found.total / 60 < 8.5
        assert found.settings.epochs >= 3
    assert (some.settings.crop, some.settings.epoch_images) == (176, 0)
    assert more.settings.crop < 144
    assert some.steps == some.settings.epochs * (sum(one.learned for one in some.sources) // 48)
    assert planned(3068, 80.0).steps > some.steps > planned(3068, 30.0).steps


def test_a_large_dataset_is_seen_in_part_and_its_other_phases_are_told(planned):
    found = planned(50_000, 40.0)
    assert found.settings.epochs * found.settings.epoch_images < 25_000
    assert (
        3 < found.seconds[LEARNING] / 60 < 5
    )  # half of the time, whatever reading and comparing take
    assert found.total == sum(found.seconds.values()) > 900


def test_few_pictures_are_not_shown_for_minutes(planned):
    found = planned(30, 40.0)
    assert found.settings.epochs == MAX_PASSES
    assert found.total < 60
    assert found.settings.batch == 13


def test_where_the_pace_is_not_known_the_time_is_and_the_steps_are_not(planned):
    found = planned(3068, None)
    assert (found.images_s, found.total) == (None, 480.0)


def test_who_names_the_epochs_gets_them():
    assert train.chosen({"epochs": 3}) == {"epochs": 3, "minutes": 0.0}
    assert train.chosen({"epochs": 3, "minutes": 5}) == {"epochs": 3, "minutes": 5}
    assert train.chosen({"lr": 1.0}) == {"lr": 1.0}


def test_the_default_starts_exactly_where_the_published_encoder_is(textures):
    import torch

    from core.encoders.trained_networks import to_input
    from core.training.train import make_network

    settings = train.configure(
        "finetune", {"datasets": (str(textures),), "size": 64, "precision": "fp32"}
    )
    network, blueprint = make_network(settings)
    assert (settings.backbone, settings.dim, blueprint.neck) == (LITE, 1280, False)
    pixels = to_input(torch.randint(0, 255, (3, 3, 64, 64), dtype=torch.uint8), blueprint)
    published = encoders.get(LITE)
    published.use_precision("fp32")
    with torch.inference_mode():
        assert torch.allclose(network.eval()(pixels), published.model.eval()(pixels), atol=1e-4)


@pytest.mark.parametrize("shape", [(90, 160, 3), (160, 70, 3), (64, 64, 3)])
def test_its_start_sees_of_a_photograph_what_the_published_encoder_sees(shape, textures, artifacts):
    """No photograph is square: squeezed it would be another picture to that network."""
    from core.training.train import make_network, write_model

    settings = train.configure("finetune", {"datasets": (str(textures),), "size": 64})
    network, blueprint = make_network(settings)
    card = {"title": "", "family": "convnet", "about": "", "settings": settings.to_dict()}
    made = Trained(write_model("lite.start", network, blueprint, card))
    published = encoders.get(f"{LITE}:size=64")
    for one in (made, published):
        one.use_precision("fp32")
    pictures = [np.random.default_rng(0).integers(0, 255, shape, np.uint8)]
    assert np.array_equal(made.prepare(pictures[0]), published.prepare(pictures[0]))
    assert made.seen(160, 90) == published.seen(160, 90)
    assert made.encode(pictures) == pytest.approx(published.encode(pictures), abs=2e-3)


def test_training_keeps_the_middle_of_pictures_that_are_not_square(tmp_path, artifacts):
    """Red left and right of a grey square: the square alone is learned from."""
    for number in range(4):
        wide = np.full((40, 100, 3), (255, 0, 0), np.uint8)
        wide[:, 30:70] = 60 * number
        (tmp_path / "wide").mkdir(exist_ok=True)
        Image.fromarray(wide).save(tmp_path / "wide" / f"{number}.png")
    dataset = open_dataset(str(tmp_path / "wide"))
    whole, _ = cached_pictures(dataset, dataset.items, 32)
    middle, rows = cached_pictures(dataset, dataset.items, 32, middle=True)
    assert rows.tolist() == [0, 1, 2, 3]
    assert whole[0, :, 0, 0].min() == 255
    assert np.ptp(middle, axis=3).max() == 0


@pytest.mark.parametrize("counts", [{"a": 8, "b": 8, "c": 8}, {"a": 10, "b": 2}])
def test_a_handful_of_pictures_is_fine_tuned_with_no_other_option(
    counts, tmp_path, textures, capsys, monkeypatch
):
    monkeypatch.setattr(budget, "MAX_PASSES", budget.MIN_PASSES)  # that they are few is not asked
    folder = few(tmp_path / "few", textures, counts)
    assert main(["train", "--dataset", str(folder), *QUICK]) == 0
    said = capsys.readouterr().out
    assert "The batch size is" in said
    assert f"Before: {LITE}. After: tf_efficientnet_lite0.finetune." in said
    held = 2 * sum(count >= 4 for count in counts.values())
    assert f"{held} held out" in said
    (run,) = runs.run_ids()
    assert Run(run).settings().batch <= sum(counts.values()) // 2
    assert runs.status(run).state == "done"


def test_before_and_after_ask_only_pictures_that_were_kept_back(tiny, textures):
    run = begin(tiny("classify", epochs=1))
    train.work(run, compare=True)
    (found,) = effect.kept(run.id)
    held = Run(run.id).held[str(textures)]
    assert (found.queries, found.asked, found.learned) == (len(held), "held", True)
    assert {moved.id for moved in (*found.improved, *found.worse)} <= set(held)
    learned = {item.id for item in training_items(open_dataset(str(textures)))} - set(held)
    assert len(learned) == 36
    assert found.hit1[0] <= 1.0
    kinds = [line["kind"] for line in run.lines()]
    assert kinds[-3:] == ["end", "phase", "compared"]
    assert runs.status(run.id).state == "done"
    assert Run(run.id).ended


def test_a_query_split_asks_where_there_is_one(tiny, tmp_path, textures):
    for split in ("train", "test"):
        shutil.copytree(textures, tmp_path / "split" / split)
    run = begin(tiny("classify", epochs=1, datasets=(str(tmp_path / "split"),)))
    train.work(run, compare=True)
    (found,) = effect.kept(run.id)
    assert (found.queries, found.asked) == (48, "split")


def test_where_nothing_is_kept_back_nothing_is_compared_and_the_run_says_so(tiny):
    run = begin(tiny("classify", epochs=1, validation=0.0))
    train.work(run, compare=True)
    status = runs.status(run.id)
    assert effect.kept(run.id) == []
    assert status.state == "done"
    assert "not learned from" in status.message


def test_a_comparison_that_fails_leaves_the_model(tiny, monkeypatch):
    run = begin(tiny("classify", epochs=1))
    monkeypatch.setattr(
        effect, "on_dataset", lambda *given: (_ for _ in ()).throw(ValueError("no such thing"))
    )
    assert train.work(run, compare=True).name in encoders.names()
    status = runs.status(run.id)
    assert (status.state, status.message) == ("done", "ValueError: no such thing")


def test_training_that_helps_nothing_gives_back_what_it_started_from(tiny, textures):
    told = tiny(
        "finetune",
        backbone=LITE,
        pretrained=True,
        size=64,
        crop=48,
        lr=10.0,
        clip=0.0,
        epochs=1,
        warmup=0.0,
        batch=8,
        epoch_images=16,
    )
    run = begin(told)
    folder = work(run)
    assert runs.status(run.id).best[0] == 0
    made, published = encoders.get(folder.name), encoders.get(f"{LITE}:size=64")
    assert json.loads((folder / "card.json").read_text())["best_epoch"] == 0
    pictures = [np.random.default_rng(0).integers(0, 255, (64, 90, 3), np.uint8)]
    published.use_precision("fp32")
    assert (made.encode(pictures) * published.encode(pictures)).sum() > 0.999


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([2.0, 1.0], ""),
        ([1.0, 2.0] * 10, ""),
        (list(np.linspace(3, 1, 60)), "fell"),
        (list(np.linspace(1, 3, 60)), "rose"),
        ([1.0, 2.0] * 40, "flat"),
    ],
)
def test_no_verdict_on_the_loss_before_it_can_mean_something(losses, said):
    scatter = np.random.default_rng(0).normal(0, 0.05, len(losses))
    assert runs.trend([value + more for value, more in zip(losses, scatter, strict=True)]) == said


def test_a_run_says_what_it_does_from_the_first_minute(tiny):
    run, seen = create(resolve(tiny("classify", epochs=2))), []

    class Watching:
        what = ""

        def __call__(self, done: int, total: int) -> bool:
            status = runs.status(run.id)
            seen.append(
                (
                    next((one.name for one in status.phases if one.state == "now"), ""),
                    status.seconds_left,
                )
            )
            return True

    train.work(run, Watching(), compare=True)
    names = list(dict.fromkeys(name for name, _ in seen))
    assert names == [WEIGHTS, PACE, PICTURES, LEARNING, COMPARING]
    fitting = (WEIGHTS, PACE)  # nothing is planned before the pace is known
    assert all(left is not None for name, left in seen if name not in fitting)
    states = [line["what"] for line in run.lines() if line["kind"] == "phase"]
    assert states == [
        WEIGHTS,
        PACE,
        PICTURES,
        WEIGHTS,
        COMPARING,
    ]  # fitted first: nobody had measured its pace


def test_phases_and_time_left_follow_the_log(tiny):
    run = begin(tiny("classify"))
    run.write(
        "plan",
        0,
        seconds={PICTURES: 20.0, WEIGHTS: 5.0, LEARNING: 100.0, COMPARING: 30.0},
        images_s=9.0,
        notes=["Fitted."],
    )
    run.write("phase", 0, what=PICTURES)
    with train.store.lock(f"training-{run.id}", None):
        found = runs.status(run.id)
        soon = pytest.approx(20.0, abs=10.0)
        assert [(one.name, one.state, one.seconds) for one in found.phases] == [
            (PICTURES, "now", soon),
            (WEIGHTS, "next", 5.0),
            (LEARNING, "next", 100.0),
            (COMPARING, "next", 30.0),
        ]
        assert found.seconds_left == pytest.approx(155.0, abs=10.0)
        assert found.notes == ("Fitted.",)
        run.write("phase", 0, what=WEIGHTS)
        run.write("start", 0, steps=10)
        run.write("step", 5, loss=1.0, lr=0.1, images_s=9.0)
        found = runs.status(run.id)
        assert [one.state for one in found.phases] == ["done", "done", "now", "next"]
        assert (found.phases[2].done, found.phases[2].total, found.seconds_left) == (5, 10, 80.0)


def test_a_plan_names_what_was_fitted(tiny, textures, tmp_path):
    folder = few(tmp_path / "few", textures, {"a": 8, "b": 8, "c": 8})
    found = plan.plan("finetune", {"datasets": [str(folder)]})
    assert found.settings.batch == 9
    assert found.notes == (
        "The batch size is 9 instead of 48: there are 18 pictures to learn from.",
    )
    assert (found.seconds, found.images_s) == (480.0, None)


def test_the_models_that_come_with_the_code_are_not_compared(tiny):
    run = begin(tiny("classify"))
    assert train.compares(run)
    Run("train-s").folder.mkdir(parents=True)
    record_settings(Run("train-s"), replace(run.settings(), recipe="shipped/resnet"))
    assert not train.compares(Run("train-s"))
    assert find_model("resnet.mine") is None
