"""Library: adding, building, deleting, and what a hosted demo hides."""

from __future__ import annotations

import io
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.services import jobs
from core.services.embedding.build import build
from core.services.library import imports, library
from pages.parts import builds, cached
from tests.pages.reading import columns, html, param

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "\u202egnp.exe.png",
    "a" * 200 + ".png",
    "=cmd().png",
]


def add(app, path):
    app.text_input(key="add_path").set_value(str(path))
    return app.button(key="add").click().run()


@pytest.fixture
def hostile(tmp_path):
    folder = tmp_path / "odd & <b>names"
    folder.mkdir()
    for number, name in enumerate(HOSTILE):
        Image.new("RGB", (40, 40), (60 * number, 90, 200 - 40 * number)).save(folder / name, "PNG")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff not really")
    return folder


def test_a_folder_is_added_and_opens_in_compare(open_page, pictures):
    app = add(open_page("library"), pictures)
    assert not app.exception
    assert "Added" in html(app)
    assert "12 pictures" in html(app)
    locator = library.added()[0]
    assert app.selectbox(key="keep_build_dataset").value == locator, (
        "what was added is what is built next"
    )
    assert app.selectbox(key="keep_build_index").value == "exact"
    build(library.open_dataset(locator), ["hsv.12x4x4", "tiny.16x16"])
    cached.forget_builds()
    compare = open_page("compare", dataset=locator, encoders="hsv.12x4x4,tiny.16x16", k="5")
    assert param(compare, "dataset") == locator
    for column in columns(compare).values():
        assert {hit["words"] for hit in column["hits"]} <= {"same class", "other"}
        assert column["hits"][0]["verdict"] == "same"


def test_what_is_built_can_have_its_contents_checked(open_page, pictures, monkeypatch):
    app = add(open_page("library"), pictures)
    locator = library.added()[0]
    build(library.open_dataset(locator), ["tiny.16x16"])
    cached.forget_builds()
    started = []
    monkeypatch.setattr(
        jobs,
        "start",
        lambda title, arguments: started.append(arguments) or "20260101-000000-000000",
    )
    app.multiselect(key="keep_build_encoders").set_value(["tiny.16x16"]).run()
    assert app.button(key="build").disabled, "there is nothing to encode"
    app.checkbox(key="keep_build_content").check().run()
    app.button(key="build").click().run()
    assert not app.exception
    assert [arguments[-1] for arguments in started] == ["--check-content"]
    assert builds.what(SimpleNamespace(arguments=tuple(started[0])))["dataset"] == locator


@pytest.mark.parametrize("path", ["/nowhere/at/all", "\0", "a" * 5000, "<script>alert(1)</script>"])
def test_a_path_that_leads_nowhere_is_said_in_words(open_page, path):
    app = add(open_page("library"), path)
    assert not app.exception
    assert 'role="alert"' in html(app)
    assert "<script>" not in html(app)
    assert library.added() == []


def test_no_path_at_all_is_said_in_words(open_page):
    app = add(open_page("library"), "  ")
    assert "No path was given." in html(app)


def test_a_zip_is_added(open_page, pictures):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in pictures.rglob("*.png"):
            archive.write(file, file.relative_to(pictures))
    app = open_page("library")
    app.file_uploader[0].set_value(("mine.zip", out.getvalue(), "application/zip")).run()
    assert not app.exception
    assert "12 pictures" in html(app)
    assert len(library.added()) == 1


def test_what_was_passed_over_and_what_was_not_taken_as_it_stands_is_listed(open_page, pictures):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for file in sorted(pictures.rglob("*.png"))[:3]:
            archive.write(file, f"dog\\{file.name}")
        for name in ("../outside.png", "notes.txt", "__MACOSX/._1.png", "__MACOSX/._2.png"):
            archive.writestr(name, b"no picture")
    app = open_page("library")
    app.file_uploader[0].set_value(("mine.zip", out.getvalue(), "application/zip")).run()
    assert "3 pictures, 4 passed over, 1 remark" in html(app)
    (button,) = [one for one in app.button if one.label == "4 passed over, 1 remark"]
    words = html(button.click().run())
    for expected in (
        "points outside the archive",
        "not that of a picture",
        "left behind by a system",
        "backslashes",
    ):
        assert expected in words
    assert words.index("../outside.png") < words.index("__MACOSX/._1.png"), "rare reasons first"


def test_own_vectors_say_how_many_of_them_are_used(open_page, pictures, tmp_path):
    locator = library.add_folder(str(pictures))
    ids = [item.id for item in library.open_dataset(locator).items]
    np.save(tmp_path / "v.npy", np.eye(len(ids) + 1)[:, :5])
    (tmp_path / "v.txt").write_text("\n".join([*ids, "unknown.png"]))
    imports.import_vectors(locator, "mine", str(tmp_path / "v.npy"))
    app = open_page("library")
    assert "5 of 13 vectors are used, 8 passed over." in html(app)


