"""One thing in other colours is another thing, to the losses that compare; classifiers do not see
it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from core.errors import UserError
from core.training.batches import recoloured
from core.training.settings import override, read_recipe
from core.training.terms import Terms
from core.training.train import begin, work

RED = torch.tensor([200, 30, 30], dtype=torch.uint8)


def red(count: int) -> torch.Tensor:
    return RED[None, :, None, None].expand(count, 3, 4, 4).clone()


def test_half_of_each_class_gets_one_other_colour_and_another_label():
    torch.manual_seed(0)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    eligible = labels < 2
    views, told = recoloured(red(10), labels, eligible, classes=3)
    assert [(told == label).sum() for label in (0, 3, 1, 4)] == [2, 2, 2, 2], (
        "half of each, as class + 3"
    )
    assert told[8:].tolist() == [2, 2], "not eligible"
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2], "the caller's labels are left alone"
    for row, label in enumerate(told.tolist()):
        assert torch.equal(views[row, :, 0, 0], RED) == (label < 3)
    for label in (3, 4):
        assert len(views[told == label].flatten(1).unique(dim=0)) == 1, (
            "one colour for all of a class"
        )


def test_the_colour_is_one_that_is_seen():
    for seed in range(20):
        torch.manual_seed(seed)
        views, told = recoloured(
            red(4), torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.bool), classes=1
        )
        assert (views[told == 1].int() - RED[None, :, None, None].int()).abs().amax() > 60


def test_three_pictures_are_too_few():
    views, told = recoloured(
        red(3), torch.zeros(3, dtype=torch.long), torch.ones(3, dtype=torch.bool), classes=1
    )
    assert torch.equal(views, red(3))
    assert told.tolist() == [0, 0, 0]


def test_a_classifier_sees_the_old_classes_alone_and_a_comparison_all():
    settings = override(read_recipe("triplet"), {"dim": 8, "per_class": 4, "recolour": True})
    torch.manual_seed(0)
    embeddings, labels = torch.randn(8, 8), torch.tensor([0, 0, 2, 2, 1, 1, 3, 3])
    source, old = torch.zeros(8, dtype=torch.long), labels < 2
    classify = Terms(override(settings, {"loss": "cross-entropy"}), [2], 0)
    given = classify(embeddings, {"labels": labels, "source": source})
    alone = classify.losses["cross-entropy"][0](embeddings[old], labels[old]) * old.float().mean()
    assert torch.allclose(given, alone)
    compare = Terms(override(settings, {"loss": "contrastive"}), [2], 0)
    given = compare(embeddings, {"labels": labels, "source": source})
    assert torch.isfinite(given)
    assert not torch.allclose(given, compare(embeddings, {"labels": labels % 2, "source": source}))


def test_a_recipe_that_asks_for_it_learns_from_objects(tiny, objects):
    settings = tiny(
        "triplet",
        datasets=(str(objects),),
        recolour=True,
        per_class=4,
        target="instance",
        validation=0.0,
    )
    run = begin(settings)
    assert (work(run) / "weights.safetensors").exists()
    losses = [line["loss"] for line in run.lines() if line["kind"] == "step"]
    assert len(losses) == 12
    assert np.isfinite(losses).all()


def test_it_needs_pairs_of_each_colour():
    with pytest.raises(UserError, match="leaves no pairs of one colour"):
        override(read_recipe("triplet"), {"per_class": 2, "recolour": True})


@pytest.fixture
def objects(textures: Path, tmp_path: Path) -> Path:
    """The textures as category / instance: two objects a category."""
    for position, path in enumerate(sorted(textures.rglob("*.png"))):
        to = tmp_path / "objects" / path.parent.name / f"object{position % 2}" / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        path.rename(to)
    return tmp_path / "objects"
