from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.manifest import Manifest, number
from core.errors import UserError
from tests.datasets.layouts import folder, manifest, picture


def text(path, content: str, encoding="utf-8") -> Manifest:
    path.write_bytes(content.encode(encoding))
    return Manifest(path)


def test_fields_and_attributes(tmp_path):
    shared = {"split": "train", "instance": "i1", "category": "c"}
    rows = [
        {"path": "b.png", "label": "x", **shared, "price": "7.5", "code": "007", "year": "2011"},
        {"path": "sub/a.png", "label": "", **shared, "price": "", "code": "8", "year": "2012"},
    ]
    first, second = Manifest(manifest(tmp_path / "m.csv", rows)).items
    assert (first.id, first.label, first.split, first.instance, first.category) == (
        "b.png",
        "x",
        "train",
        "i1",
        "c",
    )
    assert dict(first.attributes) == {"price": 7.5, "code": "007", "year": 2011}
    assert (second.id, second.label) == ("sub/a.png", None)
    assert dict(second.attributes) == {"code": "8", "year": 2012}


def test_own_ids_and_reading(tmp_path):
    dataset = Manifest(
        manifest(tmp_path / "m.csv", [{"id": "one", "path": "1.png"}, {"id": "", "path": "2.png"}])
    )
    assert [item.id for item in dataset.items] == ["2.png", "one"]
    assert [dataset.read(item) for item in dataset.items] == [picture("2.png"), picture("1.png")]


@pytest.mark.parametrize(
    "header", ["path,label", "Path;Label", " path \tlabel", "\ufefffile_name,label"]
)
def test_separators_and_headers(tmp_path, header):
    folder(tmp_path, ["a.png"])
    separator = next(c for c in ",;\t" if c in header)
    assert (
        text(tmp_path / "m.csv", f"{header}\na.png{separator}Stühle\n").items[0].label == "Stühle"
    )


def test_old_encodings(tmp_path):
    folder(tmp_path, ["a.png"])
    assert (
        text(tmp_path / "m.csv", "path,label\na.png,Stühle\n", "latin-1").items[0].label == "Stühle"
    )


def test_what_is_passed_over(tmp_path):
    folder(tmp_path / "in", ["ok.png", "real.png"])
    folder(tmp_path, ["secret.png"])
    (tmp_path / "in" / "link.png").symlink_to("../secret.png")
    (tmp_path / "in" / "out").symlink_to("..")
    (tmp_path / "in" / "inside.png").symlink_to("real.png")
    (tmp_path / "in" / "dir.png").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("words")
    (tmp_path / "in" / "words").write_text("words")
    bad = {
        "../secret.png": "below the folder",
        "link.png": "below the folder",
        "out/secret.png": "below the folder",
        "https://example.org/a.png": "web addresses",
        "file:///etc/a.png": "web addresses",
        "data:image/png;base64,AAAA": "web addresses",
        "gone.png": "can't be opened",
        "dir.png": "no ordinary file",
        "notes.txt": "not that of a picture",
        "words": "neither its name nor its content",
    }
    names = ["ok.png", "inside.png", *bad, "ok.png"]
    dataset = text(
        tmp_path / "in" / "m.csv",
        "path,label\n" + "".join(f'"{name}",x\n' for name in names) + ",x\n",
    )
    assert [item.id for item in dataset.items] == ["inside.png", "ok.png"]
    reasons = {one.id: one.reason for one in dataset.skipped}
    assert all(
        why in reasons[f"line {line}: {name}"] for line, (name, why) in enumerate(bad.items(), 4)
    )
    assert reasons["line 14: ok.png"] == "another row has the same id"
    assert reasons["line 15"] == "the row has no path"
    assert dataset.remarks == ()


def test_absolute_paths_are_the_owners_choice(tmp_path):
    folder(tmp_path, ["far/a.png"])
    (tmp_path / "near").mkdir()
    dataset = text(tmp_path / "near" / "m.csv", f"path\n{tmp_path}/far/a.png\n")
    assert dataset.read(dataset.items[0]) == picture("far/a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column 'path'"),
        ("a,b\n1,2\n", "no column 'path'"),
        ("path,label\n", "no rows below"),
        ("path,path\na.png,b.png\n", "same name"),
        ('path\n"' + "x" * 200_000 + "\n", "line 2: the line can't be read"),
        ("path\na\0.png\n", "No picture"),
    ],
)
def test_what_is_no_manifest(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        _ = text(tmp_path / "m.csv", content).items


def test_long_and_short_rows(tmp_path):
    folder(tmp_path, ["a.png", "b.png"])
    dataset = text(tmp_path / "m.csv", "path,label,size\na.png\nb.png,x,1,2,3\n")
    assert [(item.label, dict(item.attributes)) for item in dataset.items] == [
        (None, {}),
        ("x", {"size": 1}),
    ]


def test_fingerprint_follows_the_pictures_not_the_labels(tmp_path):
    folder(tmp_path, ["a.png"])
    first = text(tmp_path / "m.csv", "path,label\na.png,x\n").fingerprint()
    assert text(tmp_path / "m.csv", "path,label\na.png,y\n").fingerprint() == first
    os.utime(tmp_path / "a.png", (5, 5))
    assert text(tmp_path / "m.csv", "path,label\na.png,y\n").fingerprint() != first


@given(st.text(max_size=12) | st.integers().map(str) | st.floats().map(str))
def test_number_never_fails_and_never_loses_a_word(word):
    value = number(word)
    assert isinstance(value, str | int | float)
    if isinstance(value, str):
        assert value == word
    elif isinstance(value, int):
        assert str(value) == word or word == "-0"
