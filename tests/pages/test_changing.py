"""Library: pictures added to a data set, removed from it, and what was built that follows."""

from __future__ import annotations

from core.services.embedding.build import build
from core.services.library import adding, library
from pages.parts import builds, cached
from pages.parts.library import change
from tests.pages.reading import component, html, notes

ENCODER = "tiny.16x16"


def uploaded(pictures) -> str:
    files = [
        (path.relative_to(pictures).as_posix(), path.read_bytes())
        for path in sorted(pictures.rglob("*.png"))
    ]
    locator = adding.add_files(files)
    build(library.open_dataset(locator), [ENCODER])
    return locator


def test_pictures_are_added_and_removed_and_what_was_built_follows(
    open_page, pictures, monkeypatch
):
    started = []
    monkeypatch.setattr(builds, "start", lambda locator, names: started.append((locator, names)))
    locator = uploaded(pictures)
    app = open_page("library", set=locator)
    new = ("new.png", (pictures / "cold" / "0.png").read_bytes(), "image/png")
    app.file_uploader[0].set_value([new]).run()
    app.button(key="change_add").click().run()
    assert not app.exception
    assert "1 added; 13 pictures now." in notes(app)
    assert started == [(locator, [ENCODER])]
    app.multiselect(key=change.PICKED).set_value(["cold/0.png", "new.png"]).run()
    app.button(key="change_remove").click().run()
    assert not app.exception
    assert "2 removed; 11 pictures now." in notes(app)
    assert len(started) == 2
    assert "new.png" not in {item.id for item in library.open_dataset(locator).items}
    app.text_input(key="keep_library_words").set_value("warm").run()
    app.checkbox(key=change.EVERY).set_value(True).run()
    app.button(key="change_remove").click().run()
    assert len(library.open_dataset(locator, fresh=True).items) == 5


def test_a_folder_that_changed_is_told_and_updated(open_page, pictures, monkeypatch):
    started = []
    monkeypatch.setattr(builds, "start", lambda locator, names: started.append(names))
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), [ENCODER])
    assert "came or went" not in notes(open_page("library", set=locator))
    (pictures / "cold" / "0.png").rename(pictures / "cold" / "9.png")
    library.open_dataset(locator, fresh=True)
    cached.forget_datasets()  # pages list a folder again after seconds
    app = open_page("library", set=locator)
    assert "Pictures came or went since 1 encoder of it was built." in notes(app)
    assert "1 added, 1 removed: 1 picture to encode" in notes(app)
    assert "a place of yours" in html(app)
    app.button(key="set_update").click().run()
    assert started == [[ENCODER]]


def test_damaged_vectors_are_called_so_and_no_picture_is_blamed(open_page, pictures, monkeypatch):
    started = []
    monkeypatch.setattr(builds, "start", lambda locator, names: started.append(names))
    locator = library.add_folder(str(pictures))
    (made,) = build(library.open_dataset(locator), [ENCODER])
    whole = (made.path / "vectors.npy").read_bytes()
    (made.path / "vectors.npy").unlink()  # a file that others have mapped is not cut
    (made.path / "vectors.npy").write_bytes(whole[: len(whole) // 2])
    said = "The stored vectors of pictures by tiny.16x16 are damaged."
    app = open_page("library", set=locator)
    assert said in notes(app)
    assert "came or went" not in notes(app)
    assert "12 pictures to encode" in notes(app)
    app.button(key="set_update").click().run()
    assert started == [[ENCODER]]
    compared = open_page("compare", dataset=locator, encoders=ENCODER)
    assert said in str(component(compared, "board"))


def test_a_folder_is_looked_at_again_on_demand(open_page, pictures):
    locator = library.add_folder(str(pictures))
    build(library.open_dataset(locator), [ENCODER])
    app = open_page("library", set=locator)
    app.button(key="change_again").click().run()
    assert "Nothing has changed; 12 pictures now." in notes(app)
    assert "came or went" not in notes(app)
    data = (pictures / "cold" / "0.png").read_bytes()
    (pictures / "cold" / "7.png").write_bytes(data)
    (pictures / "cold" / "8.png").write_bytes(data)
    (pictures / "cold" / "0.png").unlink()
    (pictures / "warm" / "1.png").write_bytes(data)
    app.button(key="change_again").click().run()
    assert not app.exception
    assert "2 added, 1 removed, 1 changed; 13 pictures now." in notes(app)
    assert "2 added, 1 removed, 1 changed: 3 pictures to encode" in notes(app)
