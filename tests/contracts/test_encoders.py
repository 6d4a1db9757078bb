"""The same checks over every encoder: all that can run here, and the description of all that are
listed."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import Encoder, encoders
from core.images import resize

LISTED = encoders.names()
OWN = [name for name in LISTED if encoders.get(name).tier not in ("pretrained", "imported")]
READY = [name for name in OWN if encoders.get(name).state().kind == "ready"]
WHITENED = [f"{name}:pca=8" for name in ("hsv.12x4x4", "sift.vlad32", "test_vit.r160_in1k")]
NETWORKS = ["test_resnet.r160_in1k", "test_vit.r160_in1k", "test_resnet.r160_in1k:pool=gem,size=96"]
"""Small ones with random weights stand for all pretrained networks: what somebody downloaded here
does not matter."""
TESTED = [*READY, *NETWORKS, *WHITENED]


def scene(width: int, height: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    fine = Image.fromarray(draw.integers(0, 256, (24, 32, 3), dtype=np.uint8)).resize(
        (width, height)
    )
    return np.asarray(Image.blend(coarse, fine, 0.3))


SCENES = [scene(160 + 20 * seed, 240 - 10 * seed, seed) for seed in range(12)]
ODD = {
    "one pixel": np.full((1, 1, 3), 200, np.uint8),
    "tall strip": np.repeat(np.arange(20_000)[:, None, None] % 256, 3, axis=2).astype(np.uint8),
    "wide strip": np.repeat(np.arange(20_000)[None, :, None] % 256, 3, axis=2).astype(np.uint8),
    "black": np.zeros((64, 64, 3), np.uint8),
    "white": np.full((50, 70, 3), 255, np.uint8),
    "grey levels": np.repeat(scene(100, 80, 3)[..., :1], 3, axis=2),
    "noise": np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8),
    "large": resize(scene(200, 150, 5), 2400, 1800),
}


def load_random(network: Encoder) -> None:
    """Load it with random weights, put by hand into an artifacts folder that is gone afterwards."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKALIKE_ARTIFACTS", folder)
        home = Path(folder) / "models" / network.weights_name
        home.mkdir(parents=True)
        save_file(timm.create_model(network.weights_name).state_dict(), home / "model.safetensors")
        network.load()


@cache
def made(name: str) -> Encoder:
    """The encoder, loaded, and fitted on the scenes where it has to be."""
    encoder = encoders.get(name)
    if encoder.tier == "pretrained" and not encoder.base:
        load_random(encoder)
    if encoder.fitted:
        return encoder
    if encoder.base:
        base = made(encoder.base)
        encoder = encoder.with_base(base)
        if encoder.fitted:
            return encoder
        return encoder.with_fit(encoder.fit(base.encode(SCENES), None))
    return encoder.with_fit(encoder.fit([encoder.prepare(one) for one in SCENES], None))


@cache
def vectors_of(name: str) -> np.ndarray:
    """Of the scenes, in one batch; encoded once for all tests."""
    vectors = made(name).encode(SCENES)
    vectors.setflags(write=False)
    return vectors


@pytest.mark.parametrize("name", LISTED)
def test_description_is_complete(name):
    encoder = encoders.get(name)
    assert encoder.name == name
    assert re.fullmatch(r"[a-zA-Z0-9_-]+\.[a-zA-Z0-9_.-]+(:[a-z]+=\w+(,[a-z]+=\w+)*)?", name), (
        "architecture.tag[:options]"
    )
    assert encoder.title
    assert encoder.family
    assert len(encoder.about) > 20
    assert encoder.about.endswith(".")
    assert encoder.tier in ("bundled", "packaged", "pretrained", "trained", "imported")
    assert encoder.dim > 1
    state = encoder.state()
    assert state.kind in ("ready", "download", "unavailable")
    assert state.kind == "ready" or state.detail
    assert state.kind != "download" or state.bytes > 0


@pytest.mark.parametrize("name", TESTED)
def test_vectors_are_unit_rows_of_the_promised_form(name):
    vectors = vectors_of(name)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(SCENES), made(name).dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", TESTED)
def test_the_same_picture_gives_the_same_vector(name):
    np.testing.assert_array_equal(made(name).encode(SCENES), vectors_of(name))


@pytest.mark.parametrize("name", TESTED)
def test_a_vector_does_not_depend_on_its_neighbours(name):
    """Alone, in a batch or in another order: the same to 1e-5."""
    encoder = made(name)
    together = vectors_of(name)
    np.testing.assert_allclose(
        np.concatenate([encoder.encode([one]) for one in SCENES]), together, atol=1e-5
    )
    np.testing.assert_allclose(encoder.encode(SCENES[::-1])[::-1], together, atol=1e-5)


@pytest.mark.parametrize("name", TESTED)
def test_different_pictures_get_different_vectors(name):
    vectors = vectors_of(name)
    scores = vectors @ vectors.T
    assert (scores.argmax(axis=1) == np.arange(len(SCENES))).all()
    assert scores[~np.eye(len(SCENES), dtype=bool)].max() < 0.99999


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", TESTED)
def test_odd_pictures_give_vectors_too(name, kind):
    vectors = made(name).encode([ODD[kind]])
    assert np.isfinite(vectors).all()
    assert np.linalg.norm(vectors[0]) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", TESTED)
def test_the_picture_is_left_alone(name):
    picture = SCENES[0].copy()
    picture.setflags(write=False)
    made(name).encode([picture])
    np.testing.assert_array_equal(picture, SCENES[0])


@pytest.mark.parametrize("name", TESTED)
def test_no_pictures_no_vectors(name):
    assert made(name).encode_prepared([]).shape == (0, made(name).dim)


@pytest.mark.parametrize("name", TESTED)
def test_worker_processes_can_prepare(name):
    """The object is small to send, and what it prepares there is what it prepares here."""
    encoder = made(name)
    encoder.encode(SCENES[:1])
    sent = pickle.dumps(encoder)
    assert len(sent) < 2 << 20
    for picture in (SCENES[0], ODD["tall strip"]):
        prepared = pickle.loads(pickle.dumps(pickle.loads(sent).prepare(picture)))
        np.testing.assert_array_equal(prepared, encoder.prepare(picture))
        assert prepared.nbytes < 8 << 20


@pytest.mark.parametrize("name", TESTED)
def test_smaller_decoding_changes_little(name):
    """``side`` promises that twice as many pixels on the short side are enough."""
    encoder = made(name)
    if encoder.side is None:
        return
    small = resize(ODD["large"], 2400 * 2 * encoder.side // 1800, 2 * encoder.side)
    whole, reduced = encoder.encode([ODD["large"], small])
    assert whole @ reduced > 0.9


@pytest.mark.parametrize("name", READY)
def test_the_fingerprint_names_its_causes(name):
    prints = encoders.get(name).fingerprint()
    assert json.loads(json.dumps(prints)) == prints
    assert prints == encoders.get(name).fingerprint()
    assert prints["encoder"] == name
    assert prints["dim"] == encoders.get(name).dim


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "import json; from core.encoders.base import encoders;"
        f"print(json.dumps({{name: encoders.get(name).fingerprint() for name in {READY!r}}}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert json.loads(ran.stdout) == {name: encoders.get(name).fingerprint() for name in READY}
    assert len({json.dumps(one, sort_keys=True) for one in json.loads(ran.stdout).values()}) == len(
        READY
    )
