"""Datasets, caches, uploads and thumbnails as the pages ask for them."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import store
from core.datasets.base import datasets
from core.errors import UserError
from core.images import decode
from core.services import doctor
from core.services.embedding.build import build
from core.services.library import library, uploads
from core.services.search import pictures
from core.services.search.request import Query, SearchRequest
from core.services.search.serving import search
from tests.plugged import paint


def zipped(folder) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder.parent))
    return out.getvalue()


def test_a_dataset_is_listed_again_when_its_listing_is_old(gallery, monkeypatch):
    first = library.open_dataset(str(gallery))
    paint(gallery, ["new.png"])
    assert library.open_dataset(str(gallery)) is first
    later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert len(library.open_dataset(str(gallery)).items) == 21


def test_what_takes_long_to_list_is_listed_less_often(gallery, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    opener = library.open_source

    def slow(locator):
        clock[0] += 2.0
        return opener(locator)

    monkeypatch.setattr(library, "open_source", slow)
    library.open_dataset(str(gallery))
    paint(gallery, ["new.png"])
    clock[0] += 30
    assert len(library.open_dataset(str(gallery)).items) == 20
    clock[0] += 30
    assert len(library.open_dataset(str(gallery)).items) == 21


def test_an_unchanged_dataset_stays_the_same_object(gallery):
    first = library.open_dataset(str(gallery))
    assert library.open_dataset(str(gallery), fresh=True) is first
    paint(gallery, ["new.png"])
    assert library.open_dataset(str(gallery), fresh=True) is not first


def test_only_so_many_datasets_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "MAX_OPEN", 3)
    for number in range(5):
        library.open_dataset(str(paint(tmp_path / str(number), ["a.png"])))
    assert len(library._open) == 3


def test_folders_are_added_once_and_removed_without_their_files(counting, gallery):
    locator = library.add_folder(f"  {gallery}  ")
    assert library.add_folder(str(gallery)) == locator
    assert library.added() == [locator]
    row = next(row for row in library.dataset_rows() if row["locator"] == locator)
    assert (row["state"], row["pictures"], row["added"]) == ("ready", 20, True)
    build(library.open_dataset(locator), ["counting.test"])
    assert len(library.cache_rows()) == 3
    library.remove_dataset(locator)
    assert library.added() == library.cache_rows() == []
    assert len(list(gallery.iterdir())) == 20


def test_removal_is_for_what_was_added(counting, gallery):
    dataset = library.open_dataset(str(gallery))
    build(dataset, ["counting.test"])
    for locator in ("catalogue", str(gallery), "", ".."):
        with pytest.raises(UserError, match="not added"):
            library.remove_dataset(locator)
    assert len(library.cache_rows()) == 3


def test_a_name_is_not_added_a_second_time():
    assert library.add_folder("catalogue") == "catalogue"
    assert library.added() == []


def test_a_folder_that_went_away_is_listed_with_what_is_wrong(gallery):
    locator = library.add_folder(str(gallery))
    gallery.rename(gallery.with_name("moved"))
    library._open.clear()
    row = next(row for row in library.dataset_rows() if row["locator"] == locator)
    assert row["state"] == "unavailable"
    assert "nothing at" in row["detail"]
    library.remove_dataset(locator)
    assert library.added() == []


@pytest.mark.parametrize("path", ["", "/", "/nowhere/at/all", "a\0b", "~nobody-here/x", "x" * 5000])
def test_what_is_no_dataset_is_not_added(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if path != "/":
        with pytest.raises(UserError):
            library.add_folder(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="No picture"):
        library.add_folder(str(tmp_path / "empty"))
    assert library.added() == []


@pytest.mark.parametrize(
    "name", ["mine.zip", "../../x.zip", "..", "", "<script>.zip", "a\nb.zip", "x" * 400 + ".zip"]
)
def test_an_uploaded_zip_is_kept_inside_whatever_its_name(gallery, artifacts, name):
    locator = library.add_archive(name, zipped(gallery))
    home = Path(os.path.realpath(artifacts / "library" / "uploads"))
    assert Path(os.path.realpath(locator)).is_relative_to(home)
    assert Path(locator).suffix == ".zip"
    assert len(library.open_dataset(locator).items) == 20
    library.remove_dataset(locator)
    assert not list((artifacts / "library" / "uploads").iterdir())


@pytest.mark.parametrize(
    ("given", "shown"),
    [("Omas Küche, 1 (2).zip", "Omas Küche, 1 (2)"), ("日本.zip", "日本"), (" a:b~c.zip", "a-b-c")],
)
def test_an_uploaded_zip_is_called_as_its_owner_wrote_it(gallery, given, shown):
    locator = library.add_archive(given, zipped(gallery))
    assert library.open_dataset(locator).title == shown
    assert shown in [row["title"] for row in library.dataset_rows()]


def test_an_upload_that_is_no_archive_of_pictures_is_not_kept(artifacts, monkeypatch):
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for data in (b"", b"no zip", empty.getvalue()):
        with pytest.raises(UserError):
            library.add_archive("x.zip", data)
    monkeypatch.setattr(library, "MAX_ARCHIVE", 10)
    with pytest.raises(UserError, match="At most"):
        library.add_archive("x.zip", b"x" * 11)
    assert library.added() == []
    assert not list(artifacts.glob("library/uploads/*"))


def test_rows_say_what_pages_and_commands_need():
    assert {"name", "dim", "state", "detail", "bytes", "title"} <= library.get_encoder_row(
        "hsv.12x4x4"
    ).keys()
    assert all({"name", "exact", "knobs"} <= row.keys() for row in library.index_rows())
    rows = {row["name"]: row for row in library.dataset_rows()}
    assert set(datasets.names()) <= rows.keys()
    assert (rows["catalogue"]["state"], rows["catalogue"]["kind"]) == ("ready", "rendered")
    assert rows["cifar10"]["state"] == "download"
    json.dumps(list(rows.values()), allow_nan=False)


def test_a_picture_that_was_uploaded_comes_back_by_its_token(gallery):
    data = (gallery / "00000.png").read_bytes()
    token = uploads.keep(data)
    assert uploads.keep(data) == token
    assert uploads.read(token) == data
    for forged in ("../" + token, token.upper(), "", token + "\n", "0" * 24, token[:-1]):
        with pytest.raises(UserError):
            uploads.read(forged)
    with pytest.raises(UserError):
        uploads.keep(b"no picture")


def test_uploads_are_dropped_by_age_number_and_size(gallery, monkeypatch):
    monkeypatch.setattr(uploads, "KEEP_FILES", 3)
    tokens = []
    for number, path in enumerate(sorted(gallery.iterdir())[:5]):
        tokens.append(uploads.keep(path.read_bytes()))
        os.utime(store.cache("uploads") / tokens[-1], (time.time() - 100 + number,) * 2)
    uploads.keep((gallery / "00004.png").read_bytes())
    left = {path.name for path in store.cache("uploads").iterdir()}
    assert left == set(tokens[2:])
    os.utime(store.cache("uploads") / tokens[2], (time.time() - 15 * 86400,) * 2)
    uploads.keep((gallery / "00004.png").read_bytes())
    assert {path.name for path in store.cache("uploads").iterdir()} == set(tokens[3:])


def test_thumbnails_are_small_and_a_broken_picture_is_a_grey_tile(gallery, tmp_path):
    wide = Image.fromarray(np.full((300, 900, 3), 90, np.uint8))
    wide.save(gallery / "wide.png")
    (gallery / "broken.png").write_bytes(b"x")
    dataset = library.open_dataset(str(gallery))
    assert decode(pictures.thumbnail(dataset, "wide.png", 200)).shape == (67, 200, 3)
    assert (abs(decode(pictures.thumbnail(dataset, "broken.png", 64)).astype(int) - 200) < 4).all()
    (gallery / "00001.png").unlink()
    assert decode(pictures.thumbnail(dataset, "00001.png", 64)).shape == (64, 64, 3)
    with pytest.raises(UserError, match="no picture"):
        pictures.thumbnail(dataset, "../secret.png")
    with pytest.raises(UserError):
        pictures.thumbnail_of(b"x")


def _webp(**more: object) -> bytes:
    out = io.BytesIO()
    image = Image.effect_noise((90, 60), 80).convert("RGB")
    if more.pop("clear", False):
        image.putalpha(90)
    image.save(out, "WEBP", quality=80, **more)
    return out.getvalue()


def test_a_small_webp_of_pixels_alone_is_its_own_thumbnail(tmp_path):
    frames = [Image.new("RGB", (90, 60), colour) for colour in ("red", "blue")]
    made = {
        "plain": _webp(),
        "exif": _webp(exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
        "clear": _webp(clear=True),
        "lossless": _webp(lossless=True),
        "moving": _webp(save_all=True, append_images=frames),
        "more": _webp() + b"<script>",
    }
    for name, data in made.items():
        (tmp_path / f"{name}.webp").write_bytes(data)
    dataset = library.open_dataset(str(tmp_path))
    shown = {name: pictures.thumbnail(dataset, f"{name}.webp", 90) for name in made}
    assert {name for name, data in made.items() if shown[name] == data} == {"plain"}
    assert all(decode(data).shape == (60, 90, 3) for data in shown.values())
    assert all(b"Exif" not in data and b"script" not in data for data in shown.values())
    assert decode(pictures.thumbnail(dataset, "plain.webp", 60)).shape == (40, 60, 3)


def test_the_doctor_finds_a_sound_installation_sound(counting, gallery):
    build(library.open_dataset(str(gallery)), ["counting.test"])
    rows = {row["check"]: row for row in doctor.examine()}
    assert {
        "packages",
        "disk",
        "processor",
        "embedded gallery",
        "encoders",
        "caches",
        "jobs",
    } <= rows.keys()
    assert rows["embedded gallery"]["detail"] == "2720 pictures"
    assert rows["caches"]["detail"].startswith("3 entries")
    assert {row["state"] for row in rows.values()} <= {"fine", "note", "broken"}
    assert all(row["fix"] for row in rows.values() if row["state"] == "broken")


def test_the_doctor_names_a_package_of_another_version(monkeypatch):
    monkeypatch.setattr(
        doctor.importlib.metadata, "version", lambda name: "0.0.1" if name == "numpy" else "1.0"
    )
    row = doctor.examine()[0]
    assert (row["check"], row["state"]) == ("packages", "broken")
    assert "numpy is 0.0.1" in row["detail"]
    assert "requirements.txt" in row["fix"]


def test_a_page_and_a_command_ask_the_same_service(counting, gallery):
    """Opening by a link of the page (the locator) and by a path gives the same hits."""
    build(library.open_dataset(str(gallery)), ["counting.test"])
    first = library.open_dataset(os.path.join(".", os.path.relpath(gallery)))
    second = library.open_dataset(first.locator)
    query = Query(item_id="00003.png")
    assert (
        search(SearchRequest(query, "counting.test"), first).hits
        == search(SearchRequest(query, "counting.test"), second).hits
    )
