"""The real photographs: the protocols of the field, and what listing and reading them may cost."""

from __future__ import annotations

import pickle
import sys
import time
from collections import Counter

import pytest

from core.datasets.paths import open_dataset
from tests.datasets.layouts import peak_memory


def roles(dataset, name=None) -> tuple[int, int]:
    protocol = dataset.protocol(name)
    queries = sorted(item.id for item in dataset.items if protocol.is_query(item))[
        :: protocol.every
    ]
    return sum(protocol.in_gallery(item) for item in dataset.items), len(queries)


def test_clothing(photographs):
    started = time.process_time()
    dataset = open_dataset(str(photographs / "clothing"))
    assert Counter(item.split for item in dataset.items) == {
        "train": 3068,
        "validation": 341,
        "test": 372,
    }
    assert time.process_time() - started < 1.5, "goal on a quiet machine: 0.3 s"
    assert len({item.label for item in dataset.items}) == 10
    assert [(p.name, p.relevant, p.ignore) for p in dataset.protocols()] == [
        ("class", "label", None)
    ]
    assert roles(dataset) == (3068, 372)
    assert not dataset.skipped


def test_eth80(photographs):
    dataset = open_dataset(str(photographs / "eth80"))
    assert set(Counter(item.instance for item in dataset.items).values()) == {41}
    assert set(Counter(item.category for item in dataset.items).values()) == {410}
    assert [(p.name, p.relevant, p.ignore) for p in dataset.protocols()][:2] == [
        ("instance", "instance", None),
        ("category", "category", "instance"),
    ]
    assert roles(dataset) == roles(dataset, "category") == (3280, 3280)
    assert roles(dataset, "instance-every-4") == roles(dataset, "category-every-4") == (3280, 820)
    assert [item.path for item in dataset.items] == sorted(
        str(path) for path in (photographs / "eth80").rglob("*.jpg")
    )


def test_cats_dogs(photographs):
    dataset = open_dataset(str(photographs / "cats_dogs"))
    assert [p.name for p in dataset.protocols()] == ["class"]
    assert roles(dataset) == (1000, 1000)


def test_tiny_imagenet(photographs):
    started = time.process_time()
    dataset = open_dataset(str(photographs / "tiny_imagenet"))
    assert Counter(item.split for item in dataset.items) == {"train": 50_000, "validation": 4_000}
    assert time.process_time() - started < 6, "goal on a quiet machine: 1.5 s"
    assert len({item.label for item in dataset.items}) == 200
    assert "goldfish" in {item.label for item in dataset.items}
    assert roles(dataset) == (50_000, 4_000)


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_tiny_imagenet_is_read_in_little_memory(photographs):
    used = peak_memory(
        "from core.datasets.paths import open_dataset; d ="
        f" open_dataset({str(photographs / 'tiny_imagenet')!r})\nassert sum(d.read(item)[:2] =="
        " b'\\xff\\xd8' for item in d.items) == 54000"
    )
    assert used < 300, f"{used:.0f} MB"


@pytest.mark.parametrize("name", ["clothing", "tiny_imagenet"])
def test_workers_get_what_the_parent_has(photographs, name):
    dataset = open_dataset(str(photographs / name))
    item = dataset.items[len(dataset.items) // 2]
    assert pickle.loads(pickle.dumps(open_dataset(dataset.locator))).read(item) == dataset.read(
        item
    )
