"""Library: adding, the page of a data set, building, deleting, and what a hosted demo hides."""

from __future__ import annotations

import io
import json
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.services import jobs
from core.services.embedding.build import build
from core.services.library import imports, library
from pages.parts import builds, cached, given
from pages.parts.library import place
from tests.pages.reading import columns, component, html, notes, param

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "\u202egnp.exe.png",
    "a" * 200 + ".png",
    "=cmd().png",
]


def window(app, how: str = "Files or a zip"):
    """The window that adds, at one of its ways."""
    app.button(key="add_pictures").click().run()
    return app.button_group(key="add_how").set_value(how).run()


def look(app, path):
    """What lies at a path, before it is added."""
    window(app, "A path").text_input(key="add_path").set_value(str(path))
    return app.button(key="add_look").click().run()


def drop(app, *files):
    """Files dropped into the window."""
    app = window(app)
    return app.file_uploader[0].set_value([(name, data, kind(name)) for name, data in files]).run()


def kind(name: str) -> str:
    return "application/zip" if name.endswith(".zip") else "image/png"


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def read(pictures, most: int = 99) -> dict[str, bytes]:
    files = sorted(pictures.rglob("*.png"))[:most]
    return {file.relative_to(pictures).as_posix(): file.read_bytes() for file in files}


@pytest.fixture
def hostile(tmp_path):
    folder = tmp_path / "odd & <b>names"
    folder.mkdir()
    for number, name in enumerate(HOSTILE):
        Image.new("RGB", (40, 40), (60 * number, 90, 200 - 40 * number)).save(folder / name, "PNG")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff not really")
    return folder


def test_a_folder_is_looked_at_added_and_opens_in_compare(open_page, pictures):
    app = look(open_page("library"), pictures)
    assert not app.exception
    assert "12 pictures · 2 classes · 0 skipped" in html(app)
    assert library.added() == [], "nothing is written before it is wanted"
    app.button(key="add").click().run()
    (locator,) = library.added()
    assert "Added pictures: 12 pictures." in html(app)
    assert param(app, "set") == given.public_name(locator)
    build(library.open_dataset(locator), ["hsv.12x4x4", "tiny.16x16"])
    cached.forget_builds()
    compare = open_page("compare", dataset=locator, encoders="hsv.12x4x4,tiny.16x16", k="5")
    assert param(compare, "dataset") == given.link_name(locator)
    for column in columns(compare).values():
        assert {hit["words"] for hit in column["hits"]} <= {"same class", "other"}
        assert column["hits"][0]["verdict"] == "same"


def test_adding_can_begin_the_build_of_the_suggested_encoders(open_page, pictures, monkeypatch):
    started = []
    monkeypatch.setattr(
        jobs, "start", lambda title, told: started.append(told) or "20260101-000000-000000"
    )
    app = look(open_page("library"), pictures)
    assert "Suggested encoders: EfficientNet-Lite0, ImageNet, Siamese" in html(app)
    app.button(key="add_and_build").click().run()
    assert not app.exception
    ((command, _, locator, _, encoders, *_),) = started
    assert (command, [locator]) == ("build", library.added())
    assert len(encoders.split(",")) == 3


def test_what_is_built_can_have_its_contents_checked(open_page, pictures, monkeypatch):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    app = open_page("library", set=locator, view=place.ENCODERS)
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
    app = look(open_page("library"), path)
    assert not app.exception
    assert 'role="alert"' in html(app)
    assert "<script>" not in html(app)
    assert library.added() == []


def test_a_zip_is_added_and_told_apart_from_what_is_there(open_page, pictures):
    given = ("mine.zip", zipped(read(pictures)))
    app = drop(open_page("library"), given)
    assert not app.exception
    assert "12 pictures · 2 classes" in html(app)
    app.button(key="add").click().run()
    assert len(library.added()) == 1
    assert "Added mine: 12 pictures." in html(app)


def test_pictures_dropped_together_are_one_set(open_page, pictures):
    app = drop(open_page("library"), *read(pictures, 3).items())
    assert "3 pictures · 1 class" in html(app)
    assert "One class alone tells no picture from another." in html(app)
    app.button(key="add").click().run()
    assert not app.exception
    (locator,) = library.added()
    assert {item.label for item in library.open_dataset(locator).items} == {"cold"}


