from __future__ import annotations

import os

import numpy as np
import pytest

from core.datasets.base import datasets
from core.datasets.catalogue import Catalogue
from core.datasets.fashion_products import FashionProducts
from core.datasets.folder import Folder
from core.datasets.paths import open_dataset, open_path
from core.datasets.sop import StanfordProducts
from core.datasets.torchvision_sets import TorchvisionSet
from core.errors import UserError
from tests.datasets.layouts import FOLDERS, folder, picture, zipped
from tests.datasets.public_trees import PUBLIC_TREES, accept_made_files


def test_names_come_first_and_paths_can_be_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "catalogue", FOLDERS["flat"])
    folder(tmp_path / "mine", FOLDERS["flat"])
    assert isinstance(open_dataset("catalogue"), Catalogue)
    assert isinstance(open_dataset("./catalogue"), Folder)
    assert open_dataset("mine").locator == str(tmp_path / "mine")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_dataset("~/mine").name == "mine"


def test_an_unknown_name_is_told_the_near_ones():
    with pytest.raises(UserError, match="Did you mean catalogue") as caught:
        open_dataset("catalog")
    assert "Or a path" in str(caught.value)
    assert all(name in str(caught.value) for name in datasets.names())


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("one.png", picture(1), "one picture"),
        ("v.npy", b"", "imported"),
        ("a.tar.gz", b"x", "make a zip"),
        ("a.rar", b"x", "make a zip"),
        ("notes.txt", b"x", "no dataset"),
    ],
)
def test_what_is_no_dataset_says_what_is(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=message) as caught:
        open_path(tmp_path / name)
    assert "A folder of pictures" in str(caught.value)


@pytest.mark.parametrize(
    "locator",
    ["/no/such/place", "a/b", "x.zip", "nul\0l/x", "", "~nobody/x", "\udcff/x", "x" * 5000 + "/"],
)
def test_paths_that_lead_nowhere(locator, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        _ = open_dataset(locator).items
    assert str(caught.value).encode()


def test_special_files_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path / "pipe.zip", "/dev/zero"):
        with pytest.raises(UserError, match="no ordinary file"):
            open_path(path)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_locator_opens_the_same_again(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    made = (
        folder(tmp_path / "x", FOLDERS["class"])
        if kind == "folder"
        else zipped(tmp_path / "x.zip", FOLDERS["class"])
    )
    dataset = open_path(made.name)
    assert os.path.isabs(dataset.locator)
    assert open_dataset(dataset.locator).items == dataset.items
    assert (dataset.name, dataset.title) == ("x", "x")


@pytest.mark.parametrize("name", PUBLIC_TREES)
def test_public_sets_are_known_by_their_files(tmp_path, monkeypatch, name):
    accept_made_files(monkeypatch)
    PUBLIC_TREES[name](tmp_path / "put")
    dataset = open_path(tmp_path / "put")
    assert (dataset.name, dataset.locator) == (name, str(tmp_path / "put"))
    assert isinstance(dataset, TorchvisionSet | StanfordProducts | FashionProducts)
    assert dataset.items
    assert dataset.fingerprint() == open_dataset(dataset.locator).fingerprint()


def test_vectors_are_no_dataset(tmp_path):
    np.save(tmp_path / "v.npy", np.zeros((2, 2)))
    with pytest.raises(UserError, match="No picture was found"):
        _ = open_path(tmp_path).items
