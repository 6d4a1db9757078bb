"""What positions add to a vector: their sums are the vectors, for every network that pools by a sum,
and no other network claims it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.encoders import positions, trained_networks
from core.encoders.base import encoders
from core.encoders.preprocess import Preprocess
from core.encoders.whitening import Whitened
from core.services.library import library

OFFLINE = [
    row["name"]
    for row in library.encoder_rows()
    if row["tier"] in ("bundled", "packaged") and encoders.get(row["name"]).has_positions
]


def cosine_of(parts: list[np.ndarray]) -> float:
    """The sum over all pairs of positions of two pictures, of unit vectors."""
    rows = [one.reshape(-1, one.shape[2]).astype(np.float64) for one in parts]
    rows = [one / np.linalg.norm(one.sum(axis=0)) for one in rows]
    return float((rows[0] @ rows[1].T).sum())


@pytest.mark.parametrize("name", OFFLINE)
def test_pairs_of_positions_sum_to_the_cosine(name, images):
    encoder = encoders.get(name)
    encoder.load()
    found = encoder.positions(images[:2])
    left, right = encoder.encode(images[:2])
    assert all(one.exact for one in found), found[0].how
    assert cosine_of([one.parts for one in found]) == pytest.approx(float(left @ right), abs=1e-4)
    assert found[0].parts.shape[0] > 1


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("test_resnet.r160_in1k", True),
        ("test_convnext.r160_in1k", True),
        ("test_efficientnet.r160_in1k:pool=gem", True),
        ("test_efficientnet.r160_in1k:pool=max", True),
        ("test_vit.r160_in1k", False),
        ("test_vit.r160_in1k:pool=avg", True),
        ("mobilenetv3_small_050.lamb_in1k", False),
    ],
)
def test_a_network_of_timm_is_exact_where_its_pooling_is_a_sum(publish, images, name, exact):
    publish(name.partition(":")[0])
    encoder = encoders.get(name)
    encoder.load()
    found = encoder.positions(images[:2])
    assert [one.exact for one in found] == [exact, exact]
    assert min(found[0].parts.shape[:2]) > 1
    if exact:
        left, right = encoder.encode(images[:2])
        near = cosine_of([one.parts for one in found])
        assert near == pytest.approx(float(left @ right), abs=1e-4)
    else:
        assert "not a mean" in found[0].how


def test_whitening_keeps_the_sum(images):
    base = encoders.get("vgg.lookalike")
    base.load()
    made = Whitened(base, 3)
    rows = base.encode([np.roll(images[0], shift, axis=1) for shift in range(0, 300, 40)])
    made = made.with_fit(made.fit(rows))
    found = made.positions(images[:2])
    left, right = made.encode(images[:2])
    near = cosine_of([one.parts for one in found])
    assert near == pytest.approx(float(left @ right), abs=1e-4)


def test_stages_of_odd_sizes_come_together_without_loss():
    draw = torch.Generator().manual_seed(0)
    stages = [torch.rand(2, 3, side, side, generator=draw) for side in (14, 7, 3)]
    joined = positions.together(stages)
    assert joined.shape == (2, 7, 7, 9)
    whole = torch.cat([one.sum(dim=(2, 3)) for one in stages], dim=1)
    torch.testing.assert_close(joined.sum(dim=(1, 2)), whole)


def test_a_nonlinear_layer_behind_the_pooling_is_never_called_exact():
    parts = torch.rand(1, 2, 2, 4)
    assert positions.through(parts, [torch.nn.Linear(4, 3), torch.nn.ReLU()]) is None


def test_a_model_of_each_backbone_says_what_positions_add(images):
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for backbone, levels in (("resnet-slim", 2), ("vgg-slim", 2), ("vit-slim", 1)):
        blueprint = trained_networks.Blueprint(
            "embedder", backbone, 16, 64, levels=levels, mirror=True
        )
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed(0)
            network = trained_networks.build(blueprint).eval()
            parts, whole = network.parts(pixels), network(pixels)
        exact = positions.sums_to(parts.numpy(), whole.numpy())
        assert exact == (backbone != "vit-slim"), "only the one with a class token is no sum"


@pytest.mark.parametrize(
    ("mode", "inside"), [("center", True), ("squash", True), ("border", False)]
)
def test_the_part_that_is_seen_is_where_a_mark_survives(mode, inside):
    made = Preprocess(64, 80, "bilinear", (0.5,) * 3, (0.5,) * 3, mode)
    x0, y0, x1, y1 = made.seen(300, 200)
    assert (min(x0, y0) >= 0) == inside
    image = np.zeros((200, 300, 3), np.uint8)
    column, row = int(300 * (x0 + 0.75 * (x1 - x0))), int(200 * (y0 + 0.5 * (y1 - y0)))
    image[row - 6 : row + 6, column - 6 : column + 6] = 255
    light = made.pixels(image)[:, :, 0].astype(float)
    if mode == "border":
        light[light == round(255 * 0.5)] = 0
    at = np.argwhere(light > 0.5 * light.max()).mean(axis=0) / 64
    np.testing.assert_allclose(at, (0.5, 0.75), atol=0.03)
