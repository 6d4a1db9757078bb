"""Far from everything, on the embedded catalogue with a network: real photographs of what it does
not hold, and its own."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as parquet
import pytest

from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.library import library
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search

NAME = "tf_efficientnet_lite0.in1k"
COUNTERPARTS = {
    "backpack",
    "beer bottle",
    "pop bottle",
    "pill bottle",
    "water jug",
    "beach wagon",
    "convertible",
    "limousine",
    "sports car",
    "police van",
    "moving van",
    "go-kart",
    "rocking chair",
    "lampshade",
    "sunglasses",
    "teapot",
    "comic book",
    "stopwatch",
    "magnetic compass",
    "sandal",
    "espresso",
    "dining table",
    "desk",
    "beaker",
    "hourglass",
}
"""Classes of Tiny ImageNet that the catalogue's 17 categories hold, or whose pictures often show
one of these things."""


def absent(photographs, each: int) -> list[bytes]:
    """The first pictures of every class without a counterpart."""
    table = parquet.read_table(
        photographs / "tiny_imagenet" / "validation.parquet", columns=["image", "name"]
    )
    found: dict[str, list[bytes]] = {}
    for row in table.to_pylist():
        image = row["image"]
        found.setdefault(row["name"], []).append(
            image["bytes"] if isinstance(image, dict) else image
        )
    assert len(COUNTERPARTS - found.keys()) == 0
    return [
        data for name, many in found.items() if name not in COUNTERPARTS for data in many[:each]
    ]


def far(dataset, queries: list[Query]) -> float:
    answers = [search(SearchRequest(query, NAME, k=1), dataset) for query in queries]
    assert all(answer.usual is not None and answer.apart == "category" for answer in answers)
    return float(np.mean([answer.far for answer in answers]))


def shares(photographs, each: int, step: int, classes: int = 1) -> tuple[float, float]:
    """The share of far answers among photographs of what the catalogue lacks (of every
    ``classes``-th class), and among pictures of its test products, each without itself."""
    dataset = library.open_dataset("catalogue")
    own = [item.id for item in dataset.items if item.split == "test"][::step]
    lacking = far(dataset, [Query(data=data) for data in absent(photographs, each)[::classes]])
    return lacking, far(dataset, [Query(item_id=id) for id in own])


def test_a_few_photographs_and_products(photographs):
    dataset = library.open_dataset("catalogue")
    encoder = prepared(dataset, NAME).encoder
    if stored.find(dataset, encoder) is None:
        pytest.skip(
            f"the vectors of {NAME} do not come with the code yet; the slow test builds them"
        )
    lacking, own = shares(photographs, each=1, step=26, classes=3)
    assert lacking >= 0.6
    assert own <= 0.05


@pytest.mark.slow
def test_many_photographs_and_every_test_product(photographs):
    dataset = library.open_dataset("catalogue")
    build(dataset, [NAME])
    lacking, own = shares(photographs, each=5, step=1)
    assert lacking >= 0.6
    assert own <= 0.05
