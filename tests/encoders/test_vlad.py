"""SIFT + VLAD: the codebook's fit, and what the vectors are for."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from core.encoders.base import encoders
from core.errors import UserError
from tests.encoders.conftest import smooth


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [smooth(320, 240, seed) for seed in range(20)]


@pytest.fixture(scope="module")
def fitted(scenes):
    encoder = encoders.get("sift.vlad32")
    return encoder.with_fit(encoder.fit([encoder.prepare(scene) for scene in scenes]))


def test_a_turned_and_cropped_scene_finds_itself(fitted, scenes):
    """Local features do not mind a quarter turn and a lost border; the tiny image does."""
    turned = [np.rot90(scene)[20:, :-20].copy() for scene in scenes]
    scores = fitted.encode(turned) @ fitted.encode(scenes).T
    assert (scores.argmax(axis=1) == np.arange(len(scenes))).mean() >= 0.9
    tiny = encoders.get("tiny.16x16")
    assert (
        (tiny.encode(turned) @ tiny.encode(scenes).T).argmax(axis=1) == np.arange(len(scenes))
    ).mean() < 0.5


def test_fit_is_the_same_every_time_and_in_the_fingerprint(fitted, scenes):
    encoder = encoders.get("sift.vlad32")
    prepared = [encoder.prepare(scene) for scene in scenes]
    assert encoder.with_fit(encoder.fit(prepared)).fingerprint() == fitted.fingerprint()
    assert encoder.with_fit(encoder.fit(prepared[:10])).fingerprint() != fitted.fingerprint()
    assert not encoder.fitted
    assert encoder.fingerprint()["fit"] is None


def test_words_are_normalised_one_by_one(fitted, scenes):
    blocks = (fitted.encode(scenes[:1])[0] ** 2).reshape(32, 64)
    lengths = np.linalg.norm(blocks, axis=1)
    used = lengths > 1e-9
    np.testing.assert_allclose(lengths[used], lengths[used][0], rtol=1e-3)


def test_pictures_without_keypoints_are_far_from_all_and_valid(fitted, scenes):
    plain = np.full((50, 80, 3), 128, np.uint8)
    vector = fitted.encode([plain])[0]
    assert np.isfinite(vector).all()
    assert np.abs(fitted.encode(scenes) @ vector).max() < 0.5


def test_a_gallery_without_keypoints_says_so():
    encoder = encoders.get("sift.vlad32")
    with pytest.raises(UserError, match="finds 0 keypoints"):
        encoder.fit([encoder.prepare(np.full((40, 40, 3), 9, np.uint8))])


def test_encoding_before_the_fit_and_foreign_fits_are_refused(scenes):
    encoder = encoders.get("sift.vlad32")
    with pytest.raises(UserError, match="fitted"):
        encoder.encode(scenes[:1])
    with pytest.raises(UserError, match="wrong shape"):
        encoder.with_fit({"words": np.zeros((2, 2), np.float32)})


def test_it_can_be_whitened(fitted, scenes):
    made = encoders.get("sift.vlad32:pca=8").with_base(fitted)
    made = made.with_fit(made.fit(fitted.encode(scenes)))
    assert made.encode([np.asarray(Image.fromarray(scenes[0]).rotate(5))]).shape == (1, 8)
