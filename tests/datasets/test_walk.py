"""What a folder gives: every thing in it is used once or passed over with a reason, whatever it is
and however it is linked."""

from __future__ import annotations

import os
import unicodedata

import pytest

from core.datasets.folder import Folder
from core.datasets.manifest import Manifest
from core.datasets.names import nfc, passed_over, real
from core.errors import UserError
from core.images import decode
from tests.datasets.layouts import folder, picture
from tests.datasets.trees import reached, tree

CAFE, CAFE_APART = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("seed", range(120))
def test_everything_in_a_tree_is_used_once_or_passed_over_with_a_reason(tmp_path, seed):
    root = tmp_path / "root"
    made = tree(root, tmp_path / "outside", seed)
    files, met = reached(root)
    dataset = Folder(root)
    wanted = {path: data for path, data in made.items() if path in files}
    if not wanted:
        with pytest.raises(UserError, match="No picture was found"):
            _ = dataset.items
        return
    assert dataset.seen == len(dataset.items) + len(dataset.skipped) == met
    assert all(one.id and one.reason for one in dataset.skipped)
    used = [os.path.realpath(real(item.path)) for item in dataset.items]
    assert len(set(used)) == len(used)
    twins = {nfc(one.id) for one in dataset.skipped if "another Unicode form" in one.reason}
    top = os.path.realpath(root)
    assert (
        {path for path in wanted if nfc(os.path.relpath(path, top)) not in twins}
        <= set(used)
        <= set(wanted)
    )
    for item in dataset.items:
        assert dataset.read(item) == wanted[os.path.realpath(real(item.path))]
        assert decode(dataset.read(item)).shape[2] == 3
        assert item.id == nfc(item.id)
    assert Folder(root).items == dataset.items


def test_class_folders_that_are_links(tmp_path):
    folder(tmp_path / "store", ["cat/1.png", "dog/1.png", "dog/2.png"])
    (tmp_path / "set").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).symlink_to(f"../store/{name}")
    dataset = Folder(tmp_path / "set")
    assert [(item.id, item.label) for item in dataset.items] == [
        ("cat/1.png", "cat"),
        ("dog/1.png", "dog"),
        ("dog/2.png", "dog"),
    ]
    assert not dataset.skipped
    assert dataset.read(dataset.items[0]) == picture("cat/1.png")
    again = Folder(tmp_path / "set").fingerprint()
    os.utime(tmp_path / "store" / "cat" / "1.png", (1, 1))
    assert Folder(tmp_path / "set").fingerprint() != again, (
        "the stamp is the picture's, not the link's"
    )


def test_two_links_to_one_place_count_once(tmp_path):
    folder(tmp_path / "store", ["x/1.png", "y.png"])
    (tmp_path / "set").mkdir()
    for name in ("a", "b"):
        (tmp_path / "set" / name).symlink_to("../store/x")
        (tmp_path / "set" / f"{name}.png").symlink_to("../store/y.png")
    dataset = Folder(tmp_path / "set")
    assert [item.id for item in dataset.items] == ["a.png", "a/1.png"]
    assert {one.id: one.reason for one in dataset.skipped} == {
        "b": "a link to the folder a, which is read already",
        "b.png": "a link to a.png, which is read already",
    }


def test_a_linked_folder_that_holds_one_that_was_read(tmp_path):
    """The store is linked as a whole beside one of its folders: nothing is read twice, and nothing
    is lost."""
    folder(tmp_path / "store", ["cat/1.png", "dog/1.png"])
    (tmp_path / "set" / "all").mkdir(parents=True)
    (tmp_path / "set" / "cat").symlink_to("../store/cat")
    (tmp_path / "set" / "all" / "store").symlink_to("../../store")
    dataset = Folder(tmp_path / "set")
    assert [item.id for item in dataset.items] == ["all/store/dog/1.png", "cat/1.png"]
    assert [(one.id, one.reason) for one in dataset.skipped] == [
        ("all/store/cat", "this folder is read as cat already")
    ]


@pytest.mark.parametrize(
    "name",
    ["photo1", "photo2.jpe", "photo3.jpg?w=200", "photo4.jpg~", "5.JPG.part", "x.heic", "1.2.3"],
)
def test_files_without_a_known_ending_are_pictures_by_their_content(tmp_path, name):
    folder(tmp_path, ["plain.png"])
    (tmp_path / name).write_bytes(picture(name, kind="JPEG"))
    dataset = Folder(tmp_path)
    assert {item.id for item in dataset.items} == {"plain.png", name}
    assert not dataset.skipped


def test_what_merely_looks_like_a_picture_is_passed_over():
    raw = b"II*\0" + bytes(28)
    assert "format" in passed_over("shot.NEF", lambda: raw)
    assert passed_over("scan", lambda: raw) is None
    assert "archive" in passed_over("a.zip", lambda: pytest.fail("an archive is not opened"))
    assert "ending" in passed_over("a.txt", lambda: pytest.fail("a text is not opened"))
    assert "content" in passed_over("a.xyz", lambda: b"BMW and others, all words")


def test_one_class_in_two_forms_of_its_name(tmp_path):
    names = [f"{CAFE}/1.png", f"{CAFE_APART}/2.png", "tea/3.png"]
    dataset = Folder(folder(tmp_path, names))
    assert {item.label for item in dataset.items} == {CAFE, "tea"}
    assert [dataset.read(item) for item in dataset.items] == [picture(name) for name in names]
    assert dataset.items[1].path == os.path.join(str(tmp_path), names[1]), (
        "the stored form is kept for opening"
    )


def test_one_file_in_two_forms_of_its_name(tmp_path):
    dataset = Folder(folder(tmp_path, [f"{CAFE_APART}.png", f"{CAFE}.png"]))
    assert [item.id for item in dataset.items] == [f"{CAFE}.png"]
    assert dataset.read(dataset.items[0]) == picture(f"{CAFE}.png")
    assert [one.reason for one in dataset.skipped] == [
        "another picture has this name, in another Unicode form"
    ]


@pytest.mark.parametrize(("stored", "given"), [(CAFE, CAFE_APART), (CAFE_APART, CAFE)])
def test_a_path_is_found_in_whatever_form_it_is_given(tmp_path, stored, given):
    folder(tmp_path, [f"{stored}/{stored}.png"])
    assert real(f"{tmp_path}/{given}/{given}.png") == f"{tmp_path}/{stored}/{stored}.png"
    assert Folder(f"{tmp_path}/{given}").items[0].path == f"{tmp_path}/{stored}/{stored}.png"
    (tmp_path / "m.csv").write_text(f"path,label\n{given}/{given}.png,{given}\n", "utf-8")
    item = Manifest(tmp_path / "m.csv").items[0]
    assert (item.id, item.label) == (f"{CAFE}/{CAFE}.png", CAFE)
    assert Manifest(tmp_path / "m.csv").read(item) == picture(f"{stored}/{stored}.png")


def test_a_path_through_one_of_two_folders_whose_names_look_the_same(tmp_path):
    folder(tmp_path, [f"{CAFE}/1.png", f"{CAFE_APART}/2.png"])
    assert real(f"{tmp_path}/{CAFE}/2.png") == f"{tmp_path}/{CAFE_APART}/2.png"
    assert real(f"{tmp_path}/{CAFE}/3.png") == f"{tmp_path}/{CAFE}/3.png"
