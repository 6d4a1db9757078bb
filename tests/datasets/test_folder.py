from __future__ import annotations

import os
import sys
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.datasets.folder import Folder
from core.datasets.names import real, shown
from core.errors import UserError
from core.images import MAX_BYTES
from tests.datasets.layouts import FOLDERS, folder, picture


def fields(dataset) -> dict[str, tuple]:
    return {
        item.id: (item.split, item.label, item.category, item.instance) for item in dataset.items
    }


def test_meaning_of_the_layouts(tmp_path):
    made = {name: fields(Folder(folder(tmp_path / name, names))) for name, names in FOLDERS.items()}
    assert set(made["flat"].values()) == {(None, None, None, None)}
    assert made["class"]["dog/2.png"] == (None, "dog", None, None)
    assert made["split_class"]["validation/cat/1.png"] == ("validation", "cat", None, None)
    assert made["nested"]["cup/cup-02/1.png"] == (None, "cup", "cup", "cup-02")
    assert made["split_nested"]["test/cup/c2/4.png"] == ("test", "cup", "cup", "c2")


def test_splits_that_hold_pictures_directly(tmp_path):
    assert fields(Folder(folder(tmp_path, ["Train/1.png", "Test/2.png"]))) == {
        "Train/1.png": ("Train", None, None, None),
        "Test/2.png": ("Test", None, None, None),
    }


def test_one_split_word_among_classes_is_a_class(tmp_path):
    made = fields(Folder(folder(tmp_path, ["index/1.png", "thumb/1.png"])))
    assert made["index/1.png"] == (None, "index", None, None)


def test_two_splits_make_a_third_folder_a_split(tmp_path):
    made = fields(Folder(folder(tmp_path, ["train/a/1.png", "test/a/1.png", "extra/a/1.png"])))
    assert made["extra/a/1.png"] == ("extra", "a", None, None)


def test_a_stray_deep_folder_does_not_make_classes_into_categories(tmp_path):
    made = fields(
        Folder(folder(tmp_path, ["cat/1.png", "cat/2.png", "cat/old/3.png", "dog/1.png"]))
    )
    assert made["cat/old/3.png"] == (None, "cat", None, None)


def test_objects_with_the_same_name_stay_apart(tmp_path):
    made = fields(Folder(folder(tmp_path, ["cup/01/1.png", "dog/01/1.png", "dog/02/1.png"])))
    assert [value[3] for value in made.values()] == ["cup/01", "dog/01", "02"]


def test_protocols_follow_the_splits(tmp_path):
    splits = Folder(folder(tmp_path / "s", FOLDERS["split_class"])).protocols()
    assert [(p.name, p.gallery, p.queries) for p in splits] == [("class", ("train",), ("test",))]
    nested = Folder(folder(tmp_path / "n", FOLDERS["nested"])).protocols()
    assert [p.name for p in nested] == [
        "instance",
        "category",
        "instance-every-4",
        "category-every-4",
    ]
    assert [(p.ignore, p.every, p.queries) for p in nested][1:3] == [
        ("instance", 1, ()),
        (None, 4, ()),
    ]
    assert [p.name for p in Folder(folder(tmp_path / "f", FOLDERS["flat"])).protocols()] == [
        "search"
    ]
    assert Folder(folder(tmp_path / "t", ["Train/a/1.png", "VAL/a/1.png"])).protocol().queries == (
        "VAL",
    )


def test_fingerprint_follows_every_change(tmp_path):
    root = folder(tmp_path, FOLDERS["class"])
    seen = [Folder(root).fingerprint()]
    (root / "cat" / "new.png").write_bytes(picture("new"))
    seen.append(Folder(root).fingerprint())
    (root / "cat" / "new.png").write_bytes(picture("changed"))
    os.utime(root / "cat" / "new.png", (1, 1))
    seen.append(Folder(root).fingerprint())
    os.rename(root / "cat" / "new.png", root / "dog" / "new.png")
    seen.append(Folder(root).fingerprint())
    assert len(set(seen)) == 4
    (root / "dog" / "new.png").unlink()
    assert Folder(root).fingerprint() == seen[0]


def test_what_is_passed_over(tmp_path):
    root = folder(tmp_path, ["a.png", ".hidden.png", "__MACOSX/a.png", ".git/b.png"])
    for name in ("notes.txt", "scan.HEIC", "more.zip", "Thumbs.db"):
        (root / name).write_bytes(b"x")
    os.mkfifo(root / "pipe.png")
    dataset = Folder(root)
    assert [item.id for item in dataset.items] == ["a.png"]
    reasons = {one.id: one.reason for one in dataset.skipped}
    hidden = {".hidden.png", "__MACOSX", ".git"}
    assert set(reasons) == {"scan.HEIC", "more.zip", "pipe.png", "notes.txt", "Thumbs.db", *hidden}
    assert all("hidden" in reasons[name] for name in hidden)
    assert "no ordinary file" in reasons["pipe.png"]
    assert "archive" in reasons["more.zip"]


@pytest.mark.parametrize("name", ["items.csv", "ITEMS.TSV", "items.parquet"])
def test_a_table_among_pictures_is_passed_over_and_says_how_it_is_used(tmp_path, name):
    folder(tmp_path, ["img/a.png", "img/b.png"])
    (tmp_path / name).write_text("path,label\nimg/a.png,x\n")
    (told,) = Folder(tmp_path).skipped
    assert (told.id, "give the table itself" in told.reason) == (name, True)


