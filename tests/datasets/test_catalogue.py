from __future__ import annotations

from collections import Counter

import pytest

from core import store
from core.datasets.catalogue import Catalogue
from core.errors import UserError
from core.images import decode


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue()


def test_every_file_is_the_one_that_was_recorded(catalogue):
    for item in catalogue.items:
        assert store.digest(item.path).startswith(item.stamp), item.id
        assert len(item.stamp) == 20


def test_nothing_lies_there_that_is_not_listed(catalogue):
    files = {str(path) for path in (catalogue.folder / "images").iterdir()}
    assert files == {item.path for item in catalogue.items}
    assert "CC0" in (catalogue.folder / "README.md").read_text()


def test_holds_what_its_readme_says(catalogue):
    assert Counter(item.split for item in catalogue.items) == {"train": 1632, "test": 1088}
    assert len({item.category for item in catalogue.items}) == 17
    assert set(Counter(item.instance for item in catalogue.items).values()) == {8}
    test_instances = {item.instance for item in catalogue.items if item.split == "test"}
    assert test_instances == {i.instance for i in catalogue.items if int(i.instance[-2:]) >= 12}
    assert catalogue.kind == "rendered"


def test_attributes_are_typed(catalogue):
    item = catalogue.items[catalogue.rows["backpack-00-0"]]
    assert (item.label, item.category, item.instance) == ("backpack", "backpack", "backpack-00")
    assert item.value("colours") == ("blue", "black", "orange", "brown", "white")
    assert item.value("materials")[0] == "fabric"
    assert item.value("box") == (0.2586, 0.1467, 0.7434, 0.8658)
    assert (
        item.value("view"),
        item.value("azimuth"),
        item.value("lens_mm"),
        item.value("prop"),
    ) == (0, 15.3, 85, 0)
    assert (item.value("pattern"), item.value("main_colour_hex")) == ("stripes", "#3d7da0")
    assert all(
        0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1
        for x0, y0, x1, y1 in (i.value("box") for i in catalogue.items)
    )
    assert decode(catalogue.read(item)).shape == (224, 224, 3)


def test_protocols_are_those_of_its_readme(catalogue):
    instance, category = catalogue.protocols()
    query = next(item for item in catalogue.items if item.split == "test")
    assert not any(
        p.is_query(item)
        for p in (instance, category)
        for item in catalogue.items
        if item.split == "train"
    )
    assert all(instance.in_gallery(item) for item in catalogue.items)
    relevant = [
        i
        for i in catalogue.items
        if i.value(instance.relevant) == query.value(instance.relevant) and i != query
    ]
    assert len(relevant) == 7
    assert (category.relevant, category.ignore) == ("category", "instance")


def test_a_damaged_copy_says_so(tmp_path):
    with pytest.raises(UserError, match="can't be read"):
        _ = Catalogue(tmp_path).items
    (tmp_path / "items.csv").write_text("file,category\nx.webp,cup\n")
    with pytest.raises(UserError, match="can't be read"):
        _ = Catalogue(tmp_path).items
