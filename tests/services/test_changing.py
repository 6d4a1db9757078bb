"""Pictures that are added to, and removed from, a data set that was uploaded."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from core.errors import UserError
from core.services.embedding import stored
from core.services.embedding.bound import prepared
from core.services.embedding.build import build
from core.services.library import adding, changing, library
from tests.plugged import numbered, paint
from tests.services.test_adding import TABLE, png

GIVEN = [("set/cats/1.png", png(1)), ("set/dogs/2.png", png(2)), ("set/note.txt", b"x")]


def ids(locator: str) -> list[str]:
    return [item.id for item in library.open_dataset(locator, fresh=True).items]


def test_pictures_come_into_their_classes_and_keep_the_ids_of_the_others():
    locator = adding.add_files(GIVEN)
    change = changing.add(locator, [("more/cats/3.png", png(3)), ("more/dogs/2.png", png(9))])
    assert ids(locator) == ["cats/1.png", "cats/3.png", "dogs/2-2.png", "dogs/2.png"]
    assert (change.added, change.known, change.pictures) == (2, 0, 4)
    again = changing.add(locator, [("more/cats/3.png", png(3)), ("more/cats/4.png", png(4))])
    assert (again.added, again.known) == (1, 1)
    changing.add(locator, [("cats/5.png", png(5))])
    assert "cats/5.png" in ids(locator), "a folder that is a class of the set stays one"
    labels = {item.id: item.label for item in library.open_dataset(locator).items}
    assert labels["cats/4.png"] == "cats"


def test_a_zip_is_taken_apart():
    locator, packed = adding.add_files(GIVEN), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("birds/ü.png", png(7))
        archive.writestr("cats/5.png", png(8))
    changing.add(locator, [("more.zip", packed.getvalue())])
    assert set(ids(locator)) == {"birds/ü.png", "cats/1.png", "cats/5.png", "dogs/2.png"}


def test_removed_pictures_are_gone_from_the_archive():
    locator = adding.add_files(GIVEN)
    change = changing.remove(locator, ["cats/1.png"])
    assert (change.removed, change.pictures, ids(locator)) == (1, 1, ["dogs/2.png"])
    with zipfile.ZipFile(locator) as archive:
        assert archive.namelist() == ["set/dogs/2.png"]


def test_what_can_not_be_changed_is_said_and_left_as_it_was(pictures):
    uploaded, table = adding.add_files(GIVEN), adding.add_files(TABLE)
    own = library.add_folder(str(pictures))
    before = open(uploaded, "rb").read()  # noqa: SIM115
    for act, words in (
        (lambda: changing.add(own, [("a.png", png(1))]), "a place of yours"),
        (lambda: changing.remove(table, ["a.png"]), "a table names"),
        (lambda: changing.remove("catalogue", ["x"]), "not added here"),
        (lambda: changing.remove(uploaded, ["none.png"]), "no picture 'none.png'"),
        (lambda: changing.remove(uploaded, ids(uploaded)), "every picture of it"),
        (lambda: changing.add(uploaded, TABLE), "is a table"),
        (lambda: changing.add(uploaded, [("cats/1.png", png(1))]), "already"),
        (lambda: changing.add(uploaded, [("a.txt", b"words")]), "No picture"),
    ):
        with pytest.raises(UserError, match=words):
            act()
    assert open(uploaded, "rb").read() == before  # noqa: SIM115


def test_only_what_came_is_encoded(counting, tmp_path):
    folder = paint(tmp_path / "set", numbered(20))
    files = changing.read_files([str(folder)])
    locator = adding.add_files(files[:15])

    def built():
        dataset = library.open_dataset(locator, fresh=True)
        (row,) = build(dataset, ["counting.test"])
        found = stored.read(dataset, prepared(dataset, "counting.test").encoder)
        return row, dict(zip(found.ids, np.array(found.vectors), strict=True))

    _, before = built()
    counting.seen.clear()
    change = changing.add(locator, files[12:])
    assert (change.added, change.known, change.encoders) == (5, 3, ("counting.test",))
    row, after = built()
    assert (row.pictures, row.encoded, len(counting.seen)) == (20, 5, 5)
    for id, vector in before.items():
        np.testing.assert_array_equal(after[id], vector)
    changing.remove(locator, ["00003.png", "00017.png"])
    row, left = built()
    assert (row.pictures, row.encoded, len(left)) == (18, 0, 18)


def test_the_command_adds_and_removes(here, pictures, tmp_path):
    locator = adding.add_files(GIVEN)
    code, _, told = here("datasets", "--dataset", locator, "--add-pictures",
                         *map(str, sorted(pictures.glob("cold/*"))))  # fmt: skip
    assert code == 0
    assert "6 added; 8 pictures now" in told
    code, _, told = here("datasets", "--dataset", locator, "--remove-pictures", "0.png", "1.png")
    assert (code, len(ids(locator))) == (0, 6)
    code, _, told = here("datasets", "--remove-pictures", "0.png")
    assert (code, "Name it with --dataset" in told) == (1, True)
