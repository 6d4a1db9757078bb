"""Networks of timm through the real door: the hub, a file put by hand, options, and equality with
timm itself."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.encoders.timm_models import TABLE
from core.errors import UserError

SMALL = [
    "test_resnet.r160_in1k",
    "test_vit.r160_in1k",
    "test_efficientnet.r160_in1k",
    "test_convnext.r160_in1k",
]


def timm_vectors(model, images, keep_head: bool = False) -> np.ndarray:
    """Unit vectors as timm's documentation makes them."""
    import timm
    import torch

    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    if not keep_head:
        model.reset_classifier(0)
    with torch.inference_mode():
        found = torch.cat(
            [model(transform(Image.fromarray(image))[None]) for image in images]
        ).numpy()
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("name", [*SMALL, "resnet50.tv_in1k"])
def test_vectors_equal_timms_own_after_download(publish, images, name):
    model = publish(name)
    encoder = encoders.get(name)
    assert encoder.state().kind == "download"
    encoder.load()
    assert encoder.state().kind == "ready"
    np.testing.assert_allclose(encoder.encode(images), timm_vectors(model, images), atol=1e-5)


def test_clip_keeps_the_layer_its_training_compares(publish, images):
    name = "vit_xsmall_patch16_clip_224.tinyclip_yfcc15m"
    model = publish(name)
    encoder = encoders.get(name)
    assert encoder.dim == 512
    np.testing.assert_allclose(
        encoder.encode(images[:1]), timm_vectors(model, images[:1], keep_head=True), atol=1e-5
    )


def test_a_bare_architecture_means_its_usual_tag():
    assert encoders.get("test_vit").name == "test_vit.r160_in1k"
    assert (
        encoders.get("resnet50.tv_in1k:size=288,pool=gem").name
        == "resnet50.tv_in1k:pool=gem,size=288"
    )


def test_an_unknown_name_suggests_timms():
    with pytest.raises(UserError, match=r"Did you mean .*resnet18\.a1_in1k"):
        encoders.get("resnet18.a1_in1")


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "a/b.c", "..", "", "x" * 300, "résnet.50", "a\nb.c", "%2e%2e.x"]
)
def test_names_that_are_no_names_are_unknown(path):
    with pytest.raises(UserError):
        encoders.get(path)


def test_table_agrees_with_timm():
    """What is listed without importing timm is what timm says."""
    import timm
    import torch

    from core.encoders import timm_models

    for name, row in TABLE.items():
        with torch.device("meta"):
            size = sum(
                value.numel() * value.element_size()
                for value in timm.create_model(name).state_dict().values()
            )
        assert row.dim == timm_models._dim(name, None, None), name
        assert row.preprocess == timm_models._record(name), name
        assert row.megabytes == pytest.approx(size / 1e6, rel=0.01, abs=0.6), name


def test_listing_and_states_need_no_torch(artifacts):
    code = (
        "import sys, time; from core.encoders.base import encoders; encoders.names(); start ="
        " time.process_time();rows = [(e.name, e.dim, str(e.state()), e.title) for e in"
        " map(encoders.get, encoders.names())];took = time.process_time() - start; assert len(rows)"
        " > 12;assert not {'torch', 'timm', 'torchvision', 'cv2', 'faiss', 'sklearn', 'requests'} &"
        " set(sys.modules), 'imported';assert took < 0.05, took"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


def test_pooling_is_what_it_says(publish, images):
    import torch

    model = publish("test_resnet.r160_in1k")
    base = encoders.get("test_resnet.r160_in1k")
    pixels = base._normalised([base.prepare(image) for image in images], base.model)
    with torch.inference_mode():
        maps = model.forward_features(pixels).numpy()
    wanted = {
        "avg": maps.mean((2, 3)),
        "max": maps.max((2, 3)),
        "gem": (np.maximum(maps, 1e-6) ** 3).mean((2, 3)) ** (1 / 3),
    }
    for pool, vectors in wanted.items():
        found = encoders.get(f"test_resnet.r160_in1k:pool={pool}").encode(images)
        np.testing.assert_allclose(
            found, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-5
        )


def test_tokens_pool_without_the_class_token(publish, images):
    import torch

    model = publish("test_vit.r160_in1k")
    base = encoders.get("test_vit.r160_in1k")
    pixels = base._normalised([base.prepare(image) for image in images], base.model)
    with torch.inference_mode():
        tokens = model.forward_features(pixels).numpy()
    wanted = {"avg": tokens[:, 1:].mean(1), "max": tokens[:, 1:].max(1), "cls": tokens[:, 0]}
    for pool, vectors in wanted.items():
        found = encoders.get(f"test_vit.r160_in1k:pool={pool}").encode(images)
        np.testing.assert_allclose(
            found, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), atol=1e-5
        )


@pytest.mark.parametrize("name", ["test_resnet.r160_in1k:size=96", "test_vit.r160_in1k:size=96"])
def test_another_size_runs_at_that_size(publish, images, name):
    publish(name.partition(":")[0])
    plain, other = encoders.get(name.partition(":")[0]), encoders.get(name)
    assert other.prepare(images[0]).shape == (96, 96, 3)
    assert other.encode(images).shape == plain.encode(images).shape
    assert other.fingerprint() != plain.fingerprint()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("pool=cls", "avg, max, gem"),
        ("pool=mean", "avg, max, gem, cls"),
        ("size=9", "from 32 to 1024"),
        ("size=big", "whole number"),
        ("colour=red", "It has: pool, size, pca"),
        ("pool", "key=value"),
    ],
)
def test_options_that_can_not_be_say_what_can(options, says):
    with pytest.raises(UserError, match=says):
        _ = encoders.get(f"resnet50.tv_in1k:{options}").dim


def test_worker_processes_get_no_weights(publish, images):
    publish("test_resnet.r160_in1k")
    encoder = encoders.get("test_resnet.r160_in1k")
    encoder.load()
    sent = pickle.dumps(encoder)
    assert len(sent) < 5_000
    np.testing.assert_array_equal(pickle.loads(sent).prepare(images[0]), encoder.prepare(images[0]))
    np.testing.assert_array_equal(pickle.loads(sent).encode(images), encoder.encode(images))


def test_fingerprint_follows_the_weights(publish, artifacts):
    publish("test_vit.r160_in1k", seed=0)
    first = encoders.get("test_vit.r160_in1k")
    assert first.fingerprint()["weights"] is None
    first.load()
    known = first.fingerprint()
    (artifacts / "models" / "test_vit.r160_in1k" / "model.safetensors").unlink()
    publish("test_vit.r160_in1k", seed=1)
    second = encoders.get("test_vit.r160_in1k")
    second.load()
    assert known["weights"] != second.fingerprint()["weights"] is not None
    assert {**known, "weights": None} == {**second.fingerprint(), "weights": None}
