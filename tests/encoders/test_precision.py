"""Half precision is kept where it ranks the same and is faster, and nowhere else."""

from __future__ import annotations

import json

import numpy as np
import pytest

from core.encoders import precision, trial
from core.encoders.base import encoders
from core.errors import UserError
from tests.encoders.conftest import smooth

NAME = "test_resnet.r160_in1k"


@pytest.fixture
def sample(hub):
    return [encoders.get(NAME).prepare(smooth(180, 170, seed)) for seed in range(48)]


@pytest.fixture
def fast(monkeypatch):
    """Let half precision be the faster one, whatever this machine is busy with: what is tested is
    the other condition."""
    monkeypatch.setattr(precision, "offered", lambda: ("bf16-autocast", "bf16-weights"))
    real, ticks = trial._timed, {"fp32": 10.0, "bf16-autocast": 30.0, "bf16-weights": 20.0}
    monkeypatch.setattr(
        trial, "_timed", lambda encoder, sample, form: (real(encoder, sample, form)[0], ticks[form])
    )


def collapse(hub, amount: float) -> None:
    """Publish weights whose vectors all point nearly the same way: ``amount`` of what tells
    pictures apart is left."""
    import timm
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    model = timm.create_model(NAME).eval()
    last = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)][-1]
    with torch.no_grad():
        last.weight.mul_(amount)
        last.bias.fill_(1.0)
    hub.put(f"timm/{NAME}", "model.safetensors", save(model.state_dict()))


def test_well_spread_vectors_keep_the_fastest_form(publish, sample, fast, artifacts):
    publish(NAME)
    encoder = encoders.get(NAME)
    record = trial.decide(encoder, sample)
    assert record.form == "bf16-autocast", record
    assert record.overlap["bf16-autocast"] >= trial.OVERLAP
    assert encoder.form == "bf16-autocast"
    assert encoders.get(NAME).fingerprint()["precision"] == "bf16-autocast"
    (kept,) = (artifacts / "cache" / "precision").glob("*.json")
    assert json.loads(kept.read_text())["rates"]["fp32"] == 10.0


def test_collapsed_vectors_fall_back(hub, sample, fast):
    collapse(hub, 0.002)
    encoder = encoders.get(NAME)
    record = trial.decide(encoder, sample)
    assert record.form == "fp32"
    assert max(record.overlap.values()) < trial.OVERLAP
    assert "top 10" in record.reason
    assert encoders.get(NAME).form == "fp32"


def test_a_slower_form_is_not_kept(publish, sample, monkeypatch):
    publish(NAME)
    monkeypatch.setattr(precision, "offered", lambda: ("bf16-autocast",))
    real, ticks = trial._timed, {"fp32": 30.0, "bf16-autocast": 10.0}
    monkeypatch.setattr(
        trial, "_timed", lambda encoder, sample, form: (real(encoder, sample, form)[0], ticks[form])
    )
    assert trial.decide(encoders.get(NAME), sample).reason == "nothing faster ranks the same"


def test_a_change_of_map_is_not_kept(publish, sample, fast, monkeypatch):
    publish(NAME)
    values = iter([0.5, 0.51, 0.5, 0.4985])
    monkeypatch.setattr(trial, "mean_average_precision", lambda vectors, labels: next(values))
    record = trial.decide(encoders.get(NAME), sample, labels=[row % 4 for row in range(48)])
    assert record.map_change == {"bf16-autocast": 0.01, "bf16-weights": -0.0015}
    assert record.form == "bf16-weights"


def test_it_is_measured_once(publish, sample, fast, monkeypatch):
    publish(NAME)
    first = trial.decide(encoders.get(NAME), sample)
    monkeypatch.setattr(trial, "measure", lambda *_: pytest.fail("measured again"))
    assert trial.decide(encoders.get(NAME), sample) == first


def test_few_pictures_decide_nothing(publish, sample, fast):
    publish(NAME)
    record = trial.decide(encoders.get(NAME), sample[:20])
    assert (record.form, record.pictures) == ("fp32", 0)
    assert precision.found(encoders.get(NAME)) is None


def test_encoders_without_a_network_have_nothing_to_choose():
    encoder = encoders.get("hsv.12x4x4")
    assert trial.decide(encoder, []).form == "fp32"


def test_the_environment_forces_and_is_checked(publish, monkeypatch, images):
    publish(NAME)
    plain = encoders.get(NAME)
    whole = plain.encode(images)
    monkeypatch.setenv("LOOKALIKE_PRECISION", "bf16")
    half = encoders.get(NAME)
    assert half.fingerprint()["precision"] == "bf16-autocast"
    assert 0 < np.abs(half.encode(images) - whole).max() < 0.05
    assert plain.fingerprint()["precision"] == "fp32", "an object keeps the form of its vectors"
    np.testing.assert_array_equal(plain.encode(images), whole)
    monkeypatch.setenv("LOOKALIKE_PRECISION", "int4")
    with pytest.raises(UserError, match="fp32, bf16"):
        _ = encoders.get(NAME).form


def test_rounded_weights_are_read_anew_for_fp32(publish, images):
    publish(NAME)
    encoder = encoders.get(NAME)
    whole = encoder.encode(images)
    encoder.use_precision("bf16-weights")
    assert np.abs(encoder.encode(images) - whole).max() > 0
    encoder.use_precision("fp32")
    np.testing.assert_array_equal(encoder.encode(images), whole)


def test_a_damaged_record_counts_as_none(publish, sample, fast, artifacts):
    publish(NAME)
    trial.decide(encoders.get(NAME), sample)
    (kept,) = (artifacts / "cache" / "precision").glob("*.json")
    kept.write_text('{"form": "int4"')
    assert encoders.get(NAME).form == "fp32"


def test_overlap_counts_shared_neighbours():
    draw = np.random.default_rng(0).normal(size=(60, 16))
    assert trial.top_overlap(draw, draw) == 1.0
    assert trial.top_overlap(draw, np.random.default_rng(1).normal(size=(60, 16))) < 0.4


def test_map_of_a_hand_made_case():
    """Four pictures on a line: each finds its mate first; or the outer ones second and the inner
    ones last."""
    vectors = np.array([[1, 0], [0.9, 0.4], [0.4, 0.9], [0, 1]], dtype=float)
    assert (
        trial.mean_average_precision(vectors, np.array(["a", "a", "b", "b"], dtype=object)) == 1.0
    )
    assert trial.mean_average_precision(
        vectors, np.array(["a", "b", "a", "b"], dtype=object)
    ) == pytest.approx(5 / 12)


@pytest.mark.parametrize("name", ["resnet.lookalike", "vit.lookalike", "autoencoder.lookalike"])
def test_half_precision_ranks_the_same_and_leaves_the_shared_network_whole(name):
    whole, prepared = (
        encoders.get(name),
        [encoders.get(name).prepare(smooth(120, 100, seed)) for seed in range(40)],
    )
    wanted = whole.encode_prepared(prepared)
    for form in ("bf16-autocast", "bf16-weights"):
        other = encoders.get(name)
        other.use_precision(form)
        assert other.fingerprint() != whole.fingerprint()
        assert trial.top_overlap(wanted, other.encode_prepared(prepared)) > 0.8, form
    np.testing.assert_array_equal(whole.encode_prepared(prepared), wanted)
    assert "precision" not in whole.fingerprint()
    if precision.offered():
        record = trial.decide(encoders.get(name), prepared)
        assert record.pictures == 40
        assert encoders.get(name).form == record.form
