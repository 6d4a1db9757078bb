"""Builds by SIFT with VLAD, which is fitted, and by a network from a hub, which may run in half
precision."""

from __future__ import annotations

import json
import shutil

import pytest

from core import store
from core.encoders import precision as running
from core.encoders import trial
from core.encoders.base import encoders
from core.services.embedding import bound
from core.services.embedding.bound import is_built
from core.services.embedding.build import build, estimate
from core.services.library import library
from core.services.search import serving
from core.services.search.request import Query, SearchRequest
from core.services.search.result import Hit
from tests.encoders.conftest import hub, publish  # noqa: F401
from tests.plugged import ROOT

NETWORK = "test_resnet.r160_in1k"


@pytest.fixture
def products(tmp_path):
    """48 rendered pictures of six products."""
    source = sorted((ROOT / "artifacts" / "catalogue" / "images").glob("*-0[0-1]-*.webp"))[:48]
    folder = tmp_path / "products"
    folder.mkdir()
    for path in source:
        shutil.copy(path, folder)
    return folder


def itself(dataset, encoder: str) -> Hit:
    """The best hit of a picture of the gallery, itself allowed."""
    data = dataset.read(dataset.items[5])
    return serving.search(
        SearchRequest(Query(data=data), encoder, k=1, include_self=True), dataset
    ).hits[0]


def test_sift_vlad_is_fitted_once_and_new_pictures_cost_only_themselves(products):
    name = next(name for name in encoders.names() if name.startswith("sift."))
    held = sorted(products.iterdir())[-1]
    held.rename(products.parent / held.name)
    dataset = library.open_dataset(str(products))
    (row,) = build(dataset, [name])
    assert row.encoded == 47
    hit = itself(dataset, name)
    assert hit.id == dataset.items[5].id
    assert hit.score == pytest.approx(1.0, abs=1e-4)
    (fit,) = store.entries("fits")
    (products.parent / held.name).rename(held)
    dataset = library.open_dataset(str(products), fresh=True)
    (row,) = build(dataset, [name])
    assert row.encoded == 1
    assert store.entries("fits")[0].built == fit.built


def test_a_network_is_downloaded_measured_and_searched_in_one_format(
    hub,  # noqa: F811
    publish,  # noqa: F811
    products,
    monkeypatch,
    artifacts,
):
    publish(NETWORK)
    monkeypatch.setattr(bound, "WORTH", 48)
    monkeypatch.setattr(running, "offered", lambda: ("bf16-autocast",))
    real, rates = trial._timed, {"fp32": 10.0, "bf16-autocast": 30.0}
    monkeypatch.setattr(
        trial, "_timed", lambda encoder, sample, form: (real(encoder, sample, form)[0], rates[form])
    )
    dataset = library.open_dataset(str(products))
    assert estimate(dataset, NETWORK).download_bytes >= 0
    assert not is_built(dataset, NETWORK)
    (row,) = build(dataset, [NETWORK])
    assert row.encoded == 48
    (record,) = (artifacts / "cache" / "precision").glob("*.json")
    form = json.loads(record.read_text())["form"]
    assert is_built(dataset, NETWORK)
    engine = serving.engine(dataset, NETWORK)
    assert engine.encoder.form == form
    assert itself(dataset, NETWORK).score == pytest.approx(1.0, abs=2e-2)
    (again,) = build(dataset, [NETWORK])
    assert again.encoded == 0


def test_one_network_in_memory_serves_all_its_galleries(hub, publish, products, tmp_path):  # noqa: F811
    publish(NETWORK)
    few = tmp_path / "few"
    few.mkdir()
    for path in sorted(products.iterdir())[:6]:
        shutil.copy(path, few)
    engines = []
    for folder in (products, few):
        dataset = library.open_dataset(str(folder))
        build(dataset, [NETWORK])
        engines.append(serving.engine(dataset, NETWORK))
    assert engines[0].encoder is engines[1].encoder