def test_pictures_without_folders_are_told_what_they_lack(open_page, pictures):
    flat = [(name.replace("/", "-"), data) for name, data in read(pictures, 2).items()]
    app = drop(open_page("library"), *flat)
    assert "2 pictures · no classes" in html(app)
    assert "Without classes encoders can be compared" in html(app)


def test_a_table_is_added_with_the_pictures_that_it_names(open_page, pictures):
    files = read(pictures, 2)
    rows = "".join(f"{name},mine\n" for name in files) + "gone.png,mine\n"
    app = drop(open_page("library"), ("table.csv", f"path,label\n{rows}".encode()), *files.items())
    assert "2 pictures · 1 class · 1 skipped" in html(app)
    assert "Without classes" not in html(app)
    app.button(key="add").click().run()
    (locator,) = library.added()
    assert {item.label for item in library.open_dataset(locator).items} == {"mine"}
    app.button_group(key="keep_library_view").set_value(place.STORAGE).run()
    app.button(key="remove_set").click().run()
    assert not app.exception
    assert library.added() == []
    assert "failed" not in html(app)
    assert "add_pictures" in {button.key for button in app.button}
    assert "remove_set" not in {button.key for button in app.button}, "all there is, not the set"


def test_a_table_may_not_name_what_was_not_given_with_it(open_page, pictures):
    away = next(iter(sorted(pictures.rglob("*.png"))))
    app = drop(open_page("library"), ("table.csv", f"path\n{away}\n".encode()))
    assert "was not given with it" in html(app)
    assert library.added() == []


def test_what_was_passed_over_and_what_was_not_taken_as_it_stands_is_listed(open_page, pictures):
    files = {f"dog\\{name.replace('/', '-')}": data for name, data in read(pictures, 3).items()}
    odd = ("../outside.png", "notes.txt", "__MACOSX/._1.png", "__MACOSX/._2.png")
    app = drop(open_page("library"), ("mine.zip", zipped(files | dict.fromkeys(odd, b"no"))))
    assert "3 pictures · 1 class · 4 skipped" in html(app)
    app.button(key="add").click().run()
    words = html(app)
    assert "1 remark: used, but not as it stands." in words
    for expected in (
        "points outside the archive",
        "not that of a picture",
        "left behind by a system",
        "backslashes",
    ):
        assert expected in words
    assert words.index("../outside.png") < words.index("__MACOSX/._1.png"), "rare reasons first"


def test_own_vectors_are_counted_and_then_taken(open_page, pictures):
    locator = library.add_folder(str(pictures))
    ids = [item.id for item in library.open_dataset(locator).items]
    numbers = io.BytesIO()
    np.save(numbers, np.eye(len(ids) + 1)[:, :5])
    app = window(open_page("library"), "Own vectors")
    app.selectbox(key="add_vectors_set").set_value(locator).run()
    vectors, lines = app.file_uploader
    vectors.set_value(("v.npy", numbers.getvalue(), "")).run()
    assert "Now the ids" in html(app)
    assert 'role="alert"' not in html(app), "half of what is asked for is no mistake"
    vectors, lines = app.file_uploader
    vectors.set_value(("v.npy", numbers.getvalue(), ""))
    lines.set_value(("v.txt", "\n".join([*ids, "unknown.png"]).encode(), "")).run()
    assert not app.exception
    assert "13 vectors of 5 dimensions: 5 used, 8 passed over." in html(app)
    assert imports.vector_rows() == []
    app.button(key="add_vectors").click().run()
    assert not app.exception
    assert [row["used"] for row in imports.vector_rows()] == [5]
    assert "5 of 13 vectors are used, 8 passed over." in html(open_page("library"))


def test_a_zip_that_is_none_is_refused(open_page, artifacts):
    app = drop(open_page("library"), ("mine.zip", b"PK\x03\x04 and then nothing"))
    assert not app.exception
    assert 'role="alert"' in html(app)
    assert str(artifacts) not in notes(app)
    assert library.added() == []