def test_links_are_followed_and_what_they_lead_to_counts_once(tmp_path):
    root = folder(tmp_path / "in", ["all/1.png", "all/2.png"])
    folder(tmp_path / "out", ["far.png", "deep/far.png"])
    (root / "train").mkdir()
    (root / "train" / "cat").symlink_to("../all")
    (root / "one.png").symlink_to("all/1.png")
    (root / "away.png").symlink_to(tmp_path / "out" / "far.png")
    (root / "away").symlink_to(tmp_path / "out")
    (root / "all" / "up").symlink_to("..")
    (root / "all" / "self").symlink_to("self")
    (root / "broken.png").symlink_to("nowhere.png")
    (root / "circle.png").symlink_to("circle.png")
    dataset = Folder(root)
    assert [i.id for i in dataset.items] == [
        "all/1.png",
        "all/2.png",
        "away/deep/far.png",
        "away/far.png",
    ]
    assert {one.id: one.reason for one in dataset.skipped} == {
        "train/cat": "a link to the folder all, which is read already",
        "one.png": "a link to all/1.png, which is read already",
        "away.png": "a link to away/far.png, which is read already",
        "all/up": "a link to a folder around it is not followed",
        "all/self": "a link that leads in a circle",
        "circle.png": "a link that leads in a circle",
        "broken.png": "a link that leads nowhere",
    }


def test_many_links_to_folders_of_links_end(tmp_path):
    """Twenty folders that each link twice to the next: 2 ** 20 ways through, each folder is entered
    once by link."""
    for number in range(20):
        (tmp_path / f"d{number}").mkdir()
    for number in range(19):
        for side in "ab":
            (tmp_path / f"d{number}" / side).symlink_to(f"../d{number + 1}")
    folder(tmp_path, ["d19/x.png"])
    dataset = Folder(tmp_path)
    assert [item.id for item in dataset.items] == ["d19/x.png"]
    assert len(dataset.skipped) == 38


def test_a_folder_opened_by_a_link_is_whole(tmp_path):
    folder(tmp_path / "real", FOLDERS["class"])
    (tmp_path / "link").symlink_to("real")
    assert len(Folder(tmp_path / "link").items) == 4


HOSTILE = (
    "new\nline.png",
    "<script>alert(1)</script>.png",
    "\u202egnp.exe.png",
    "ü" * 125 + ".png",
    " .png",
    "a\\xffb.png",
    "%2e%2e.png",
)


@pytest.mark.parametrize(
    "name", HOSTILE, ids=lambda name: name.encode("unicode_escape").decode()[:24]
)
def test_names_from_hell(tmp_path, name):
    name = name.replace("/", "_")
    dataset = Folder(folder(tmp_path, [name]))
    assert [item.id for item in dataset.items] == [name]
    assert dataset.read(dataset.items[0]) == picture(name)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems refuse names that are no Unicode"
)
def test_names_that_are_no_unicode(tmp_path):
    odd = os.fsdecode(b"caf\xe9\xff.png")
    dataset = Folder(folder(tmp_path / os.fsdecode(b"\xfe"), [odd, "plain.png"]))
    assert [item.id for item in dataset.items] == [r"caf\xe9\xff.png", "plain.png"]
    assert dataset.read(dataset.items[0]) == picture(odd)
    assert f"{dataset.items[0].path}{dataset.locator}{dataset.title}".encode()
    again = Folder(dataset.locator)
    assert again.items == dataset.items
    assert again.read(again.items[0]) == picture(odd)


@pytest.mark.skipif(
    sys.platform != "linux", reason="other systems refuse names that are no Unicode"
)
def test_two_names_that_read_the_same(tmp_path):
    dataset = Folder(folder(tmp_path, [os.fsdecode(b"\xff.png"), r"\xff.png"]))
    assert len(dataset.items) == 1
    assert "reads the same" in dataset.skipped[0].reason


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    raw=st.binary(min_size=1, max_size=40).filter(
        lambda raw: b"/" not in raw and b"\0" not in raw and raw[:1] != b"."
    )
)
def test_any_name_is_shown_as_unicode_and_found_again(tmp_path_factory, raw):
    name = os.fsdecode(raw + b".png")
    root = folder(tmp_path_factory.mktemp("any"), [name])
    dataset = Folder(root)
    (item,) = dataset.items
    assert item.id.encode()
    assert unicodedata.normalize("NFC", item.id) is not None
    assert dataset.read(item) == picture(name)
    assert real(os.path.join(str(root), shown(name))) == os.path.join(str(root), name)


def test_a_folder_that_can_not_be_entered_is_listed(tmp_path, monkeypatch):
    root = folder(tmp_path, ["a/1.png", "b/1.png"])
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("b"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    dataset = Folder(root)
    assert [item.id for item in dataset.items] == ["a/1.png"]
    assert dataset.skipped[0].id == "b"
    assert "Permission denied" in dataset.skipped[0].reason


def test_reading_what_went_or_is_too_large(tmp_path):
    dataset = Folder(folder(tmp_path, ["a.png", "b.png"]))
    gone, large = dataset.items
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").write_bytes(b"")
    os.truncate(tmp_path / "b.png", MAX_BYTES + 1)
    with pytest.raises(UserError, match="can't be read"):
        dataset.read(gone)
    with pytest.raises(UserError, match="At most"):
        dataset.read(large)


def test_an_empty_folder_says_so(tmp_path):
    with pytest.raises(UserError, match="No picture was found"):
        _ = Folder(tmp_path).items
