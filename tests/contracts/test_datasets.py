"""What every dataset promises, checked on all that are registered and on every layout that a path
can have."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from core.datasets.base import Dataset, datasets
from core.datasets.paths import open_dataset
from core.errors import UserError
from core.images import decode
from tests.datasets.layouts import FOLDERS, every_path_layout
from tests.datasets.public_trees import PUBLIC_TREES, accept_made_files

PATHS = [
    *(f"{kind}_{name}" for kind in ("folder", "zip") for name in FOLDERS),
    "manifest",
    "parquet_hub",
    "parquet_file",
]


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    return every_path_layout(tmp_path_factory.mktemp("layouts"))


@pytest.fixture(scope="module")
def public_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("public")
    for name, write in PUBLIC_TREES.items():
        write(root / "datasets" / name)
    return root


@pytest.fixture
def public(public_root, artifacts, monkeypatch):
    """The artifacts folder as it is when somebody has downloaded every public set."""
    monkeypatch.setenv("LOOKALIKE_ARTIFACTS", str(public_root))
    accept_made_files(monkeypatch)


@pytest.fixture(params=[*datasets.names(), *PATHS])
def dataset(request, layouts, public) -> Dataset:
    return open_dataset(str(layouts.get(request.param, request.param)))


def test_every_registered_dataset_is_made_here():
    assert set(datasets.names()) == {"catalogue", *PUBLIC_TREES}, (
        "write its layout in tests/datasets/public_trees.py"
    )


def test_says_what_it_is(dataset):
    assert dataset.name
    assert dataset.title
    assert dataset.kind in ("photographs", "rendered", "pictures")
    assert dataset.state().kind == "ready"
    assert f"{dataset.title}{dataset.locator}".encode()


def test_items_are_stable_and_their_ids_unique(dataset):
    again = open_dataset(dataset.locator)
    assert dataset.items
    assert dataset.items == again.items
    assert len({item.id for item in dataset.items}) == len(dataset.items) == len(dataset.rows)
    assert all(
        item.stamp and item.path and item.id.encode() and item.path.encode()
        for item in dataset.items
    )


def test_gives_bytes_that_decode_in_any_order(dataset):
    some = dataset.items[:12]
    first = [dataset.read(item) for item in some]
    assert [dataset.read(item) for item in reversed(some)] == first[::-1]
    assert all(decode(data).ndim == 3 for data in first)


def test_goes_to_workers_before_and_after_listing(dataset):
    fresh = pickle.loads(pickle.dumps(open_dataset(dataset.locator)))
    item = dataset.items[-1]
    assert fresh.read(item) == dataset.read(item)
    listed = pickle.loads(pickle.dumps(dataset))
    assert listed.items == dataset.items
    assert listed.read(item) == dataset.read(item)


def test_fingerprint_is_that_of_a_fresh_listing(dataset):
    assert open_dataset(dataset.locator).fingerprint() == dataset.fingerprint()


def test_protocols_are_named_and_have_queries_and_answers(dataset):
    protocols = dataset.protocols()
    assert len({p.name for p in protocols}) == len(protocols) > 0
    assert dataset.protocol() == protocols[0]
    for protocol in protocols:
        assert dataset.protocol(protocol.name) == protocol
        gallery = [item for item in dataset.items if protocol.in_gallery(item)]
        assert gallery
        assert any(protocol.is_query(item) for item in dataset.items)
        if protocol.name != "search":
            assert any(item.value(protocol.relevant) is not None for item in gallery)
    with pytest.raises(UserError, match="has no protocol"):
        dataset.protocol("no such protocol")


def _read(told) -> list[bytes]:
    dataset, items = told
    return [dataset.read(item) for item in items]


@pytest.mark.parametrize("name", ["folder_nested", "zip_nested", "parquet_hub"])
def test_forked_workers_read_what_the_parent_reads(layouts, name):
    """Two processes that share one open file move each other's position: each has to open its
    own."""
    dataset = open_dataset(str(layouts[name]))
    expected = [dataset.read(item) for item in dataset.items]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        for got in pool.map(_read, [(dataset, dataset.items)] * 8):
            assert got == expected


@pytest.mark.parametrize(
    "name", ["catalogue", "folder_class", "zip_class", "parquet_hub", "manifest"]
)
def test_fingerprint_is_the_same_in_another_process(layouts, name):
    locator = str(layouts.get(name, name))
    code = (
        "from core.datasets.paths import open_dataset;"
        f" print(open_dataset({locator!r}).fingerprint())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert told.strip() == open_dataset(locator).fingerprint()


def test_looking_at_datasets_imports_no_torch():
    code = (
        "import sys; from core.datasets.base import datasets;[datasets.get(n).state() for n in"
        " datasets.names()];assert not {'torch', 'torchvision', 'faiss', 'cv2', 'pandas',"
        " 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