def test_hostile_names_are_shown_as_text(open_page, hostile):
    locator = library.add_folder(str(hostile))
    build(library.open_dataset(locator), ["hsv.12x4x4"])
    for page in (
        open_page("library"),
        open_page("library", set=locator),
        open_page("compare", dataset=locator, encoders="hsv.12x4x4"),
    ):
        assert not page.exception
        assert "<img src=x" not in html(page)
        assert "<b>names" not in html(page)
    hits = columns(open_page("compare", dataset=locator, encoders="hsv.12x4x4"))["hsv.12x4x4"][
        "hits"
    ]
    assert len(hits) == len(HOSTILE) - 1


def ended() -> list[str]:
    """The states of all jobs, once none is at work."""
    deadline = time.monotonic() + 600
    while jobs.listing(active_only=True) and time.monotonic() < deadline:
        time.sleep(0.2)
    return [job.state for job in jobs.listing()]


def test_a_build_runs_as_a_job_and_leads_to_compare(open_page, pictures):
    locator = library.add_folder(str(pictures))
    app = open_page("library", set=locator, view=place.ENCODERS)
    app.multiselect(key="keep_build_encoders").set_value(["tiny.16x16"]).run()
    assert "12 of 12" in html(app)
    app.button(key="build").click().run()
    assert not app.exception
    assert ended() == ["done"]
    cached.forget_builds()
    again = open_page("library", set=locator, view=place.ENCODERS)
    assert "Build Tiny image for pictures" in html(again), "in the tray"
    assert again.button(key="path_compare").label == "Compare 1 encoder"
    compare = open_page("compare", dataset=locator, encoders="tiny.16x16")
    assert "Next: Evaluate" in html(compare)
    assert compare.button(key="path_evaluate").label.startswith("Evaluate")
    assert "Next: " not in html(open_page("compare")), "the embedded gallery is nobody's way"
    later = open_page("library", set=locator)
    assert later.button(key="path_evaluate"), "another visit knows that it was compared"
    again.multiselect(key="keep_build_encoders").set_value(["tiny.16x16"]).run()
    assert again.button(key="build").label == "Already built"
    assert again.button(key="build").disabled


def test_the_path_says_that_the_last_build_failed_until_it_is_dismissed(
    open_page, pictures, artifacts
):
    locator = library.add_folder(str(pictures))
    id = time.strftime("%Y%m%d-%H%M%S-abcdef")
    folder = artifacts / "runs" / id
    folder.mkdir(parents=True)
    told = {
        "title": "Build HOG for pictures",
        "arguments": ["build", "--dataset", locator, "--encoders", "hog.8x8"],
        "started": time.time(),
    }
    (folder / "job.json").write_text(json.dumps(told))
    jobs.write_line(folder / "log.jsonl", state="failed", message="The disk is full.")
    app = open_page("library", set=locator)
    said = "Build HOG for pictures: failed. <span>The disk is full."
    assert said in html(app)
    app.button(key=f"tray_dismiss_{id}").click().run()
    assert said not in html(app)


def test_the_path_of_a_set_says_what_is_next(open_page, report, judged):
    locator = str(judged.parent / "pictures")
    said = html(open_page("library", set=locator))
    assert 'class="next" aria-current=step' in said
    assert said.index("Evaluate") < said.index('class="next"') < said.index("Improve")
    assert "evaluated: best " in html(open_page("library"))
    assert "Next: " not in html(open_page("compare", dataset=locator)), "it is evaluated"
    metrics = open_page("metrics", report=report)
    assert "Next: Improve" in html(metrics)
    assert metrics.button(key="path_improve")
    app = open_page("library", set=locator, view=place.EVALUATION)
    assert "3 encoders" in html(app)
    assert app.button(key="set_metrics").label == "Open in Metrics"


def test_a_set_without_labels_can_not_be_evaluated(open_page, hostile):
    locator = library.add_folder(str(hostile))
    app = open_page("library", set=locator, view=place.EVALUATION)
    assert "It has no labels" in html(app)
    assert 'class="closed"' in html(app)


