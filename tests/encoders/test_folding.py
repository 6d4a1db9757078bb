"""Folding batch normalisation changes the speed of a network and nothing else."""

from __future__ import annotations

import pytest
import torch

from core.weights import lean
from core.weights.folding import folded

lean.load()  # as the product imports timm: half a second less for every process that collects this
timm = pytest.importorskip("timm")


def lively(model: torch.nn.Module) -> torch.nn.Module:
    """With normalisations that do something, as after training."""
    random = torch.Generator().manual_seed(3)
    for one in model.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.running_mean.copy_(torch.randn(one.num_features, generator=random) * 0.1)
            one.running_var.copy_(torch.rand(one.num_features, generator=random) + 0.5)
            one.weight.data.copy_(torch.rand(one.num_features, generator=random) + 0.5)
            one.bias.data.copy_(torch.randn(one.num_features, generator=random) * 0.1)
    return model.eval().requires_grad_(False)


def features(model, pixels):
    return model(pixels)


def norms(model) -> int:
    return sum(isinstance(one, torch.nn.BatchNorm2d) for one in model.modules())


@pytest.mark.parametrize(
    "name",
    ["tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050", "resnetv2_50", "densenet121"],
)
def test_the_same_vectors_come_out(name):
    model = lively(timm.create_model(name, num_classes=0))
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    before, count = features(model, pixels), norms(model)
    after = features(folded(model, features, pixels[:1]), pixels)
    assert torch.allclose(
        torch.nn.functional.normalize(before), torch.nn.functional.normalize(after), atol=1e-5
    )
    if name in ("tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050"):
        assert norms(model) == 0 < count


class Crossed(torch.nn.Module):
    """Lists its layers in another order than it runs them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.second = (
            torch.nn.Conv2d(3, 8, 3),
            torch.nn.BatchNorm2d(8),
            torch.nn.Conv2d(3, 8, 1),
        )

    def forward(self, pixels):
        return (
            self.first(pixels).mean((2, 3), keepdim=True) + self.norm(self.second(pixels))
        ).mean((2, 3))


def test_a_network_that_runs_its_layers_in_another_order_is_left_as_it_was():
    model = lively(Crossed())
    pixels = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    before = features(model, pixels)
    assert torch.equal(features(folded(model, features, pixels), pixels), before)
    assert norms(model) == 1


def test_a_network_without_normalisation_is_not_run_at_all():
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    assert folded(model, lambda *_: pytest.fail("it was run"), torch.zeros(1, 3, 8, 8)) is model
