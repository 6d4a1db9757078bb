"""Names in zips: flags that are missing or wrong, old encodings, backslashes, and paths that only
look as if they led outside."""

from __future__ import annotations

import struct
import zipfile
import zlib

import pytest

from core.datasets.encodings import TITLES
from core.datasets.zipped import OUTSIDE, Zip, place
from core.errors import UserError
from tests.datasets.layouts import picture
from tests.datasets.odd_inputs import Entry, write_zip

UTF8_FLAG = 0x800
WORDS = {
    "utf-8": [
        "München/größe",
        "猫/日本",
        "кот/собака",
        "Ελλάδα/γάτα",
        "a/30 °C",
        "a/5 μm",
        "a/thư",
        "a/Łódź",
    ],
    "cp437": ["München/größe", "café/Käse"],
    "cp932": ["猫/写真", "犬/ねこ", "表/カタカナ"],
    "gbk": ["猫/图片", "狗/中文"],
    "cp866": ["кот/Ёлка", "собака/Привет"],
    "cp1252": ["Übung/Straße"],
}


def raw_zip(
    path,
    names: list[bytes],
    flags: int = 0,
    system: int = 0,
    extra: bytes = b"",
    header: bytes | None = None,
):
    """A zip of a picture for each of these names."""
    return write_zip(
        path,
        [Entry(name, flags=flags, system=system, extra=extra, header=header) for name in names],
    )


def ids(dataset: Zip) -> list[str]:
    return [item.id for item in dataset.items]


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("together", [True, False], ids=["together", "one by one"])
def test_names_without_a_flag_are_read_by_what_fits_them(tmp_path, encoding, together):
    words = [f"{word}.png" for word in WORDS[encoding]]
    for group in [words] if together else [[word] for word in words]:
        dataset = Zip(
            raw_zip(
                tmp_path / "z.zip",
                [f"x/{n}/{word}".encode(encoding) for n, word in enumerate(group)],
            )
        )
        assert ids(dataset) == sorted(f"{n}/{word}" for n, word in enumerate(group))
        labels = (
            {word.partition("/")[0] for word in group}
            if len(group) == 1
            else set(map(str, range(len(group))))
        )
        assert {item.label for item in dataset.items} == labels, (
            "one folder around the others is no label"
        )
        assert [TITLES[encoding] in remark.text for remark in dataset.remarks] == [True]
        assert not dataset.skipped
        for item in dataset.items:
            assert dataset.read(item) == picture(f"x/{item.id}".encode(encoding).decode("latin-1"))


def test_names_with_the_flag_and_plain_names_need_no_remark(tmp_path):
    dataset = Zip(raw_zip(tmp_path / "z.zip", ["猫/ü.png".encode(), b"dog/a.png"], UTF8_FLAG))
    assert ids(dataset) == ["dog/a.png", "猫/ü.png"]
    assert dataset.remarks == ()
    assert Zip(raw_zip(tmp_path / "y.zip", [b"a/1.png", b"b/2.png"])).remarks == ()


def test_a_flag_that_is_not_true_costs_nobody_the_archive(tmp_path):
    dataset = Zip(
        raw_zip(tmp_path / "z.zip", ["größe/ü.png".encode("cp437"), b"dog/a.png"], UTF8_FLAG)
    )
    assert ids(dataset) == ["dog/a.png", "größe/ü.png"]
    assert [remark.id for remark in dataset.remarks] == ["größe/ü.png"]
    assert all(dataset.read(item) for item in dataset.items)


def test_one_archive_of_two_programs(tmp_path):
    """What reads better as UTF-8 is read so, although another name can't be."""
    names = [
        "München/1.png".encode(),
        "猫/2.png".encode(),
        "Käse/3.png".encode("cp437"),
        "café/4.png".encode("cp437"),
    ]
    assert ids(Zip(raw_zip(tmp_path / "z.zip", names))) == [
        "Käse/3.png",
        "München/1.png",
        "café/4.png",
        "猫/2.png",
    ]


def test_bytes_that_are_utf8_by_chance(tmp_path):
    """The GBK bytes of these words are valid UTF-8 for letters that stand in no word together."""
    dataset = Zip(
        raw_zip(tmp_path / "z.zip", ["图片/1.png".encode("gbk"), "狗/2.png".encode("gbk")])
    )
    assert ids(dataset) == ["图片/1.png", "狗/2.png"]


@pytest.mark.parametrize("holds", [True, False])
def test_the_unicode_name_beside_the_name(tmp_path, holds):
    name, better = b"m\x81nchen.png", "猫.png".encode()
    extra = (
        struct.pack(
            "<HHBL", 0x7075, 5 + len(better), 1, zlib.crc32(name if holds else b"another name")
        )
        + better
    )
    dataset = Zip(raw_zip(tmp_path / "z.zip", [name], extra=extra))
    assert (ids(dataset), len(dataset.remarks)) == (
        (["猫.png"], 0) if holds else (["münchen.png"], 1)
    )