def test_a_zip_that_is_none_is_refused(open_page):
    app = open_page("library")
    app.file_uploader[0].set_value(
        ("mine.zip", b"PK\x03\x04 and then nothing", "application/zip")
    ).run()
    assert not app.exception
    assert 'role="alert"' in html(app)
    assert library.added() == []


def test_hostile_names_are_shown_as_text(open_page, hostile):
    locator = library.add_folder(str(hostile))
    build(library.open_dataset(locator), ["hsv.12x4x4"])
    for page in (
        open_page("library"),
        open_page("compare", dataset=locator, encoders="hsv.12x4x4"),
    ):
        assert not page.exception
        assert "<img src=x" not in html(page)
        assert "<b>names" not in html(page)
    hits = columns(open_page("compare", dataset=locator, encoders="hsv.12x4x4"))["hsv.12x4x4"][
        "hits"
    ]
    assert len(hits) == len(HOSTILE) - 1


def test_a_build_runs_as_a_job_and_ends(open_page, pictures):
    locator = library.add_folder(str(pictures))
    app = open_page("library")
    app.selectbox(key="keep_build_dataset").set_value(locator).run()
    app.multiselect(key="keep_build_encoders").set_value(["tiny.16x16"]).run()
    assert "12 of 12" in html(app)
    app.button(key="build").click().run()
    assert not app.exception
    deadline = time.monotonic() + 60
    while jobs.listing(active_only=True) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [job.state for job in jobs.listing()] == ["done"]
    cached.forget_builds()
    again = open_page("library")
    assert "Done: Build tiny.16x16" in html(again)
    again.selectbox(key="keep_build_dataset").set_value(locator).run()
    again.multiselect(key="keep_build_encoders").set_value(["tiny.16x16"]).run()
    assert again.button(key="build").label == "Already built"
    assert again.button(key="build").disabled


def test_a_cache_is_listed_and_deleted(open_page, pictures):
    build(library.open_dataset(str(pictures)), ["tiny.16x16"])
    app = open_page("library")
    rows = library.cache_rows()
    assert rows
    for row in rows:
        app = app.button(key=f"delete_{row['kind']}_{row['key']}").click().run()
    assert library.cache_rows() == []
    assert "Nothing has been built" in html(app)


def test_an_added_set_is_removed_and_the_pictures_stay(open_page, pictures):
    library.add_folder(str(pictures))
    app = open_page("library")
    remove = next(button for button in app.button if (button.key or "").startswith("remove_"))
    remove.click().run()
    assert library.added() == []
    assert len(list(pictures.rglob("*.png"))) == 12


def test_pictures_that_a_build_passed_over_are_listed_with_the_reason(open_page, pictures):
    (pictures / "cold" / "broken.png").write_bytes(b"not a picture")
    locator = library.add_folder(str(pictures))
    assert not [button for button in open_page("library").button if "passed over" in button.label]
    build(library.open_dataset(locator), ["tiny.16x16"])
    cached.forget_builds()
    app = open_page("library")
    next(button for button in app.button if button.label == "1 passed over").click().run()
    assert not app.exception
    assert "broken.png" in html(app)


def test_labels_from_folders_are_shown_and_corrected(open_page, tmp_path):
    for number, name in enumerate(("shop/cups", "shop/plants", "home/plants")):
        (tmp_path / "places" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40), (60 * number, 90, 200)).save(
            tmp_path / "places" / name / "1.png"
        )
    locator = library.add_folder(str(tmp_path / "places"))
    app = open_page("library")
    next(button for button in app.button if button.label == "Labels").click().run()
    assert not app.exception
    assert "read as category/instance" in html(app)
    assert "shop/cups/1.png" in html(app)
    app.selectbox(key="layout_choice").set_value("*/class")
    app.button(key="layout_use").click().run()
    assert not app.exception
    assert {item.label for item in library.open_dataset(locator).items} == {"cups", "plants"}
    assert "2 classes" in html(open_page("library"))


def test_a_hosted_demo_shows_no_paths_and_deletes_nothing(open_page, pictures, monkeypatch):
    library.add_folder(str(pictures))
    build(library.open_dataset(str(pictures)), ["tiny.16x16"])
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    app = open_page("library")
    assert not app.exception
    assert not [field for field in app.text_input if field.key == "add_path"]
    assert not [
        button for button in app.button if (button.key or "").startswith(("delete_", "remove_"))
    ]
    assert pictures.name in html(app)
    assert str(pictures.parent) not in html(app)
