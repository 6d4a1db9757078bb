"""Adding in two steps: a preview that writes nothing, and what is kept of files from a browser."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from core.errors import UserError
from core.services.library import adding, library


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), (shade, 90, 200)).save(out, "PNG")
    return out.getvalue()


FOLDER = [("set/cats/1.png", png(1)), ("set/dogs/2.png", png(2)), ("set/note.txt", b"x")]
TABLE = [("t.csv", b"path,label\na.png,x\nsub/b.png,y\n"), ("a.png", png(1)), ("sub/b.png", png(2))]


def files(artifacts) -> list[str]:
    return sorted(path.name for path in artifacts.rglob("*") if path.is_file())


@pytest.mark.parametrize("given", [FOLDER, TABLE])
def test_a_preview_says_what_adding_gives_and_leaves_nothing(artifacts, given):
    seen = adding.preview_files(given)
    assert files(artifacts) == []
    locator = adding.add_files(given)
    row = library.dataset_row(locator)
    assert (row["pictures"], row["labels"]) == (seen.pictures, seen.labels) == (2, 2)
    assert row["title"] == seen.title
    assert len(seen.skipped) == row["skipped"]


def test_a_preview_opens_the_pictures_and_names_those_that_can_not_be_read(artifacts):
    cut = png(3)[:40]
    seen = adding.preview_files([*FOLDER, ("set/cats/cut.png", cut), ("set/dogs/empty.png", b"")])
    assert (seen.pictures, seen.opened) == (4, 4)
    assert [row["picture"] for row in seen.unreadable] == ["cats/cut.png", "dogs/empty.png"]
    told = dict(seen.reasons)
    assert all(told[row["reason"]] == 1 for row in (*seen.unreadable, *seen.skipped))
    with pytest.raises(UserError, match="holds no picture that can be read"):
        adding.preview_files([("cut.png", cut), ("words.png", b"words")])


def test_a_table_is_called_as_the_folder_that_it_came_in(artifacts):
    seen = adding.preview_files([(f"snaps/{name}", data) for name, data in TABLE])
    assert (seen.title, seen.pictures) == ("snaps", 2)
    with pytest.raises(UserError, match="pictures together"):
        adding.preview_files(TABLE[:1])


@pytest.mark.parametrize(
    ("rows", "given", "labels"),
    [
        ("img/a.png,x\nimg/b.png,y", ("a.png", "b.png"), ["x", "y"]),
        ("img\\a.png,x\nb.png,y", ("a.png", "b.png"), ["x", "y"]),
        ("one/deep/a.png,x\ngone.png,y", ("a.png",), ["x"]),
        ("one/a.png,x\ntwo/a.png,y\nb.png,z", ("a.png", "b.png"), ["z"]),  # which one is a.png?
        ("img/a.png,x\n../b.png,y", ("a.png", "b.png"), ["x"]),
    ],
)
def test_pictures_chosen_together_are_found_where_their_table_says(artifacts, rows, given, labels):
    """A browser tells names of files alone, whatever folders they lay in."""
    pictures = [(name, png(number)) for number, name in enumerate(given)]
    told = [("t.csv", f"path,label\n{rows}\n".encode()), *pictures]
    seen = adding.preview_files(told)
    assert seen.pictures == len(labels)
    dataset = library.open_dataset(adding.add_files(told))
    assert sorted(item.label for item in dataset.items) == labels
    assert len(dataset.items) == len(labels)
    assert all(dataset.read(item) for item in dataset.items)


def test_the_same_files_are_the_same_set():
    assert adding.add_files(FOLDER) == adding.add_files(FOLDER)
    assert len(library.added()) == 1
    assert adding.preview_path(library.added()[0]).known == library.added()[0]


@pytest.mark.parametrize("given", [FOLDER, TABLE])
def test_removing_leaves_nothing_of_an_upload(artifacts, given):
    locator = adding.add_files(given)
    assert library.upload_bytes(locator) > 0
    library.remove_dataset(locator)
    uploads = artifacts / "library" / "uploads"
    assert [path for path in uploads.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "No file was given"),
        ([("a.zip", b"PK"), ("b.png", png(1))], "given together with other files"),
        ([("a.csv", b"path\n"), ("b.csv", b"path\n")], "2 tables were given"),
        ([("../a.csv", b"path\na.png\n"), ("a.png", png(1))], "no name of a file below a folder"),
        ([("a.txt", b"words")], "No picture"),
        ([("a.parquet", b"PAR1")], "a.parquet"),
    ],
)
def test_what_can_not_be_added_is_said_and_nothing_is_kept(artifacts, given, words):
    for act in (adding.preview_files, adding.add_files):
        with pytest.raises(UserError, match=words):
            act(given)
    assert library.added() == []
    assert files(artifacts) == []


def test_a_table_reaches_nothing_outside_of_what_was_given(tmp_path, artifacts):
    (tmp_path / "away.png").write_bytes(png(3))
    given = [("t.csv", f"path\n{tmp_path / 'away.png'}\n".encode())]
    for act in (adding.preview_files, adding.add_files):
        with pytest.raises(UserError, match="was not given with it"):
            act(given)
    assert files(artifacts) == []