@pytest.mark.parametrize(
    "extra", [b"\x01\x00\xff\x00x", b"\x00", b"\x75\x70\x01\x00\x01", b"\xfe\xca\x08\x00"]
)
def test_a_damaged_field_costs_nobody_the_archive(tmp_path, extra):
    dataset = Zip(raw_zip(tmp_path / "z.zip", [b"a.png"], extra=extra))
    assert dataset.read(dataset.items[0]) == picture("a.png")


@pytest.mark.parametrize("header", [b"a/b.png", b"", b"\xff\xfe"])
def test_a_header_that_spells_the_name_differently(tmp_path, header):
    dataset = Zip(raw_zip(tmp_path / "z.zip", [b"a\\b.png"], UTF8_FLAG, header=header))
    assert dataset.read(dataset.items[0]) == picture("a\\b.png")


@pytest.mark.parametrize("system", [0, 3, 10])
def test_backslashes_set_folders_apart(tmp_path, system):
    names = [r"cat\a.png", r"cat\b.png", r"dog\c.png"]
    dataset = Zip(raw_zip(tmp_path / "z.zip", [name.encode() for name in names], system=system))
    assert [(item.id, item.label) for item in dataset.items] == [
        ("cat/a.png", "cat"),
        ("cat/b.png", "cat"),
        ("dog/c.png", "dog"),
    ]
    assert "backslashes" in dataset.remarks[0].text
    assert [dataset.read(item) for item in dataset.items] == [picture(name) for name in names]


def test_the_same_place_by_two_spellings_is_told(tmp_path):
    dataset = Zip(raw_zip(tmp_path / "z.zip", [b"a/b.png", rb"a\b.png", b"./a//b.png", b"c/d.png"]))
    assert ids(dataset) == ["a/b.png", "c/d.png"]
    assert [(one.id, one.reason) for one in dataset.skipped] == [
        ("./a//b.png", "another member has this name"),
        ("a\\b.png", "another member has this name"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/../b.png", "b.png"),
        ("./a.png", "a.png"),
        ("a//b.png", "a/b.png"),
        ("~/a.png", "~/a.png"),
        ("a:b/c.png", "a:b/c.png"),
        ("Note:/c.png", "Note:/c.png"),
        ("...png", "...png"),
        ("a..b/c.png", "a..b/c.png"),
        (r"a\..\b.png", "b.png"),
        ("", ""),
        ("/a.png", None),
        ("../a.png", None),
        ("a/../../b.png", None),
        ("C:/a.png", None),
        (r"c:\a.png", None),
        (r"\\host\a.png", None),
    ],
)
def test_only_what_points_outside_is_refused(tmp_path, name, expected):
    assert place(name) == expected
    if name and expected != "...png":
        with zipfile.ZipFile(tmp_path / "z.zip", "w") as made:
            made.writestr("ok/1.png", picture(1))
            made.writestr(name, picture(2))
        dataset = Zip(tmp_path / "z.zip")
        assert (expected in ids(dataset)) == (expected is not None)
        assert [one.reason for one in dataset.skipped] == ([] if expected else [OUTSIDE])


def test_a_member_of_a_later_version_and_one_of_no_name(tmp_path):
    path = raw_zip(tmp_path / "z.zip", [b"a.png", b"", b"b\0.png", b"c.png"])
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"PK\x01\x02" + bytes((20, 0, 20, 0)), b"PK\x01\x02" + bytes((90, 0, 90, 0)))
    )
    dataset = Zip(path)
    assert ids(dataset) == ["a.png", "c.png"]
    assert {one.id for one in dataset.skipped} == {"", "b\0.png"}


@pytest.mark.parametrize("before", [b"", b"#!/bin/sh\nexit\n" * 9])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_kind_of_directory_that_python_writes(tmp_path, monkeypatch, before, wide, method):
    """Sizes and offsets of 64 bits, and something before the zip."""
    if wide:
        monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    names = [f"ü/{number}.png" for number in range(3)]
    with zipfile.ZipFile(tmp_path / "z.zip", "w", method) as made:
        for name in names:
            made.writestr(name, picture(name))
    (tmp_path / "z.zip").write_bytes(before + (tmp_path / "z.zip").read_bytes())
    dataset = Zip(tmp_path / "z.zip")
    assert [dataset.read(item) for item in dataset.items] == [picture(name) for name in names]
    assert dataset.remarks == ()


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_members_are_an_answer(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "z.zip", "w", method) as made:
        made.writestr("a.png", picture(1))
    whole = (tmp_path / "z.zip").read_bytes()
    for place_of in range(30, len(picture(1)), 11):
        (tmp_path / "z.zip").write_bytes(
            whole[:place_of] + bytes([whole[place_of] ^ 0xFF]) + whole[place_of + 1 :]
        )
        dataset = Zip(tmp_path / "z.zip")
        try:
            assert dataset.read(dataset.items[0]) == picture(1)
        except UserError:
            continue
