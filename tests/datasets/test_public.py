from __future__ import annotations

import io
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from core import store
from core.datasets.base import datasets
from core.datasets.fashion_products import FashionProducts
from core.datasets.sop import StanfordProducts
from core.datasets.torchvision_sets import TABLE, TorchvisionSet
from core.errors import Cancelled, UserError
from core.images import decode
from core.types import Step
from tests.datasets import public_trees
from tests.datasets.layouts import folder
from tests.datasets.public_trees import PUBLIC_TREES, accept_made_files

NAMES = sorted(PUBLIC_TREES)


@pytest.fixture
def put(artifacts, monkeypatch):
    accept_made_files(monkeypatch)

    def write(name):
        PUBLIC_TREES[name](store.root() / "datasets" / name)
        return datasets.get(name)

    return write


def fields(dataset) -> dict[str, tuple]:
    return {
        item.id: (item.split, item.label, item.category, item.instance) for item in dataset.items
    }


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_here_says_what_to_put_where(artifacts, name):
    dataset = datasets.get(name)
    state = dataset.state()
    assert state.kind == ("download" if name in TABLE else "unavailable")
    assert state.bytes > 1e6
    with pytest.raises(UserError) as caught:
        _ = dataset.items
    assert str(artifacts / "datasets" / name) in str(caught.value)
    assert dataset.needs[0] in str(caught.value)
    assert not (artifacts / "datasets").exists(), "asking writes nothing"


def test_pets(put):
    dataset = put("oxford_pets")
    assert fields(dataset)["oxford-iiit-pet/images/beagle_9.jpg"] == ("test", "Beagle", None, None)
    assert {item.value("species") for item in dataset.items} == {"cat", "dog"}
    assert dataset.protocol().gallery == ("trainval",)


def test_flowers(put):
    dataset = put("flowers102")
    assert fields(dataset)["flowers-102/jpg/image_00006.jpg"] == (
        "test",
        "hard-leaved pocket orchid",
        None,
        None,
    )
    assert (dataset.protocol().gallery, dataset.protocol().queries) == (("train",), ("test",))


def test_caltech(put):
    dataset = put("caltech101")
    assert set(fields(dataset).values()) == {
        (None, "ant", None, None),
        (None, "water lilly", None, None),
    }
    assert [p.name for p in dataset.protocols()] == ["class", "class-every-4"]


def test_food(put):
    assert fields(put("food101"))["food-101/images/apple_pie/3.jpg"] == (
        "test",
        "apple pie",
        None,
        None,
    )


def test_fashion_mnist(put):
    dataset = put("fashion_mnist")
    assert fields(dataset)["train/00001"] == ("train", "Trouser", None, None)
    expected = np.random.default_rng(6).integers(0, 256, (6, 28, 28), np.uint8)[1]
    pixels = decode(dataset.read(dataset.items[dataset.rows["train/00001"]]))
    np.testing.assert_array_equal(pixels, np.repeat(expected[:, :, None], 3, axis=2))


def test_cifar(put):
    dataset = put("cifar10")
    assert len(dataset.items) == 24
    assert fields(dataset)["test/00003"] == ("test", "truck", None, None)
    expected = (
        np.random.default_rng(5)
        .integers(0, 256, (4, 3072), np.uint8)[3]
        .reshape(3, 32, 32)
        .transpose(1, 2, 0)
    )
    np.testing.assert_array_equal(
        decode(dataset.read(dataset.items[dataset.rows["test/00003"]])), expected
    )


def test_cifar_that_is_not_the_published_one_is_never_unpickled(artifacts):
    """Without the replaced comparison torchvision refuses the files, and the pickle in them is not
    opened."""
    PUBLIC_TREES["cifar10"](store.root() / "datasets" / "cifar10")
    with pytest.raises(UserError, match="can't be used"):
        _ = datasets.get("cifar10").items


def test_stanford_products(put):
    dataset = put("stanford_products")
    assert isinstance(dataset, StanfordProducts)
    assert fields(dataset)["bicycle_final/33_0.JPG"] == ("test", "bicycle", "bicycle", "3")
    instance, category = dataset.protocols()
    assert (instance.gallery, instance.queries, instance.relevant) == (
        ("test",),
        ("test",),
        "instance",
    )
    assert (category.gallery, category.queries, category.ignore) == (
        ("test",),
        ("test",),
        "instance",
    )


def test_stanford_products_with_bad_lines(put):
    root = store.root() / "datasets" / "stanford_products"
    dataset = put("stanford_products")
    with open(root / "Ebay_test.txt", "a") as file:
        file.write(
            "7 5 1 ../../etc/x.jpg\n8 5 1 /etc/x.jpg\n9 5\n10 5 1 bicycle_final/gone.JPG\n\n"
        )
    assert [one.id for one in dataset.skipped] == [f"Ebay_test.txt, line {n}" for n in (5, 6, 7, 8)]


