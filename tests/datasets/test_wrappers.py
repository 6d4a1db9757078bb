"""One folder around the classes changes nothing; a folder and its zip say the same; what was chosen
holds."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from core.datasets import layout
from core.datasets.folder import Folder
from core.datasets.zipped import Zip
from core.errors import UserError
from tests.datasets.layouts import FOLDERS, folder, zipped

LAYOUTS = ("class", "split_class", "nested", "split_nested")


def meaning(dataset) -> list[tuple]:
    return sorted(
        (dataset.read(i), i.split, i.label, i.category, i.instance) for i in dataset.items
    )


def names(seed: int) -> list[str]:
    """A tree of pictures by a seed: some levels, some split words, some strays."""
    rng = random.Random(seed)
    levels = [
        rng.choice((("train", "test"), ("a", "b", "c"), ("images",), ("x",)))
        for _ in range(rng.randint(0, 3))
    ]
    made = [
        "/".join([*map(rng.choice, levels), f"{number}.png"]) for number in range(rng.randint(2, 9))
    ]
    return made + [f"stray{number}.png" for number in range(rng.choice((0, 0, 1)))]


@pytest.mark.parametrize("seed", range(60))
def test_a_folder_and_its_zip_say_the_same(tmp_path, seed):
    made = names(seed)
    in_folder, in_zip = Folder(folder(tmp_path / "f", made)), Zip(zipped(tmp_path / "z.zip", made))
    assert meaning(in_zip) == meaning(in_folder)
    assert [p.name for p in in_zip.protocols()] == [p.name for p in in_folder.protocols()]


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("around", ["images/", "my set/images/", "a/b/c/"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_folders_around_the_classes_change_nothing(tmp_path, name, around, kind):
    def told(names):
        made = (
            Folder(folder(tmp_path / "f", names))
            if kind == "folder"
            else Zip(zipped(tmp_path / "z.zip", names))
        )
        return {
            item.path.rpartition(around)[2]: (item.split, item.label, item.category, item.instance)
            for item in made.items
        }

    plain = Folder(folder(tmp_path / "p", FOLDERS[name]))
    assert told([around + one for one in FOLDERS[name]]) == {
        item.id: (item.split, item.label, item.category, item.instance) for item in plain.items
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["images/a/1", "images/a/2", "images/b/3", "preview"], "*/class"),
        (["images/cover", "images/a/1", "images/a/2", "images/b/3"], "*/class"),
        (["set/train/a/1", "set/test/a/2"], "*/split/class"),
        (["train/images/1", "test/images/2"], "split/*"),
        (["train/images/a/1", "test/images/b/2"], "split/*/class"),
        (["train/a/1", "test/a/2"], "split/class"),
        (["cat/1", "cat/2"], "class"),
        (["cat/1", "cat/2", "cat/old/3"], "class"),
        (["cup/c1/1", "cup/c2/2", "dog/d1/3"], "category/instance"),
        (["1", "2"], "flat"),
        (["1", "2", "old/3"], "class"),
    ],
)
def test_how_folders_are_understood(names, expected):
    assert (
        layout.written(layout.found_roles(Counter(tuple(name.split("/")[:-1]) for name in names)))
        == expected
    )


def test_one_class_alone_can_not_be_judged(tmp_path):
    assert [p.name for p in Folder(folder(tmp_path, ["cat/1.png", "cat/2.png"])).protocols()] == [
        "search"
    ]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_chosen_layout_holds_until_it_is_taken_back(tmp_path, kind):
    made = ["x/cat/1.png", "x/dog/2.png", "y/dog/3.png"]
    path = folder(tmp_path / "f", made) if kind == "folder" else zipped(tmp_path / "z.zip", made)

    def told():
        dataset = Folder(path) if kind == "folder" else Zip(path)
        return dataset, [(item.label, item.category, item.instance) for item in dataset.items]

    dataset, found = told()
    assert found[1] == ("x", "x", "x/dog")
    layout.choose(dataset.locator, layout.parse("*/class"))
    again, corrected = told()
    assert corrected == [("cat", None, None), ("dog", None, None), ("dog", None, None)]
    assert again.fingerprint() == dataset.fingerprint(), "labels are no reason to encode again"
    layout.choose(dataset.locator, None)
    assert told()[1] == found


@pytest.mark.parametrize(
    "text", ["split/class", "*/split/category/instance", "class", "flat", "*", "instance"]
)
def test_layouts_are_read_as_they_are_written(text):
    assert layout.written(layout.parse(f" {text.upper()}/ ")) == text


@pytest.mark.parametrize(
    "text", ["label", "class/class", "split//class", "/".join("*" * 13), "<b>"]
)
def test_what_is_no_layout(text):
    with pytest.raises(UserError, match="no layout"):
        layout.parse(text)


def test_choices_that_can_not_be_read_are_none(tmp_path, artifacts):
    (artifacts / "library").mkdir()
    for text in ("[]", "{", '{"x": 3}'):
        (artifacts / "library" / "layouts.json").write_text(text)
        assert layout.chosen("x") is None
