"""The public sets in the layout that they are distributed in, with a few made pictures in the place
of thousands."""

from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path

import numpy as np

from tests.datasets.layouts import folder


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def pets(root: Path) -> None:
    base = root / "oxford-iiit-pet"
    lists = {
        "trainval": ("Abyssinian_1 1 1 1", "beagle_2 2 2 1"),
        "test": ("Abyssinian_7 1 1 1", "beagle_9 2 2 1"),
    }
    for split, lines in lists.items():
        _write(base / "annotations" / f"{split}.txt", "\n".join(lines) + "\n")
        folder(base / "images", [f"{line.split()[0]}.jpg" for line in lines])


def flowers(root: Path) -> None:
    from scipy.io import savemat

    base = root / "flowers-102"
    folder(base / "jpg", [f"image_{i:05d}.jpg" for i in range(1, 7)])
    savemat(base / "imagelabels.mat", {"labels": np.array([[1, 2, 1, 2, 1, 2]])})
    savemat(
        base / "setid.mat",
        {"trnid": np.array([[1, 2]]), "valid": np.array([[3, 4]]), "tstid": np.array([[5, 6]])},
    )


def caltech(root: Path) -> None:
    base = root / "caltech101" / "101_ObjectCategories"
    names = [
        f"{kind}/image_{i:04d}.jpg"
        for kind in ("ant", "water_lilly", "BACKGROUND_Google")
        for i in (1, 2, 3)
    ]
    folder(base, names)


def food(root: Path) -> None:
    base = root / "food-101"
    for split, numbers in {"train": (1, 2), "test": (3, 4)}.items():
        lists = {
            name: [f"{name}/{number}" for number in numbers] for name in ("apple_pie", "waffles")
        }
        _write(base / "meta" / f"{split}.json", json.dumps(lists))
        folder(base / "images", [f"{name}.jpg" for names in lists.values() for name in names])


def fashion_mnist(root: Path) -> None:
    base = root / "FashionMNIST" / "raw"
    base.mkdir(parents=True)
    for part, count in {"train": 6, "t10k": 4}.items():
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), np.uint8)
        (base / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">IIII", 2051, count, 28, 28) + pixels.tobytes()
        )
        labels = (np.arange(count) % 3).astype(np.uint8)
        (base / f"{part}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 2049, count) + labels.tobytes()
        )


def cifar(root: Path) -> None:
    base = root / "cifar-10-batches-py"
    base.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        data = np.random.default_rng(number).integers(0, 256, (4, 3072), np.uint8)
        (base / name).write_bytes(pickle.dumps({"data": data, "labels": [0, 1, 2, 9]}))
    names = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))


def stanford(root: Path) -> None:
    head = "image_id class_id super_class_id path"
    lists = {
        "train": [
            "1 1 1 bicycle_final/11_0.JPG",
            "2 1 1 bicycle_final/11_1.JPG",
            "3 2 2 chair_final/22_0.JPG",
        ],
        "test": [
            "4 3 1 bicycle_final/33_0.JPG",
            "5 3 1 bicycle_final/33_1.JPG",
            "6 4 2 chair_final/44_0.JPG",
        ],
    }
    for split, lines in lists.items():
        _write(root / f"Ebay_{split}.txt", "\n".join([head, *lines]) + "\n")
        folder(root, [line.split()[3] for line in lines])


def fashion_products(root: Path) -> None:
    lines = (
        "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName",
        (
            "15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Check Men Navy Blue"
            " Shirt"
        ),
        (
            "39386,Men,Apparel,Bottomwear,Jeans,Blue,Summer,2012.0,Casual,Peter England Men Jeans,"
            " slim, blue"
        ),
        "59263,Women,Accessories,Watches,Watches,Silver,Winter,,Casual,Titan Women Silver Watch",
        "12347,Women,Accessories,Watches,Watches,Gold,Winter,2016,Casual,No picture of this one",
        "broken,line",
    )
    _write(root / "styles.csv", "\n".join(lines) + "\n")
    folder(root / "images", ["15970.jpg", "39386.jpg", "59263.jpg"])


PUBLIC_TREES = {
    "oxford_pets": pets,
    "flowers102": flowers,
    "caltech101": caltech,
    "food101": food,
    "fashion_mnist": fashion_mnist,
    "cifar10": cifar,
    "stanford_products": stanford,
    "fashion_products": fashion_products,
}


def accept_made_files(patch) -> None:
    """torchvision compares some files with the published MD5; ours are made here. Only the
    comparison is replaced."""
    from torchvision.datasets import utils

    patch.setattr(utils, "check_md5", lambda *_, **__: True)