def test_fashion_products(put):
    dataset = put("fashion_products")
    assert isinstance(dataset, FashionProducts)
    assert fields(dataset)["39386"] == (None, "Jeans", "Apparel", None)
    jeans = dataset.items[dataset.rows["39386"]]
    assert jeans.value("productDisplayName") == "Peter England Men Jeans, slim, blue"
    assert (jeans.value("year"), jeans.value("baseColour"), jeans.value("gender")) == (
        2012,
        "Blue",
        "Men",
    )
    assert {one.id: one.reason for one in dataset.skipped} == {
        "styles.csv, line 5": "images/12347.jpg is not there",
        "styles.csv, line 6": "it has 2 columns, the header 10",
    }
    assert [p.name for p in dataset.protocols()] == [
        "class",
        "category",
        "class-every-4",
        "category-every-4",
    ]


@pytest.mark.parametrize("name", [n for n in NAMES if n in TABLE])
def test_damaged_files_are_an_answer(put, name):
    put(name)
    for path in (store.root() / "datasets" / name).rglob("*"):
        if path.is_file() and path.suffix != ".jpg":
            path.write_bytes(b"damaged")
        elif path.suffix == ".jpg" and name == "caltech101":
            path.unlink()
    with pytest.raises(UserError):
        _ = datasets.get(name).items


def test_a_missing_picture_is_passed_over(put):
    dataset = put("food101")
    (store.root() / "datasets" / "food101" / "food-101" / "images" / "waffles" / "1.jpg").unlink()
    assert [one.id for one in dataset.skipped] == ["food-101/images/waffles/1.jpg"]


class Watching:
    """A progress that notes what is counted of each step, and stops in one of them."""

    def __init__(self, stop: str = "") -> None:
        self.stop, self.step = stop, ""
        self.told: dict[str, list[tuple[int, int]]] = {}

    def doing(self, step: str) -> Watching:
        self.step = step
        return self

    def __call__(self, done: int, total: int) -> bool:
        self.told.setdefault(self.step, []).append((done, total))
        return not (done and self.step == self.stop)


@pytest.fixture
def served(tmp_path):
    """Food-101's archive, small, on loopback."""
    public_trees.food(tmp_path / "made")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        archive.add(tmp_path / "made" / "food-101", "food-101")
    folder(tmp_path / "www", [])
    (tmp_path / "www").mkdir(exist_ok=True)
    (tmp_path / "www" / "food-101.tar.gz").write_bytes(out.getvalue())

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "www"))

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/food-101.tar.gz"
    server.shutdown()
    server.server_close()


def test_download_reports_checks_and_unpacks(artifacts, monkeypatch, served):
    from torchvision.datasets import Food101

    monkeypatch.setattr(Food101, "_URL", served)
    dataset = TorchvisionSet("food101")
    with pytest.raises(UserError, match="could not be downloaded") as caught:
        dataset.download()
    assert "corrupted" in str(caught.value), "the checksum is not that of the published archive"
    accept_made_files(monkeypatch)
    next((artifacts / "datasets" / "food101").glob("*.tar.gz")).unlink()
    with pytest.raises(Cancelled):
        dataset.download(Watching(Step.FETCH))
    next((artifacts / "datasets" / "food101").glob("*.tar.gz")).unlink()
    with pytest.raises(Cancelled):
        dataset.download(Watching(Step.UNPACK))
    assert dataset.state().kind == "download", "half of what is packed is not the set"
    seen = Watching()
    dataset.download(seen)
    assert seen.told[Step.UNPACK][-1][0] == seen.told[Step.UNPACK][-1][1] > 0
    assert not (artifacts / "datasets" / "food101" / ".unpacking").exists()
    assert dataset.state().kind == "ready"
    assert len(dataset.items) == 8
    dataset.download(lambda done, total: pytest.fail("nothing is fetched twice"))


def test_no_network_says_which_files_to_put_where(artifacts, monkeypatch):
    from torchvision.datasets import Food101

    monkeypatch.setattr(Food101, "_URL", "http://127.0.0.1:9/food-101.tar.gz")
    with pytest.raises(UserError, match="could not be downloaded") as caught:
        TorchvisionSet("food101").download()
    assert "food-101/images" in str(caught.value)
    assert str(artifacts) in str(caught.value)


def test_sets_that_can_not_be_downloaded_say_so(artifacts):
    with pytest.raises(UserError, match="Put its files there"):
        datasets.get("stanford_products").download()


def test_a_table_of_styles_with_other_columns_says_so(artifacts):
    root = artifacts / "datasets" / "fashion_products"
    folder(root / "images", ["1.jpg"])
    (root / "styles.csv").write_text("id,x\n1,2\n")
    with pytest.raises(UserError, match="no column"):
        _ = datasets.get("fashion_products").items
