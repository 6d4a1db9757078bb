"""Networks of torchvision with torchvision's own weight files."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.encoders.torchvision_models import TABLE
from core.errors import UserError


@pytest.fixture
def published(hub):
    """``published(name)``: random weights under torchvision's file name at the mirror, and the
    whole network."""

    def put(name: str, *, honest: bool = True):
        import torch

        from core.encoders import torchvision_models as tv

        torch.manual_seed(0)
        model = tv._create(name, None).eval()
        out = io.BytesIO()
        torch.save(model.state_dict(), out)
        file = tv._weights(name).url.rsplit("/", 1)[1]
        stem = file.rpartition("-")[0]
        named = f"{stem}-{hashlib.sha256(out.getvalue()).hexdigest()[:8]}.pth" if honest else file
        hub.files[named] = out.getvalue()
        return model, named

    return put


@pytest.fixture
def renamed(monkeypatch):
    """Let torchvision's record name the file that the mirror has (its checksum is part of the
    name)."""

    def rename(name: str, file: str) -> None:
        from core.encoders import torchvision_models as tv

        own = tv._weights(name)

        class Record:
            url = own.url.rsplit("/", 1)[0] + "/" + file
            transforms = own.transforms

        monkeypatch.setattr(tv, "_weights", lambda _: Record)

    return rename


SMALL = [
    "resnet18.imagenet1k_v1",
    "mobilenet_v3_small.imagenet1k_v1",
    "shufflenet_v2_x0_5.imagenet1k_v1",
]


@pytest.mark.parametrize("name", SMALL)
def test_vectors_equal_torchvisions_own_after_download(published, renamed, images, name):
    import torch

    from core.encoders import torchvision_models as tv

    recipe = tv._weights(name).transforms()
    model, file = published(name)
    renamed(name, file)
    encoder = encoders.get(name)
    found = encoder.encode(images)
    tv._take_head_off(model)
    with torch.inference_mode():
        wanted = torch.cat(
            [model(recipe(Image.fromarray(image))[None]) for image in images]
        ).numpy()
    np.testing.assert_allclose(
        found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5
    )


def test_the_checksum_in_the_file_name_is_checked(published, artifacts):
    published("resnet18.imagenet1k_v1", honest=False)
    with pytest.raises(UserError, match="not the file that was promised"):
        encoders.get("resnet18.imagenet1k_v1").load()


def test_offline_says_which_file_goes_where(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"models/resnet50\.imagenet1k_v2/resnet50-11ad3fa6\.pth"):
        encoders.get("resnet50.imagenet1k_v2").load()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(UserError, match=r"resnet50-11ad3fa6\.pth"):
        encoders.get("resnet50.imagenet1k_v2").load()


def test_table_agrees_with_torchvision():
    from core.encoders import torchvision_models as tv

    for name, row in TABLE.items():
        assert row.dim == tv._dim(name, None, None), name
        assert row.preprocess == tv._record(name), name
        assert row.megabytes == pytest.approx(
            tv._weights(name).meta["_file_size"] * 1.048576, rel=0.01, abs=0.6
        ), name


def test_pools_of_a_map_and_of_tokens():
    assert encoders.get("vgg16.imagenet1k_v1").dim == 4096
    assert encoders.get("vgg16.imagenet1k_v1:pool=gem").dim == 512
    assert encoders.get("vit_b_16.imagenet1k_v1:pool=avg").dim == 768
    with pytest.raises(UserError, match="cls, avg, max"):
        _ = encoders.get("vit_b_16.imagenet1k_v1:pool=gem").dim
    with pytest.raises(UserError, match="It takes 224"):
        _ = encoders.get("vit_b_16.imagenet1k_v1:size=256,pool=avg").dim


def test_gem_of_a_resnet_is_the_mean_of_cubes(published, renamed, images):
    import torch

    model, file = published("resnet18.imagenet1k_v1")
    renamed("resnet18.imagenet1k_v1", file)
    encoder = encoders.get("resnet18.imagenet1k_v1:pool=gem")
    found = encoder.encode(images)
    pixels = encoder._normalised([encoder.prepare(image) for image in images], encoder.model)
    with torch.inference_mode():
        body = torch.nn.Sequential(*list(model.children())[:-2])
        wanted = body(pixels).clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3).numpy()
    np.testing.assert_allclose(
        found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5
    )


def test_networks_that_can_not_be_used_are_unknown():
    for name in ("resnet50.imagenet1k_v9", "squeezenet1_0.imagenet1k_v1", "nosuch.imagenet1k_v1"):
        with pytest.raises(UserError):
            encoders.get(name)
