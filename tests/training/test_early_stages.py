"""What a pretrained backbone keeps while the rest learns, depthwise convolutions, stored weights,
and pasted pictures."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from core.encoders import trained
from core.encoders.base import encoders
from core.encoders.trained_networks import Blueprint, build
from core.errors import UserError
from core.training import schedule
from core.training.batches import pasted
from core.training.loop import keep_whole
from core.training.resolve import published_teacher, resolve
from core.training.settings import override, read_recipe
from core.training.terms import ranked_unlike
from core.training.train import begin, work

LITE0 = "tf_efficientnet_lite0.in1k"


@pytest.fixture
def lite():
    torch.manual_seed(0)
    return build(Blueprint("embedder", "tf_efficientnet_lite0", 16, 64, levels=3))


@pytest.mark.parametrize(
    ("name", "stages", "kept"),
    [
        ("tf_efficientnet_lite0", 2, ["conv_stem", "bn1", "blocks.0", "blocks.1"]),
        ("resnet18", 1, ["conv1", "bn1", "act1", "maxpool", "layer1"]),
        (
            "vit_tiny_patch16_224",
            3,
            [
                "patch_embed",
                "pos_drop",
                "patch_drop",
                "norm_pre",
                "blocks.0",
                "blocks.1",
                "blocks.2",
            ],
        ),
        ("convnext_atto", 1, ["stem", "stages.0"]),
    ],
)
def test_the_stem_and_the_first_stages_are_early(name, stages, kept):
    import timm

    network = timm.create_model(name)
    names = {id(part): path for path, part in network.named_modules()}
    assert [names[id(part)] for part in schedule.early_parts(network, stages)] == kept


def test_frozen_stages_and_norms_stay_what_they_are(lite):
    lite.train()
    schedule.freeze(lite, False, stages=2, norm=True)
    before = {name: value.clone() for name, value in lite.backbone.state_dict().items()}
    optimiser = torch.optim.SGD(lite.parameters(), lr=0.1)
    lite(torch.randn(4, 3, 64, 64)).square().mean().backward()
    optimiser.step()
    changed = {
        name
        for name, value in lite.backbone.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed
    assert not [
        name for name in changed if name.startswith(("conv_stem", "bn1", "blocks.0.", "blocks.1."))
    ]
    assert not [name for name in changed if "running" in name]
    schedule.freeze(lite, False)
    assert all(parameter.requires_grad for parameter in lite.parameters())


def test_the_embedding_of_efficientnet_sees_its_head_and_the_stages_before(lite):
    widths = [one.shape[1] for one in lite.stages(torch.zeros(1, 3, 64, 64))]
    assert widths == [40, 112, 1280]


def test_depthwise_convolutions_stay_in_float32_under_autocast_also_in_copies(lite):
    keep_whole(lite)
    seen = {}
    for network in (lite, copy.deepcopy(lite)):
        for path, part in network.named_modules():
            if isinstance(part, torch.nn.Conv2d):
                part.register_forward_hook(
                    lambda part, _, made, path=path: seen.update(
                        {(path, part.groups > 1): made.dtype}
                    )
                )
        with torch.autocast("cpu", torch.bfloat16):
            network(torch.randn(2, 3, 64, 64)).float().sum().backward()
        assert {kind for (_, grouped), kind in seen.items() if grouped} == {torch.float32}
        assert {kind for (_, grouped), kind in seen.items() if not grouped} == {torch.bfloat16}
    assert all(
        part.forward.__self__ is part
        for part in copy.deepcopy(lite).modules()
        if isinstance(part, torch.nn.Conv2d)
    )


def test_weights_in_8_bits_come_back_within_half_a_step(lite):
    state = lite.state_dict()
    packed = trained.pack(state)
    back = trained.unpack(packed)
    assert back.keys() == state.keys()
    assert sum(v.numel() * v.element_size() for v in packed.values()) < 0.3 * sum(
        v.numel() * v.element_size() for v in state.values()
    )
    for name, value in state.items():
        if name + trained.SCALE in packed:
            step = value.flatten(1).abs().amax(dim=1) / trained.LEVELS
            assert ((back[name] - value).flatten(1).abs() <= 0.5001 * step[:, None] + 1e-9).all(), (
                name
            )
        else:
            torch.testing.assert_close(back[name].float(), value.float(), atol=1e-3, rtol=1e-3)
    assert trained.unpack(state).keys() == state.keys()


def test_a_row_of_zeros_is_stored_as_zeros():
    state = {"w": torch.zeros(4, 400)}
    assert torch.equal(trained.unpack(trained.pack(state))["w"], state["w"])


def test_pasted_pictures_lie_whole_on_another():
    torch.manual_seed(0)
    views = torch.stack(
        [torch.full((3, 40, 40), shade, dtype=torch.uint8) for shade in (10, 90, 170, 250)]
    )
    made = pasted(views, 1.0)
    for row, shade in enumerate((10, 90, 170, 250)):
        found = set(made[row].unique().tolist())
        assert shade in found
        assert found <= {10, 90, 170, 250}
        assert (made[row] == shade).float().mean() >= 0.2
    assert torch.equal(pasted(views, 0.0), views)


def test_ranked_unlike_is_zero_for_the_same_ranking_alone():
    rows = torch.nn.functional.normalize(torch.randn(8, 5), dim=1)
    turned = rows @ torch.linalg.qr(torch.randn(5, 5))[0]
    assert ranked_unlike(turned, rows).tolist() == pytest.approx([0.0] * 8, abs=1e-4)
    assert float(ranked_unlike(rows.flip(0), rows).mean()) > 0.1


def test_a_teacher_is_heard_where_it_is_wanted(tiny):
    from core.training.terms import Terms

    settings = override(
        tiny("classify"), {"loss": "distill", "teacher": LITE0, "dim": 4, "taught": (1.0, 0.0)}
    )
    terms = Terms(settings, [2, 2], 6)
    embeddings, source = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 0, 0, 1, 1, 1])
    terms(embeddings, {"labels": source, "source": source, "taught": torch.randn(6, 6)}).backward()
    own = terms.to_teacher.weight.grad
    assert own.abs().sum() > 0
    other = Terms(override(settings, {"taught": (0.0, 0.0)}), [2, 2], 6)
    assert (
        float(
            other(
                embeddings.detach(),
                {"labels": source, "source": source, "taught": torch.randn(6, 6)},
            )
        )
        == 0.0
    )
    with pytest.raises(UserError, match="2 weights"):
        resolve(
            override(
                read_recipe("classify"), {"datasets": ("x",), "taught": (1.0, 1.0), "size": 32}
            )
        )


def test_a_packaged_network_teaches(tiny, artifacts):
    settings = tiny(
        "classify",
        loss="distill + cross-entropy",
        teacher=LITE0,
        teacher_size=48,
        epochs=1,
        stored="int8",
        frozen_stages=1,
        freeze_norm=True,
        paste=0.5,
    )
    work(begin(settings, "train-taught"))
    made = encoders.get(settings.name)
    vectors = made.encode([np.full((40, 40, 3), shade, np.uint8) for shade in (0, 200)])
    assert vectors.shape == (2, settings.dim)
    assert made.card["stored"] == "int8"
    assert made.card["teacher"] == LITE0


def test_a_teacher_that_is_none_is_refused():
    with pytest.raises(UserError, match="can't teach"):
        published_teacher("hog.8x8")
    with pytest.raises(UserError):
        resolve(
            override(
                read_recipe("classify"),
                {"loss": "distill", "teacher": "resnet50.tv_in1k", "datasets": ("x",)},
            )
        )


def test_a_hybrid_starts_with_the_early_stages_of_a_packaged_network_and_keeps_them():
    from core.training.train import make_network

    settings = override(read_recipe("shipped/vit"), {"size": 32, "datasets": ("x",)})
    network, blueprint = make_network(settings)
    front = network.backbone.patch_embed.backbone
    whole = encoders.get(LITE0).published().state_dict()
    assert blueprint.mean == (0.5, 0.5, 0.5)
    assert all(torch.equal(value, whole[name]) for name, value in front.state_dict().items())
    network.train()
    schedule.freeze(network, False)
    network(torch.randn(4, 3, 32, 32)).square().mean().backward()
    assert all(parameter.grad is None for parameter in front.parameters())
    assert all(
        p.grad is not None
        for name, p in network.named_parameters()
        if ".blocks." in name and "patch_embed" not in name
    )
    assert not any(part.training for part in front.modules())
    with pytest.raises(UserError, match="16 x 16"):
        build(Blueprint("embedder", "vit-hybrid", 16, 40))