def test_pictures_are_shown_by_class_in_pages(open_page, pictures, monkeypatch):
    monkeypatch.setattr("pages.parts.library.pictures.PAGE", 4)
    app = open_page("library", set=library.add_folder(str(pictures)))
    assert "1 to 4 of 12." in html(app)
    app.button(key="library_Next").click().run()
    assert "5 to 8 of 12." in html(app)
    app.selectbox(key="keep_library_class").set_value("warm").run()
    assert "1 to 4 of 6." in html(app)
    assert all(item["id"].startswith("warm") for item in component(app, "grid")["items"])


@pytest.mark.parametrize("params", [{"set": "/nowhere"}, {"set": "<b>"}, {"view": "nonsense"}])
def test_a_forged_link_opens_on_all_there_is(open_page, params):
    app = open_page("library", **params)
    assert not app.exception
    assert "Catalogue" in html(app)
    assert "<b>" not in html(app).replace('<b dir="auto"', "")


def test_caches_stand_with_their_data_set_and_are_deleted(open_page, pictures):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    rows = library.cache_rows()
    assert {row["source"] for row in rows} == {locator}
    app = open_page("library")
    assert any(one.label.startswith(f"pictures · {len(rows)} entr") for one in app.expander)
    storage = html(open_page("library", set=locator, view=place.STORAGE))
    assert storage.index("Remove the data set") < storage.index("All of it can be built again")
    for row in rows:
        app = app.button(key=f"delete_{row['kind']}_{row['key']}").click().run()
    assert library.cache_rows() == []
    assert "Nothing has been built" in html(app)


def test_space_is_freed_by_what_is_unused_for_longest(open_page, pictures):
    build(library.open_dataset(library.add_folder(str(pictures))), ["tiny.16x16", "hsv.12x4x4"])
    app = open_page("library")
    app.button(key="free_space").click().run()
    assert not app.exception
    assert library.cache_rows() == []


def test_an_added_set_is_removed_and_the_pictures_stay(open_page, pictures):
    locator = library.add_folder(str(pictures))
    app = open_page("library", set=locator, view=place.STORAGE)
    app.button(key="remove_set").click().run()
    assert not app.exception
    assert library.added() == []
    assert len(list(pictures.rglob("*.png"))) == 12


def test_pictures_that_a_build_passed_over_are_listed_with_the_reason(open_page, pictures):
    (pictures / "cold" / "broken.png").write_bytes(b"not a picture")
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    cached.forget_builds()
    app = open_page("library", set=locator)
    assert not app.exception
    assert "broken.png" in html(app)
    assert "1 file of pictures could not be used." in html(app)


def test_labels_from_folders_are_shown_and_corrected(open_page, tmp_path):
    for number, name in enumerate(("shop/cups", "shop/plants", "home/plants")):
        (tmp_path / "places" / name).mkdir(parents=True)
        Image.new("RGB", (40, 40), (60 * number, 90, 200)).save(
            tmp_path / "places" / name / "1.png"
        )
    locator = library.add_folder(str(tmp_path / "places"))
    app = open_page("library", set=locator)
    app.button(key="labels").click().run()
    assert not app.exception
    assert "read as category/instance" in html(app)
    assert "shop/cups/1.png" in html(app)
    app.selectbox(key="layout_choice").set_value("*/class")
    app.button(key="layout_use").click().run()
    assert not app.exception
    assert {item.label for item in library.open_dataset(locator).items} == {"cups", "plants"}
    assert "2 classes" in html(open_page("library"))


def test_a_hosted_demo_shows_no_paths_and_deletes_nothing(open_page, pictures, monkeypatch):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), ["tiny.16x16"])
    monkeypatch.setenv("LOOKALIKE_HOSTED", "1")
    for app in (open_page("library"), open_page("library", set=locator, view=place.STORAGE)):
        assert not app.exception
        assert not [
            button for button in app.button if (button.key or "").startswith(("delete_", "remove_"))
        ]
        assert str(pictures.parent) not in html(app)
    app.button(key="add_pictures").click().run()
    assert not [field for field in app.text_input if field.key == "add_path"]
