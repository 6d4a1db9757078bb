"""A search in a part of the gallery, by any index and with its knobs, from the service and from the
command line."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from core.cli.main import main
from core.errors import UserError
from core.services.embedding import build
from core.services.library import library
from core.services.search import request
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from core.types import Item

ITEMS = [
    Item(
        "a",
        "a.png",
        label="mug",
        category="cup",
        split="train",
        attributes={"colour": "red", "tags": ("old", "small")},
    ),
    Item(
        "b",
        "b.png",
        label="shoe",
        category="shoe",
        split="train",
        attributes={"colour": "blue", "size": 42},
    ),
    Item("c", "c.png", label="mug", split="test", attributes={"größe": "café"}),
]


@pytest.mark.parametrize(
    ("conditions", "mask"),
    [
        ([], None),
        (["label=mug"], "101"),
        (["label=mug|shoe"], "111"),
        (["label=mug", "split=train"], "100"),
        (["größe=cafe\u0301"], "001"),
        (["gro\u0308ße=café"], "001"),
        (["colour=blue"], "010"),
        (["tags=old"], "100"),
        (["size=42"], "010"),
        ([" label = mug "], "101"),
    ],
)
def test_conditions(conditions, mask):
    found = request.allowed(ITEMS, conditions)
    assert mask is None if found is None else "".join(str(int(one)) for one in found) == mask


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("label", "category=shoe"),
        ("=", "no filter"),
        ("label=", "no filter"),
        ("material=wood", "colour"),
        ("label=mugg", "mug"),
        ("label=" + "x" * 9999, "mug"),
    ],
)
def test_wrong_conditions_name_what_there_is(condition, said):
    with pytest.raises(UserError, match=said) as told:
        request.allowed(ITEMS, [condition])
    assert len(str(told.value)) < 500


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """The embedded catalogue with tiny vectors, in caches of its own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("LOOKALIKE_ARTIFACTS", str(tmp_path_factory.mktemp("artifacts")))
    dataset = library.open_dataset("catalogue")
    build.build(dataset, ["hsv.12x4x4"])
    yield dataset
    patch.undo()


INDEXES = (
    "exact",
    "hnsw:efSearch=16,M=16",
    "minhash",
    "diffusion",
    "hamming",
    "factory:IVF16,SQ8,nprobe=4",
)


@pytest.mark.parametrize("index", INDEXES)
def test_every_kind_of_index_answers_within_the_filter(gallery, index):
    answer = search(
        SearchRequest(
            Query(item_id="mug-15-0"), "hsv.12x4x4", index, 8, where=["category=mug|ring"]
        ),
        gallery,
    )
    assert answer.hits
    assert {hit.category for hit in answer.hits} <= {"mug", "ring"}
    assert answer.index == index
    assert answer.score == ("diffusion" if index == "diffusion" else "cosine")
    assert "mug-15-0" not in {hit.id for hit in answer.hits}


def test_filtered_hits_are_the_unfiltered_ones_that_are_left(gallery):
    everything = search(
        SearchRequest(Query(item_id="mug-15-0"), "hsv.12x4x4", k=1000), gallery
    ).hits
    wanted = [(hit.id, hit.score) for hit in everything if hit.category == "ring"][:5]
    found = search(
        SearchRequest(Query(item_id="mug-15-0"), "hsv.12x4x4", k=5, where=["category=ring"]),
        gallery,
    ).hits
    assert [(hit.id, hit.score) for hit in found][: len(wanted)] == wanted
    assert [hit.rank for hit in found] == [1, 2, 3, 4, 5]


def test_from_the_command_line(gallery, capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    asked = [
        "search",
        "--dataset",
        "catalogue",
        "--encoder",
        "hsv.12x4x4",
        "--query",
        "id:mug-15-0",
        "-k",
        "3",
        "--json",
    ]
    assert main([*asked, "--index", "hamming:rerank=0", "--where", "category=ring"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["index"] == "hamming:rerank=0"
    assert all(hit["id"].startswith("ring") for hit in told["hits"])
    assert len(told["hits"]) == 3
    assert main([*asked, "--where", "category=unicorn"]) == 1
    assert "unicorn" in capsys.readouterr().err


def test_the_list_of_indexes_says_what_each_can_do(capsys, monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    assert main(["indexes", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {
        "annoy",
        "voyager",
        "minhash",
        "hamming",
        "hamming_ivf",
        "knn_graph",
        "diffusion",
        "exact",
        "hnsw",
    } <= rows.keys()
    assert "no longer maintained" in rows["annoy"]["about"].lower()
    assert rows["diffusion"]["score"] == "diffusion"
    for row in rows.values():
        for knob in (*row["build_knobs"].values(), *row["search_knobs"].values()):
            assert knob["low"] <= knob["default"] <= knob["high"]
            assert knob["about"]
            assert np.isfinite(knob["values"]).all()


def test_an_index_whose_package_is_missing_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    monkeypatch.setattr(
        "core.indexes.base.find_spec", lambda name: None if name == "annoy" else object()
    )
    assert main(["indexes", "--json"]) == 0
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "annoy")
    assert row["state"] == "unavailable"
    assert "compiler" in row["detail"]
    from core.indexes.base import indexes

    with pytest.raises(UserError, match="compiler"):
        indexes.get("annoy").build(np.eye(4, dtype=np.float32))
