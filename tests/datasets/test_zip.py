from __future__ import annotations

import io
import os
import struct
import threading
import zipfile

import pytest

from core.datasets import zipped as module
from core.datasets.folder import Folder
from core.datasets.names import passed_over
from core.datasets.paths import open_path
from core.datasets.zipped import Zip
from core.errors import UserError
from core.images import MAX_BYTES
from tests.datasets.layouts import FOLDERS, folder, kind_of, picture, zipped


def archive(path, members: dict[str, bytes], around=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if around:
                around(info)
            made.writestr(info, data)
    return path


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("around", ["", "my pictures/", "train/"])
def test_a_zip_says_what_its_folder_says(tmp_path, name, around):
    kept = (
        around if around == "train/" else ""
    )  # a folder around everything goes, unless it says the split
    expected = Folder(folder(tmp_path / "folder", [kept + one for one in FOLDERS[name]])).items
    dataset = Zip(zipped(tmp_path / "z.zip", FOLDERS[name], around))
    told = [(i.id, i.split, i.label, i.category, i.instance) for i in dataset.items]
    only = (
        around.rstrip("/") if name == "flat" and not kept and around else None
    )  # a folder of pictures alone is their class
    assert told == [(i.id, i.split, i.label or only, i.category, i.instance) for i in expected]
    for item in dataset.items:
        member = item.id.removeprefix(kept)
        assert dataset.read(item) == picture(member, kind=kind_of(member))


def test_members_that_mean_harm_are_listed_and_nothing_is_written(tmp_path):
    harm = [
        "../up.png",
        "a/../../up.png",
        "/etc/abs.png",
        "C:/win.png",
        "..\\up.png",
        "a\\..\\..\\up.png",
    ]
    others = {"nested.zip": picture(2), "x/scan.heic": b"ftypheic"}
    path = archive(
        tmp_path / "z.zip", {"ok/1.png": picture(1), **dict.fromkeys(harm, picture(2)), **others}
    )
    before = sorted(os.listdir(tmp_path))
    dataset = Zip(path)
    assert [item.id for item in dataset.items] == ["1.png"]
    assert {one.id for one in dataset.skipped} == {*harm, *others}
    assert {one.reason for one in dataset.skipped if "up" in one.id} == {
        "its name points outside the archive"
    }
    assert dataset.read(dataset.items[0]) == picture(1)
    assert sorted(os.listdir(tmp_path)) == before


def test_hidden_members_and_other_kinds_are_listed(tmp_path):
    hidden = ["__MACOSX/a/._1.png", "a/.DS_Store", ".hidden/2.png"]
    others = {
        "a/list.txt": picture(1),
        "a/README": b"words",
        "a/cut": picture(1)[:4],
        "a/none": b"",
    }
    members = (
        dict.fromkeys(["a/1.png", *hidden], picture(1)) | others | {"empty/": b"", "empty\\": b""}
    )
    dataset = Zip(archive(tmp_path / "z.zip", members))
    assert [item.id for item in dataset.items] == ["1.png"]
    reasons = {one.id: one.reason for one in dataset.skipped}
    assert reasons == dict.fromkeys(hidden, module.HIDDEN) | {
        name: passed_over(name, lambda name=name: members[name]) for name in others
    }


def test_members_without_an_ending_are_pictures_by_their_content(tmp_path):
    names = ["a/photo", "a/photo.jpg~", "b/photo.heic", "b/photo.png?w=200"]
    dataset = Zip(archive(tmp_path / "z.zip", {name: picture(name) for name in names}))
    assert [(item.id, item.label) for item in dataset.items] == [(name, name[0]) for name in names]
    assert [dataset.read(item) for item in dataset.items] == [picture(name) for name in names]
    assert dataset.skipped == ()


def test_links_in_zips_are_not_followed(tmp_path):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
        made.writestr("ok.png", picture(1))
    dataset = Zip(tmp_path / "z.zip")
    assert [(one.id, one.reason) for one in dataset.skipped] == [("link.png", "it is a link")]


@pytest.mark.parametrize("name", ["a.png", "a"])
def test_encrypted_members_are_listed(tmp_path, name):
    path = archive(tmp_path / "z.zip", {name: picture(1), "b.png": picture(2)})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    path.write_bytes(raw)
    dataset = Zip(path)
    assert [(one.id, one.reason) for one in dataset.skipped] == [(name, "it is encrypted")]
    assert [item.id for item in dataset.items] == ["b.png"]


def test_a_member_that_declares_too_much(tmp_path):
    path = archive(tmp_path / "z.zip", {"big.png": bytes(MAX_BYTES + 1), "ok.png": picture(1)})
    dataset = Zip(path)
    assert [one.id for one in dataset.skipped] == ["big.png"]
    assert "MB" in dataset.skipped[0].reason


def test_what_lies_behind_a_picture_does_not_count(tmp_path, monkeypatch):
    limit = len(picture(1)) + 100
    monkeypatch.setattr("core.images.MAX_BYTES", limit)
    monkeypatch.setattr(module, "MAX_BYTES", limit)
    dataset = Zip(
        archive(
            tmp_path / "z.zip", {"film.png": picture(1) + bytes(limit), "big.png": bytes(2 * limit)}
        )
    )
    assert [dataset.read(item) for item in dataset.items] == [picture(1)]
    assert [(one.id, "MB" in one.reason) for one in dataset.skipped] == [("big.png", True)]


def test_a_member_that_lies_about_its_size(tmp_path):
    """Declares 100 bytes and unpacks to 200 MB: no more than declared is ever unpacked, and the sum
    tells."""
    path = archive(tmp_path / "z.zip", {"lie.png": bytes(200 << 20), "ok.png": picture(1)})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", raw, raw.index(signature) + offset, 100)
    path.write_bytes(raw)
    dataset = Zip(path)
    lie = dataset.items[dataset.rows["lie.png"]]
    with pytest.raises(UserError, match="damaged"):
        dataset.read(lie)
    assert dataset.read(dataset.items[dataset.rows["ok.png"]]) == picture(1)


def test_archives_that_claim_too_much_are_refused(tmp_path, monkeypatch):
    path = archive(tmp_path / "z.zip", {f"{i}.png": bytes(1 << 20) for i in range(4)})
    monkeypatch.setattr(module, "SMALL", 1 << 20)
    with pytest.raises(UserError, match="unpack"):
        _ = Zip(path).items
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    with pytest.raises(UserError, match="too many members"):
        _ = Zip(path).items
    monkeypatch.setattr(module, "MAX_DIRECTORY", 10)
    monkeypatch.setattr(module, "_entries", None)
    with pytest.raises(UserError, match="too many members"):
        _ = Zip(path).items


def test_two_members_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as made:
        made.writestr("a.png", picture(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("a.png", picture(2))
    dataset = Zip(tmp_path / "z.zip")
    assert dataset.read(dataset.items[0]) == picture(1)
    assert [(one.id, one.reason) for one in dataset.skipped] == [
        ("a.png", "another member has this name")
    ]


@pytest.mark.parametrize(
    "data", [b"", b"no zip", b"PK\x05\x06" + bytes(18), b"PK\x03\x04" + bytes(60)]
)
def test_what_is_no_zip(tmp_path, data):
    (tmp_path / "z.zip").write_bytes(data)
    with pytest.raises(UserError, match=r"no zip|No picture"):
        _ = open_path(tmp_path / "z.zip").items


def test_every_way_of_cutting_a_zip_short_is_an_answer(tmp_path):
    whole = zipped(tmp_path / "whole.zip", FOLDERS["class"]).read_bytes()
    cut = tmp_path / "cut.zip"
    for length in range(0, len(whole), max(1, len(whole) // 40)):
        cut.write_bytes(whole[:length])
        with pytest.raises(UserError):
            _ = Zip(cut).items


def test_flipped_bytes_are_an_answer(tmp_path):
    whole = zipped(tmp_path / "whole.zip", FOLDERS["class"]).read_bytes()
    flipped = tmp_path / "flipped.zip"
    for position in range(0, len(whole), 7):
        flipped.write_bytes(
            whole[:position] + bytes([whole[position] ^ 0xFF]) + whole[position + 1 :]
        )
        try:
            dataset = Zip(flipped)
            for item in dataset.items:
                dataset.read(item)
        except UserError:
            continue


def test_a_zip_by_another_name_is_still_one(tmp_path):
    path = zipped(tmp_path / "pictures.cbz", FOLDERS["flat"])
    assert [item.id for item in open_path(path).items] == sorted(FOLDERS["flat"])


def test_fingerprint_ignores_the_time_and_follows_the_bytes(tmp_path):
    first = Zip(archive(tmp_path / "1.zip", {"a.png": picture(1)})).fingerprint()
    os.utime(tmp_path / "1.zip", (1, 1))
    assert Zip(tmp_path / "1.zip").fingerprint() == first
    assert Zip(archive(tmp_path / "2.zip", {"a.png": picture(2)})).fingerprint() != first


def test_threads_read_together(tmp_path):
    names = [f"{i}.png" for i in range(60)]
    dataset = Zip(zipped(tmp_path / "z.zip", names))
    wrong = []

    def read():
        wrong.extend(item.id for item in dataset.items if dataset.read(item) != picture(item.id))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_zip_that_was_replaced_says_so(tmp_path):
    old = Zip(zipped(tmp_path / "z.zip", FOLDERS["class"]))
    item = old.items[0]
    zipped(tmp_path / "z.zip", FOLDERS["flat"])
    with pytest.raises(UserError, match="any more"):
        Zip(tmp_path / "z.zip").read(item)


def test_names_in_zips_from_hell(tmp_path):
    names = ["new\nline.png", "<script>.png", "\u202egnp.png", "ü" * 120 + ".png"]
    dataset = Zip(archive(tmp_path / "z.zip", {name: picture(name) for name in names}))
    assert [item.id for item in dataset.items] == sorted(names)
    assert all(dataset.read(item) == picture(item.id) for item in dataset.items)


def test_an_unknown_compression_is_listed(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a.png", picture(1))
    raw = bytearray(out.getvalue())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", raw, raw.index(signature) + offset, 97)
    (tmp_path / "z.zip").write_bytes(raw)
    with pytest.raises(UserError, match=r"compression method \(97\)"):
        _ = Zip(tmp_path / "z.zip").items
