"""Detectors of torchvision: its own answers, from weights that came over the network."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest

from core.detectors import torchvision_detectors as tv
from core.detectors.base import detectors
from core.errors import UserError
from tests.encoders.conftest import smooth

SMALL = tv.TABLE["ssdlite"]


@pytest.fixture
def published(hub, monkeypatch):
    """``published(row)``: random weights at the mirror, under a name that promises their digest,
    and the whole network."""

    def put(row: tv.Listed):
        import torch

        torch.manual_seed(0)
        model, out = tv.create(row).eval(), io.BytesIO()
        torch.save(model.state_dict(), out)
        file = f"{row.name}-{hashlib.sha256(out.getvalue()).hexdigest()[:8]}.pth"
        hub.files[file] = out.getvalue()
        own = tv.record(row)

        class Record:
            url, meta = f"https://download.invalid/{file}", own.meta

        monkeypatch.setattr(tv, "record", lambda _: Record)
        return model, own.meta["categories"]

    return put


def test_boxes_and_labels_are_torchvisions_own_after_download(published, monkeypatch):
    import torch
    from torchvision.transforms.functional import to_tensor

    model, names = published(SMALL)
    monkeypatch.setattr(tv, "MIN_SCORE", 0.0)  # weights that learnt nothing are never sure
    made, image = detectors.get("ssdlite"), smooth(300, 200, seed=3)
    assert made.state().kind == "download"
    assert "14 MB" in str(made.state())
    before = made.fingerprint()
    found = made.detect(image)
    assert made.state().kind == "ready"
    assert made.fingerprint() != before
    with torch.inference_mode():
        wanted = model([to_tensor(image.copy())])[0]
    assert len(found) == 30
    np.testing.assert_allclose(
        [box.score for box in found], wanted["scores"][:30].numpy(), atol=1e-6
    )
    edges = np.clip(wanted["boxes"].numpy() / (300, 200, 300, 200), 0, 1)
    for (
        box
    ) in found:  # weights that learnt nothing give many the same score, so their order is open
        same = np.abs(edges - box.edges).max(axis=1) < 1e-4
        assert np.isclose(wanted["scores"].numpy()[same], box.score, atol=1e-6).any()
        assert box.label in {
            names[label] for label in wanted["labels"][torch.from_numpy(same)].tolist()
        }


def test_what_is_not_sure_is_not_shown(published):
    published(SMALL)
    assert detectors.get("ssdlite").detect(smooth(300, 200, seed=3)) == ()


def test_a_file_that_is_not_the_promised_one(published, hub):
    published(SMALL)
    file = next(name for name in hub.files if name.startswith("ssdlite"))
    hub.files[file] = hub.files[file][:-1] + b"x"
    with pytest.raises(UserError, match="not the file that was promised"):
        detectors.get("ssdlite").load()


@pytest.mark.parametrize("row", tv.TABLE.values(), ids=lambda row: row.name)
def test_offline_says_which_file_goes_where(hub, monkeypatch, row):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=rf"models/{row.weights}/[a-z0-9_]+-[0-9a-f]{{8}}\.pth"):
        detectors.get(row.name).load()


def test_weights_of_another_network_are_told(artifacts):
    import torch

    folder = artifacts / "models" / SMALL.weights
    folder.mkdir(parents=True)
    torch.save({"head.weight": torch.zeros(2)}, folder / "mine.pth")
    with pytest.raises(UserError, match="is not one of ssdlite320"):
        detectors.get("ssdlite").load()


@pytest.mark.parametrize("row", tv.TABLE.values(), ids=lambda row: row.name)
def test_table_agrees_with_torchvision(row):
    record = tv.record(row)
    assert row.megabytes == pytest.approx(record.meta["_file_size"] * 1.048576, rel=0.01, abs=0.6)
    assert {"person", "toothbrush"} <= set(record.meta["categories"])
    import torch

    with torch.device("meta"):
        made = tv.create(row)
    assert row.side == (320 if row.name == "ssdlite" else made.transform.min_size[0])
