"""Published weights, from a hub on the loopback interface to a better encoder: size, progress,
offline, before and after."""

from __future__ import annotations

import numpy as np
import pytest

from core.cli.main import main
from core.services.training import effect, runs, train
from core.services.training.plan import plan
from core.training.resolve import resolve
from core.training.runs import Run
from core.training.train import WEIGHTS, begin, make_network, work
from tests.encoders.conftest import hub, publish  # noqa: F401  (fixtures)

NAME, OWN_SIZE = "test_resnet.r160_in1k", 160
TUNED = {"pretrained": True, "backbone": NAME, "name": "resnet.tuned"}


def test_they_are_fine_tuned_and_compared_with_before(publish, tiny):  # noqa: F811
    """From the hub to a better encoder: the start is the published network, and the effect says
    what changed."""
    whole = publish(NAME)
    settings = resolve(
        tiny("classify", **TUNED, dim=32, epochs=6, freeze_epochs=1, backbone_lr=0.3)
    )
    network, blueprint = make_network(settings)
    assert np.allclose(network.backbone.conv1[0].weight.detach(), whole.conv1[0].weight.detach())
    assert blueprint.mean == pytest.approx((0.5, 0.5, 0.5), abs=0.1)
    run = begin(settings)
    work(run)
    (found,) = effect.before_after(run.id)
    assert (found.dataset, found.protocol, found.queries) == (
        "textures",
        "class",
        12,
    )  # those kept back
    assert found.encoders == (NAME, "resnet.tuned")
    assert found.after > found.before
    assert found.low <= found.change <= found.high
    assert all(moved.after > moved.before and moved.hits_after for moved in found.improved)
    assert effect.kept(run.id) == [found]


def test_the_size_is_that_of_the_weights_own_record_unless_somebody_says(tiny):
    assert resolve(tiny("classify", **TUNED, size=0)).size == OWN_SIZE
    assert resolve(tiny("classify", **TUNED, size=96)).size == 96
    assert resolve(tiny("classify", size=0)).size == 64
    assert (
        resolve(
            tiny("classify", **{**TUNED, "backbone": "vit_small_patch14_dinov2.lvd142m"}, size=0)
        ).size
        == 518
    )


def test_a_plan_says_what_has_to_be_downloaded(textures, artifacts):
    found = plan(
        "classify",
        {
            "datasets": [str(textures)],
            "backbone": "efficientnet_b0.ra_in1k",
            "pretrained": True,
            "batch": 16,
        },
    )
    assert (found.settings.size, found.download_bytes) == (224, 21_000_000)


def test_the_download_is_seen_as_part_of_the_run(publish, tiny):  # noqa: F811
    publish(NAME)
    run, seen = begin_undownloaded(tiny), []

    def progress(done: int, total: int) -> bool:
        status = runs.status(run.id)
        seen.append((status.state, status.phase, total))
        return True

    train.work(run, progress)
    fetched = [total for state, phase, total in seen if (state, phase) == ("running", WEIGHTS)]
    assert max(fetched) > 1_000_000  # bytes
    assert runs.status(run.id).state == "done"


def begin_undownloaded(tiny) -> Run:
    from core.training import runs as folders

    return folders.create(resolve(tiny("classify", **TUNED, epochs=1)))


def test_offline_the_command_says_which_file_to_put_where(tiny, textures, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    told = [
        "train",
        "--recipe",
        "classify",
        "--backbone",
        NAME,
        "--pretrained",
        "--dataset",
        str(textures),
        "--set",
        "batch=16",
    ]
    assert main(told) == 1
    said = capsys.readouterr().err
    assert "HF_HUB_OFFLINE is set" in said
    assert f"models/{NAME}/model.safetensors" in said
    run = begin_undownloaded(tiny)
    assert main(["train", "--resume", run.id]) == 1
    status = runs.status(run.id)
    assert (status.state, status.step) == ("failed", 0)
    assert "put the file by hand" in status.message
